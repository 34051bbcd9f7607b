// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/workflows"
)

// keyLength is how much of a key's hash is in a release's ID: 50 bits.
const keyLength = 10

// arrivesWithin is how long an intake tries before it has failed, and a further delivery may begin anew.
const arrivesWithin = time.Hour

// Request is a release that an event asks for.
type Request struct {
	Order
	// Key is the identity of what asks: requests of one key are one release.
	Key string
	// Event is when what triggered it began, by which a lane tells newer from older; EventFrom is the kind of it.
	Event     time.Time
	EventFrom string
	// URL that people can look at; may be empty.
	URL string
	// Once refuses a second request of the key that asks for something else, as [UsedError].
	Once bool
}

// Taken is a request that was taken in.
type Taken struct {
	// ID of the release.
	ID string
	// Known is true where an earlier request of the same key has begun it.
	Known bool
}

// UsedError is a key that was used before, for something else.
type UsedError struct{ ID string }

// Error says what it was used for.
func (e *UsedError) Error() string { return "it was used before, for release " + e.ID }

// Take begins the intake of a release, and returns as soon as Temporal has it. The image may have a tag: it
// is pinned to its digest once, later. The time that it takes is bounded by ctx.
func (c *Client) Take(ctx context.Context, r Request) (Taken, error) {
	lane := laneOf(r.Plan)
	id := keyedID(lane, r.Key)
	hash, err := planHash(r.Plan)
	if err != nil {
		return Taken{}, err
	}
	reuse := enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	if r.Once {
		reuse = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	}
	_, err = c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.IntakeID(id), TaskQueue: workflows.TaskQueue, WorkflowExecutionTimeout: arrivesWithin, WorkflowTaskTimeout: 2 * time.Second,
		WorkflowIDReusePolicy: reuse, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary: id + ": by " + r.By,
		Memo:          map[string]any{workflows.MemoID: id, workflows.MemoImage: r.Image, workflows.MemoBy: r.By, workflows.MemoKey: r.Key, workflows.MemoService: lane.String()},
	}, workflows.Intake, workflows.IntakeIn{Key: r.Key, URL: r.URL, Submission: workflows.Submission{
		Workflow: workflows.Workflow(r.Plan.Spec.Strategy), PlanHash: hash, Hotfix: r.Hotfix, Override: r.Quarantine, Event: r.Event, EventFrom: r.EventFrom,
		Release: workflows.ReleaseIn{ID: id, Plan: r.Plan, Image: r.Image, PlanHash: hash, RequestedBy: r.By, OverrideFreeze: r.Freeze, Source: r.Source},
	}})
	if _, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
		return c.known(ctx, id, r)
	}
	if err != nil {
		return Taken{}, fmt.Errorf("begin release of %s: %w", lane, err)
	}
	return Taken{ID: id}, nil
}

// known answers a request whose key was seen before.
func (c *Client) known(ctx context.Context, id string, r Request) (Taken, error) {
	if !r.Once {
		return Taken{ID: id, Known: true}, nil
	}
	found, err := c.temporal.DescribeWorkflowExecution(ctx, workflows.IntakeID(id), "")
	if err != nil {
		return Taken{}, fmt.Errorf("look for release %s: %w", id, err)
	}
	info := found.GetWorkflowExecutionInfo()
	var service string
	if payload := info.GetMemo().GetFields()[workflows.MemoService]; payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, &service) // what cannot be read is another one
	}
	before := past(info)
	if before.Image != r.Image || service != laneOf(r.Plan).String() {
		return Taken{}, &UsedError{ID: before.ID}
	}
	return Taken{ID: id, Known: true}, nil
}

// keyedID is the same for the same key.
func keyedID(l Lane, key string) string {
	sum := sha256.Sum256([]byte(key))
	return l.Name + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:keyLength]
}

// Find asks how a release is, wherever it stands: on its way in, waiting, running, or ended. The place is
// only set while it has not begun.
func (c *Client) Find(ctx context.Context, l Lane, id string) (workflows.Status, *workflows.Place, error) {
	s, place, err := c.Follow(ctx, l, id)
	if err == nil || id == "" {
		return s, place, err
	}
	if _, ok := errors.AsType[*StartingError](err); ok {
		return s, &workflows.Place{ID: id, State: workflows.PlaceStarted, Reason: "it is being started"}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found, described := c.temporal.DescribeWorkflowExecution(ctx, workflows.IntakeID(id), "")
	if described != nil {
		return s, nil, err // not one that an event has asked for: what was found before counts
	}
	info := found.GetWorkflowExecutionInfo()
	if past(info).ID != id {
		return s, nil, err
	}
	if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return s, &workflows.Place{ID: id, State: workflows.PlaceArriving, Reason: "its image is being looked up"}, nil
	}
	var taken workflows.Place
	if failed := c.temporal.GetWorkflow(ctx, workflows.IntakeID(id), "").Get(ctx, &taken); failed != nil {
		return turnedAway(l, past(info), failed), nil, nil
	}
	if taken.ID == id {
		return s, nil, err
	}
	s, place, err = c.Follow(ctx, l, taken.ID)
	return s, place, err
}

// turnedAway is the status of a release that never reached its lane.
func turnedAway(l Lane, p Past, err error) workflows.Status {
	why := err.Error()
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		why = app.Message()
	}
	return workflows.Status{
		ID: p.ID, Service: l.Name, Environment: l.Environment, Image: p.Image, RequestedBy: p.By,
		Phase: workflows.Refused, Outcome: why, Started: p.Started, Ended: p.Ended,
	}
}
