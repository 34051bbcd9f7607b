// SPDX-License-Identifier: Apache-2.0

// Package workflows tells each strategy as a durable story: one workflow type per strategy, one file
// per story, read from top to bottom like the runbook it replaces.
//
// Code here is deterministic: it asks activities for everything that touches the world, and takes
// every decision by a pure function of package decide. Two rules hold everywhere:
//
//   - A compensation is registered before the action it takes back, and it may find nothing to do.
//   - Nothing waits without a reason, an owner, a deadline and a stated outcome at the deadline; the
//     status query and the current details in Temporal's UI show all four. The exceptions are a pause and a
//     stop of the line: a person began it, and it lasts until a person ends it.
package workflows
