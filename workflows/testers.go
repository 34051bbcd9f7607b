// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// openPreview makes the route that only testers' requests take, where the plan names testers: from here on
// they reach the candidate, whatever the weight.
func (r *release) openPreview(ctx workflow.Context) error {
	if r.testers == nil {
		return nil
	}
	within := r.pace.settle
	deadline := workflow.Now(ctx).Add(within.D())
	r.at(ctx, moment{next: "the router lets testers reach " + r.tracks.Candidate, deadline: deadline, atDeadline: "the release is undone"})
	r.previewed = true
	// It frees: without the candidate its route would lead testers nowhere.
	r.undo.push(compensation{name: "close the preview route", frees: true, run: func(ctx workflow.Context) error {
		if err := r.landed(ctx); err != nil {
			return err
		}
		return r.endPreview(ctx, undoing())
	}})
	s, err := call(ctx, opening(within.D()), "Open the preview route", traffic.OpenPreview,
		activities.PreviewIn{Write: r.write(), Route: r.route, Deadline: deadline})
	r.created = workflow.Now(ctx)
	if err != nil {
		return err
	}
	if !s.Settled {
		return stop("the router did not take up the preview route within %s: %s", within, s.Reason)
	}
	r.note(ctx, "requests with %s reach %s", r.testers.Mark(), r.tracks.Candidate)
	return nil
}

// closePreview takes the testers' route away on the way forward, where there is one.
func (r *release) closePreview(ctx workflow.Context) error {
	if r.testers == nil {
		return nil
	}
	return r.endPreview(ctx, writing())
}

func (r *release) endPreview(ctx workflow.Context, p policy) error {
	return do(ctx, p, "Close the preview route", traffic.ClosePreview, activities.PreviewIn{Write: r.write(), Route: r.route})
}
