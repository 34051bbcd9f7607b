// SPDX-License-Identifier: Apache-2.0

// Package forecast tells what a release would do, before it does it: every step with its time, its extra
// pods, how many users it reaches and how it is undone.
//
// It is pure and rests on the plan alone: no cluster, no clock, no Temporal. What nobody can know before,
// such as how long pods take to become ready, is given by its bound. A test in package workflows holds it
// against what the workflows do.
package forecast
