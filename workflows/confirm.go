// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// confirmation begins to ask another system, and returns what reports whether it has said yes. Without one to ask,
// nobody needs to.
func (r *release) confirmation(ctx workflow.Context, c *plan.Confirm, deadline time.Time) func() bool {
	if c == nil {
		return func() bool { return true }
	}
	yes := false
	within := deadline.Sub(workflow.Now(ctx))
	f := start(ctx, watching(within), "Ask "+c.Name(), checks.AwaitConfirmation, activities.AwaitConfirmationIn{
		Confirm: *c, Deadline: deadline, About: activities.About{
			Name: r.status.Service, Namespace: r.status.Namespace, Phase: string(r.status.Phase), Checksum: r.status.Digest(), Metadata: c.Metadata,
			Environment: r.status.Environment, Release: r.status.ID, Question: r.status.Asks.ID, Image: r.status.Image,
			PlanHash: r.status.PlanHash, Weight: r.status.Weight,
		},
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		var said activities.Checked
		if err := f.Get(ctx, &said); err != nil {
			return // it is no longer asked, or the deadline tells
		}
		yes = said.Passed
		r.note(ctx, "%s", said.Reason)
	})
	return func() bool { return yes }
}
