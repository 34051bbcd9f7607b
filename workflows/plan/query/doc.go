// SPDX-License-Identifier: Apache-2.0

// Package query checks the PromQL of a plan before anything is released by it, and fills in its variables.
//
// A query counts one track at a time, so it names the track by variables: {{namespace}}, {{service}},
// {{deployment}}, {{pods}} and {{track}}. They stand within the quoted values of labels, nowhere else: what they
// are filled with can then change no more than which series are meant. Syntax is that of Prometheus' own parser.
// The package asks no server: whether there are such series is seen when a release begins.
package query
