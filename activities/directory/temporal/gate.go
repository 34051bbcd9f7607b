// SPDX-License-Identifier: Apache-2.0

package temporal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/activities"
)

var _ activities.Gatekeeper = (*Directory)(nil)

// Submit implements activities.Gatekeeper. The release's ID is that of the update, so that a lane takes it
// once though the answer was lost.
func (d *Directory) Submit(ctx context.Context, in activities.SubmitReleaseIn) (activities.SubmittedRelease, error) {
	start := d.temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: in.Lane, TaskQueue: d.queue, WorkflowTaskTimeout: 2 * time.Second,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Lane " + in.Environment + "/" + in.Service,
	}, activities.LaneWorkflow, map[string]string{"environment": in.Environment, "service": in.Service})
	handle, err := d.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: in.Release, UpdateName: activities.SubmitUpdate, Args: []any{in.Submission}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	var out activities.SubmittedRelease
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return activities.SubmittedRelease{Refusal: refused.Message()}, nil
	}
	if err != nil {
		return out, fmt.Errorf("submit release %s to %s: %w", in.Release, in.Lane, err)
	}
	return out, nil
}
