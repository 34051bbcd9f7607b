// SPDX-License-Identifier: Apache-2.0

//go:build race

package simulation_test

// few: the race detector looks at the simulation itself, and takes its time.
const few = 150
