// SPDX-License-Identifier: Apache-2.0

// Package server is `slipway serve`: the way in for CI, registries and other systems. It verifies who sends
// an event, finds the plans that it starts, and hands their releases to Temporal; and it serves the API of
// releases.
//
// It keeps no state but its plans, so that any number may run and each may die at any time. It answers
// within half a second whatever Temporal is doing, and what it could not hand over it refuses with 503.
package server
