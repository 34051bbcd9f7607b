// SPDX-License-Identifier: Apache-2.0

// Command mutant breaks every promise on purpose, three times each, and asks whether a test notices.
//
// A mutant is one small change of the product's source, given to the compiler as an overlay: nothing is written
// into the repository. One whose text is not found exactly once fails, so that no mutant can rot. Each must
// be caught: first the simulation is asked, then, if it saw nothing, the unit tests of the package that was
// changed and of the workflows.
package main
