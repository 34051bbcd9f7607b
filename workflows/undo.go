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
	// joins says that it frees by an object that no other compensation writes: it is under way while the next
	// ones free too, so users wait for the slowest of them and not for their sum.
	joins bool
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
	heed := func(c compensation, err error) {
		if err != nil {
			left = append(left, fmt.Sprintf("%s: %s", c.name, plain(err)))
			stuck = stuck || c.frees
		}
	}
	under := workflow.NewWaitGroup(ctx)
	for _, c := range slices.Backward(*u) {
		if !c.frees {
			under.Wait(ctx)
		}
		switch {
		case stuck && !c.frees && !c.beside:
			left = append(left, c.name+": not tried, because traffic may still reach the candidate")
		case c.joins:
			under.Add(1)
			workflow.GoNamed(ctx, c.name, func(ctx workflow.Context) {
				defer under.Done()
				heed(c, c.run(ctx))
			})
		default:
			heed(c, c.run(ctx))
		}
	}
	under.Wait(ctx)
	return left
}
