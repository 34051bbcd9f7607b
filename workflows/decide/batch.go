// SPDX-License-Identifier: Apache-2.0

package decide

import "github.com/slipwayhq/slipway/workflows/plan"

// Batches are the numbers of new pods after each batch, for a workload of this size: strictly rising, the
// last one all of them. Batches that come to the same number are one; size must be at least 1.
func Batches(planned []plan.Size, size int) []int {
	var out []int
	last := 0
	for _, b := range planned {
		if n := b.Up(size); n > last && n < size {
			out, last = append(out, n), n
		}
	}
	return append(out, size)
}

// Limits are how many pods may be above the size and missing from it, as Kubernetes rounds them: a surge
// up, an unavailability down, and one of them at least 1. A limit that the plan leaves out is 0.
func Limits(surge, unavailable *plan.Size, size int) (above, missing int) {
	if surge != nil {
		above = surge.Up(size)
	}
	if unavailable != nil {
		missing = min(unavailable.Down(size), size)
	}
	if above == 0 && missing == 0 {
		missing = 1
	}
	return above, missing
}

// Wave narrows the limits so that the next pods a Deployment replaces are no more than those that a batch
// still needs, at least 1.
func Wave(need, above, missing int) (surge, unavailable int) {
	surge = min(above, need)
	return surge, min(missing, need-surge)
}
