// SPDX-License-Identifier: Apache-2.0

// Package plan is the file a service team keeps in its repository: what to release, how to move
// traffic, what to watch and whom to ask.
//
// [Load] reads it strictly (unknown and duplicate fields are errors that name line and field), fills in
// everything that was left out and validates it, so that a workflow only ever sees a complete plan. The
// package is pure: it knows nothing of Temporal, Kubernetes or the clock.
package plan
