// SPDX-License-Identifier: Apache-2.0

//go:build !race

package simulation_test

// few seeds are enough for somebody who changes the code.
const few = 3000
