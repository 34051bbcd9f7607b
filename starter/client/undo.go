// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/serviceerror"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Return is a way back: which revision of a workload, and who wants it.
type Return struct {
	Plan plan.Plan
	// Revision as `kubectl rollout history` numbers them; 0: the one before the present.
	Revision int64
	By       string
}

// Check refuses, before anything is asked of Temporal, a plan whose workload is not replaced in place.
func (r Return) Check() error {
	if r.Plan.Spec.Strategy.Rolling == nil {
		return fmt.Errorf("the plan's strategy is %s, which leaves the pods of a track as they are; undo brings back the pods of a rolling release",
			r.Plan.Spec.Strategy.Name())
	}
	if r.Revision < 0 {
		return fmt.Errorf("revision %d: write one that `kubectl rollout history` shows, or leave it out", r.Revision)
	}
	return nil
}

// Undo hands the way back to a former revision to the lane, where it goes before all releases that wait, and
// returns where it stands there. It refuses while a release runs, whose abort is the way back.
func (c *Client) Undo(ctx context.Context, r Return) (workflows.Place, error) {
	if err := r.Check(); err != nil {
		return workflows.Place{}, err
	}
	lane := laneOf(r.Plan)
	if err := c.idle(ctx, lane); err != nil {
		return workflows.Place{}, err
	}
	return c.submit(ctx, lane, workflows.Submission{
		Workflow: workflows.RolloutUndoWorkflow, Revision: r.Revision,
		Release: workflows.ReleaseIn{ID: newID(lane), Plan: r.Plan, RequestedBy: r.By},
	})
}

// idle refuses a way back while a release runs. It asks the release's record itself: lists lag behind.
func (c *Client) idle(ctx context.Context, l Lane) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	newest, err := c.temporal.DescribeWorkflowExecution(ctx, l.String(), "")
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return nil
	}
	if err != nil {
		return explain(err, l)
	}
	return ended(l, []Past{past(newest.GetWorkflowExecutionInfo())})
}
