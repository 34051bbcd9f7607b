// SPDX-License-Identifier: Apache-2.0

// Package stage is everything a release needs, set up for real on one machine: the sandbox, a worker
// under the rights of deploy/base, the slipway command line, a sample service behind the gateway, load,
// and an observer of the route.
//
// The demo and the end-to-end tests stand on it. Whatever it starts ends with the process that uses it.
package stage
