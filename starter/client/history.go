// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"

	"github.com/slipwayhq/slipway/workflows"
)

// maxPage is the most that Temporal lists at once.
const maxPage = 1000

// Past is one line of a lane's history.
type Past struct {
	ID string `json:"id"`
	// Lane it was released to.
	Lane    Lane            `json:"-"`
	Service string          `json:"service"`
	Image   string          `json:"image"`
	By      string          `json:"requestedBy"`
	Phase   workflows.Phase `json:"phase"`
	Weight  int             `json:"weight"`
	Started time.Time       `json:"started"`
	Ended   time.Time       `json:"ended,omitzero"`
	// run is Temporal's name of it.
	run string
}

// History lists the releases of a lane, newest first, as far back as Temporal keeps them: 1 to 1000.
func (c *Client) History(ctx context.Context, lane Lane, limit int) ([]Past, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId = '%s'", lane), PageSize: int32(min(max(limit, 1), maxPage)),
	})
	if err != nil {
		return nil, fmt.Errorf("list releases of %s: %w", lane, err)
	}
	out := make([]Past, 0, len(found.Executions))
	for _, e := range found.Executions {
		out = append(out, past(e))
	}
	return out, nil
}

func past(e *workflow.WorkflowExecutionInfo) Past {
	p := Past{Service: e.GetExecution().GetWorkflowId(), Started: e.GetStartTime().AsTime(), run: e.GetExecution().GetRunId()}
	p.Lane.Environment, p.Lane.Name, _ = strings.Cut(p.Service, "/")
	if e.GetCloseTime() != nil {
		p.Ended = e.GetCloseTime().AsTime()
	}
	data := converter.GetDefaultDataConverter()
	for name, to := range map[string]any{workflows.MemoID: &p.ID, workflows.MemoImage: &p.Image, workflows.MemoBy: &p.By} {
		if payload := e.GetMemo().GetFields()[name]; payload != nil {
			_ = data.FromPayload(payload, to) // a list shows what it can read
		}
	}
	attributes := e.GetSearchAttributes().GetIndexedFields()
	for name, to := range map[string]any{workflows.PhaseAttribute.GetName(): &p.Phase, workflows.WeightAttribute.GetName(): &p.Weight} {
		if payload := attributes[name]; payload != nil {
			_ = data.FromPayload(payload, to)
		}
	}
	if e.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_TERMINATED {
		p.Phase = "terminated"
	}
	return p
}

// Found is a release that a look at all of them has found.
type Found struct {
	Past
	Lane Lane
}

// Recent lists the releases of every lane that run, or have ended since, newest first, 1000 at most.
func (c *Client) Recent(ctx context.Context, since time.Time) ([]Found, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowType IN ('Canary', 'BlueGreen', 'Rolling', '%s', '%s') AND (ExecutionStatus = 'Running' OR CloseTime > '%s')",
			workflows.RollbackWorkflow, workflows.RolloutUndoWorkflow, since.UTC().Format(time.RFC3339)),
		PageSize: maxPage,
	})
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	var out []Found
	for _, e := range found.Executions {
		p := past(e)
		if lane, err := ParseLane(e.GetExecution().GetWorkflowId()); err == nil && p.ID != "" {
			out = append(out, Found{p, lane})
		}
	}
	return out, nil
}

// StatusOf asks the very release that a look has found.
func (c *Client) StatusOf(ctx context.Context, s Found) (workflows.Status, error) {
	return c.statusOf(ctx, s.Lane, s.run)
}
