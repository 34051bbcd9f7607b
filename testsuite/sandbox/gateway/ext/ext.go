// SPDX-License-Identifier: Apache-2.0

// Package ext stands in for a nested module that is left out of Traefik's module file; both extension points are empty.
package ext

type HTTP struct{}

type Router struct{}
