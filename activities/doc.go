// SPDX-License-Identifier: Apache-2.0

// Package activities is everything a release does to the world: structs of injected dependencies
// whose methods are Temporal activities, their inputs and outputs, and the small interface each
// consumes.
//
// The contract of every activity: it declares the desired state (weight = 20, never +10), it may be
// run again after it has taken effect, its writes are fenced, it heartbeats when it takes longer than
// ten seconds, and its errors are built by package fault last, at the boundary. The package must stay
// light: workflows import it for method values, so no client of any system is imported here.
package activities
