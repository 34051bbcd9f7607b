// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"
)

// compensation takes one action back. It is idempotent and tolerates finding nothing.
type compensation struct {
	name string
	// frees says that it takes traffic off the candidate. Where one of these failed, users may still be
	// on the candidate, and the ones that would remove it are left to a person.
	frees bool
	// beside says that it has nothing to do with traffic: it is tried whatever has failed.
	beside bool
	run    func(workflow.Context) error
}

// undoStack holds the compensations in the order of the actions they take back.
type undoStack []compensation

// push registers a compensation, before its action begins.
func (u *undoStack) push(c compensation) { *u = append(*u, c) }

// run takes everything back, last action first, and goes on past failures. It returns what is left to
// do for a person, in plain words.
func (u *undoStack) run(ctx workflow.Context) []string {
	var left []string
	stuck := false
	for _, c := range slices.Backward(*u) {
		if stuck && !c.frees && !c.beside {
			left = append(left, c.name+": not tried, because traffic may still reach the candidate")
			continue
		}
		if err := c.run(ctx); err != nil {
			left = append(left, fmt.Sprintf("%s: %s", c.name, plain(err)))
			stuck = stuck || c.frees
		}
	}
	return left
}
