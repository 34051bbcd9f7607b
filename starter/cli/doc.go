// SPDX-License-Identifier: Apache-2.0

// Package cli is the slipway command line. Services are named "environment/name"; output is for people
// unless -o json asks for machines'. Every command reaches a release through Temporal, but for rescue, which
// reaches the cluster itself.
//
// Exit codes: 0 done or promoted, 1 failed or refused, 2 undone.
package cli
