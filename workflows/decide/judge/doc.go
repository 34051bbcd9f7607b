// SPDX-License-Identifier: Apache-2.0

// Package judge decides from counted requests whether a candidate is worse than stable, as good as stable, or
// neither can be said yet. It is pure: no I/O, no clock, no randomness; the same ticks give the same bits.
//
// Requests arrive in ticks of equal length ([Tick]). In each, both tracks have so many requests, of which so
// many were bad: failed, or slower than a boundary of the histogram. Two engines bet against "the candidate is
// at most so many times as bad as stable", and what a bet has won is evidence:
//
//   - R, a likelihood ratio tempered by the dispersion of stable's pods and capped per tick: fast where
//     requests are many and fail independently of each other;
//   - V, a bet per block of ticks on the candidate's part of the bad requests, valid under any clustering
//     within a block: for requests that fail in bursts, and where the dispersion is not known.
//
// Whoever looks after every tick, for as long as he likes, sees evidence of e : 1 against a candidate that
// keeps the tolerance with a probability of at most 1/e (Ville's inequality). A common incident multiplies
// both rates and cancels. A step is passed by certificates: the same kind of bet against "the candidate is
// unacceptably bad".
//
// The method with its proofs and measurements is told in docs/analysis-method.md, for people who know no
// statistics in docs/analysis.md. A state must only be used with the settings that it was made with.
package judge
