// SPDX-License-Identifier: Apache-2.0

// Command judge measures the judge on simulated releases, beside the documented rules of Flagger, Argo Rollouts and
// Kayenta and the theoretical limit, and fails when a figure that the project promises is missed.
//
// Every release is drawn from a seed of its own: the same command prints the same numbers. The judge is driven as a
// watch drives it, tick by tick, through the code that runs in production.
//
//	go run ./testsuite/judge [-part 0.1] [-out judge-report.json] [-only word]
package main
