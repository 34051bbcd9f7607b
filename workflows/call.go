// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"context"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// Nil pointers: only their method values are used, so that the compiler checks every call.
var (
	cluster  *activities.Cluster
	traffic  *activities.Traffic
	analysis *activities.Analysis
	checks   *activities.Checks
	rollout  *activities.Rollout
	lanes    *activities.Lanes
	approval *activities.Approvals
	arrivals *activities.Arrivals
	messages *activities.Messages
	lookout  *activities.Lookout
)

// start executes an activity. It is the only place that does.
func start[In any](ctx workflow.Context, p policy, summary string, activity any, in In) workflow.Future {
	options := workflow.ActivityOptions(p)
	options.Summary = summary
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, options), activity, in)
}

// call executes an activity and waits for what it returns.
func call[In, Out any](
	ctx workflow.Context, p policy, summary string, activity func(context.Context, In) (Out, error), in In,
) (Out, error) {
	var out Out
	err := start(ctx, p, summary, activity, in).Get(ctx, &out)
	return out, err
}

// do executes an activity that returns nothing but perhaps an error, and waits for it.
func do[In any](ctx workflow.Context, p policy, summary string, activity func(context.Context, In) error, in In) error {
	return start(ctx, p, summary, activity, in).Get(ctx, nil)
}

// local executes an activity that reaches nothing but the memory of this worker, as part of the workflow task: it
// needs no free slot, no round trip, and one event.
func local[In, Out any](ctx workflow.Context, summary string, activity func(context.Context, In) (Out, error), in In) (Out, error) {
	var out Out
	options := workflow.LocalActivityOptions(quick())
	options.Summary = summary
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, options), activity, in).Get(ctx, &out)
	return out, err
}
