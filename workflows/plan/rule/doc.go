// SPDX-License-Identifier: Apache-2.0

// Package rule reads and answers the conditions that a team writes into its plan, in CEL (Common Expression Language).
//
// A condition is arithmetic, comparisons and logic over the numbers of [Names], and nothing else: no text, no lists, no
// macros, so it cannot loop, and its cost is known when the plan is read ([MaxCost]). [Compile] refuses what does not give
// yes or no, what nobody knows, and what costs too much.
//
// All numbers are floating point. What cannot be computed gives no answer, with a reason: a number that is not known, a
// division by zero. CEL's logic holds there too: "false && not known" is false.
//
// The package is pure, and the same numbers give the same answer. Workflow code must not call it: a release is
// replayed from what was answered, by whichever version of CEL answered it.
package rule
