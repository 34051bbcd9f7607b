// SPDX-License-Identifier: Apache-2.0

// Package simulation releases thousands of times against a simulated production in which things go wrong, on a
// clock that costs no real time.
//
// The workflows are the real ones, in Temporal's test environment; the activities are the real structs, over
// [world.World]. In between stands what a Temporal server does with activities (attempts, time-outs,
// heartbeats, cancellation), written here so that each of its moments can be disturbed: see [Kind]. Everything
// that happens follows from a [Scenario], and a scenario from its seed, so what fails once fails always.
//
// An oracle watches from outside and holds what it saw against the promises: see [Result].
//
// The simulation knows nothing of Kubernetes: an operation of the world is one write, while an adapter may
// need several. Those are met by the fault tests on the sandbox.
package simulation
