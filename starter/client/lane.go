// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxPlan is the largest plan that a lane takes, in bytes of JSON: twenty of them fit into one message.
const maxPlan = 64 << 10

// Scope is what a freeze is ordered for: one service in an environment, or where Name is empty all of
// them.
type Scope struct{ Environment, Name string }

// ParseScope reads "environment" or "environment/name".
func ParseScope(s string) (Scope, error) {
	if plan.IsLabel(s) {
		return Scope{Environment: s}, nil
	}
	lane, err := ParseLane(s)
	if err != nil {
		return Scope{}, fmt.Errorf("%q is neither an environment nor a service: write production, or production/checkout", s)
	}
	return Scope(lane), nil
}

// String is "environment" or "environment/name".
func (s Scope) String() string {
	if s.Name == "" {
		return s.Environment
	}
	return Lane(s).String()
}

// id is the workflow that is told, start how it begins.
func (s Scope) id() string {
	if s.Name == "" {
		return workflows.EnvironmentID(s.Environment)
	}
	return workflows.LaneID(s.Environment, s.Name)
}

func (s Scope) start() (workflow, in any) {
	if s.Name == "" {
		return workflows.Environment, workflows.EnvironmentIn{Environment: s.Environment}
	}
	return workflows.Lane, workflows.LaneIn{Environment: s.Environment, Service: s.Name}
}

// Freeze holds everything in a scope and returns how many services have heard of it.
func (c *Client) Freeze(ctx context.Context, s Scope, h decide.Hold) (int, error) {
	var heard int
	err := c.order(ctx, s, workflows.FreezeLane, h, &heard)
	return heard, err
}

// Thaw ends the holds of one kind in a scope and returns how many services have heard of it.
func (c *Client) Thaw(ctx context.Context, s Scope, t workflows.Thawing) (int, error) {
	var heard int
	err := c.order(ctx, s, workflows.Thaw, t, &heard)
	return heard, err
}

// Withdraw takes a release that waits out of its lane.
func (c *Client) Withdraw(ctx context.Context, l Lane, w workflows.Withdrawal) error {
	return c.order(ctx, Scope(l), workflows.Withdraw, w, new(int))
}

// Lane asks a lane how it is. A service that was never released has none.
func (c *Client) Lane(ctx context.Context, l Lane) (workflows.LaneStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s workflows.LaneStatus
	value, err := c.temporal.QueryWorkflow(ctx, Scope(l).id(), "", workflows.LaneQuery)
	if err == nil {
		err = value.Get(&s)
	}
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return s, &MissingError{fmt.Sprintf("nothing was ever released to %s through its lane", l)}
	}
	if err != nil {
		return s, fmt.Errorf("ask lane %s: %w", l, err)
	}
	return s, nil
}

// submit hands a release to its lane.
func (c *Client) submit(ctx context.Context, l Lane, s workflows.Submission) (workflows.Place, error) {
	hash, err := planHash(s.Release.Plan)
	if err != nil {
		return workflows.Place{}, err
	}
	s.PlanHash, s.Release.PlanHash = hash, hash
	var p workflows.Place
	err = c.order(ctx, Scope(l), workflows.Submit, s, &p)
	return p, err
}

// planHash tells two plans apart. It refuses one that is too large for a lane.
func planHash(p plan.Plan) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write plan: %w", err)
	}
	if len(text) > maxPlan {
		return "", &RefusedError{fmt.Sprintf("the plan takes %d KiB, and a lane keeps at most %d KiB of each", len(text)>>10, maxPlan>>10)}
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// order tells a lane or an environment something, starting it if it is not there, and waits for the answer.
func (c *Client) order(ctx context.Context, s Scope, update string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	workflow, first := s.start()
	begin := c.temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: s.id(), TaskQueue: workflows.TaskQueue, WorkflowTaskTimeout: 2 * time.Second,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, StaticSummary: "Lane " + s.String(),
	}, workflow, first)
	handle, err := c.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: begin,
		UpdateOptions:          client.UpdateWorkflowOptions{UpdateName: update, Args: []any{in}, WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	if err == nil {
		err = handle.Get(ctx, out)
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return &RefusedError{fmt.Sprintf("%s: refused: %s", s, refused.Message())}
	}
	if err != nil {
		return explain(err, Lane(s))
	}
	return nil
}

// UnknownError is a release that its lane knows nothing of: it waited in one that was ended by force.
type UnknownError struct {
	Lane Lane
	ID   string
}

// Error says what to do.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("%s knows no release %s: its lane was ended by force while it waited, or it ended long ago; release it again if it is still wanted", e.Lane, e.ID)
}

// StartingError is a release that its lane is starting just now.
type StartingError struct{ ID string }

// Error says so.
func (e *StartingError) Error() string { return "release " + e.ID + " is being started" }

// Follow asks how one release is, wherever it stands: waiting, running, or ended. The place is only set
// while it waits.
func (c *Client) Follow(ctx context.Context, l Lane, id string) (workflows.Status, *workflows.Place, error) {
	s, err := c.Status(ctx, l)
	if err == nil && (id == "" || s.ID == id) {
		return s, nil, nil
	}
	if id == "" {
		return s, nil, err
	}
	lane, err := c.Lane(ctx, l)
	if err != nil {
		return s, nil, err
	}
	if lane.Running != nil && lane.Running.ID == id {
		return s, nil, &StartingError{ID: id}
	}
	for i, j := range lane.Waiting {
		if j.ID == id {
			return s, &workflows.Place{ID: id, State: workflows.PlaceQueued, Position: i + 1, Reason: lane.Why}, nil
		}
	}
	i := slices.IndexFunc(lane.Ends, func(e workflows.LaneEnd) bool { return e.ID == id })
	if i < 0 {
		return s, nil, &UnknownError{Lane: l, ID: id}
	}
	end := lane.Ends[i]
	if end.Run == "" {
		return workflows.Status{
			ID: id, Service: l.Name, Environment: l.Environment, Image: end.Image, RequestedBy: end.By,
			Phase: end.Phase, Outcome: end.Outcome, Started: end.At, Ended: end.At,
		}, nil, nil
	}
	s, err = c.statusOf(ctx, l, end.Run)
	return s, nil, err
}
