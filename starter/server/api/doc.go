// SPDX-License-Identifier: Apache-2.0

// Package api is the HTTP API of releases: one table of routes, from which the handlers, their rights and the
// OpenAPI description come. Whatever adds a route to the table is authenticated, checked and described like
// the others.
package api
