// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"
)

// stepBack gives stable its requests back step by step, where the plan asks for that, so that its caches
// and pools fill before everything arrives. An abort in the meantime hurries it. Whatever goes wrong here,
// the last step, to zero, is taken all the same.
func (r *release) stepBack(ctx workflow.Context) {
	hold := r.pace.stepBack
	if hold == 0 || r.left { // a route that was left has sent everybody back with its Service: a step would be forward
		return
	}
	ctx, r.cancel = workflow.WithCancel(ctx)
	defer r.cancel()
	r.hurriable = true
	defer func() { r.hurriable = false }()
	for _, weight := range r.lower() {
		if err := r.leaveAt(ctx, weight, fmt.Sprintf("Step back to %d %%", weight)); err != nil {
			r.note(ctx, "stepping back ended at %d %%: %s", r.status.Weight, plain(err))
			return
		}
		r.note(ctx, "stepped back to %d %%", weight)
		r.at(ctx, moment{
			next:     fmt.Sprintf("stay at %d %% on the way back; another abort sends everything back at once", weight),
			deadline: workflow.Now(ctx).Add(hold.D()), atDeadline: "the next lower weight",
		})
		if err := workflow.NewTimerWithOptions(ctx, hold.D(), workflow.TimerOptions{
			Summary: fmt.Sprintf("Let %s get used to its requests", r.tracks.Stable),
		}).Get(ctx, nil); err != nil {
			return
		}
	}
}

// lower are the weights of the steps below the present one, highest first.
func (r *release) lower() []int {
	var out []int
	for _, s := range slices.Backward(r.status.Track) {
		if s.Weight > 0 && s.Weight < r.status.Weight {
			out = append(out, s.Weight)
		}
	}
	return out
}
