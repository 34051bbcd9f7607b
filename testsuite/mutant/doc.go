// SPDX-License-Identifier: Apache-2.0

// Command mutant breaks every promise on purpose, three times at least, and asks whether a test notices.
//
// A mutant is one small change of the product's source, given to the compiler as an overlay: nothing is written
// into the repository. One whose text is not found exactly once fails, so that no mutant can rot. Each must
// be caught: first by the test that the list names, which is the simulation where it names none; else the
// simulation and every unit test of workflows and activities are asked.
package main
