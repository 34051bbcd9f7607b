// SPDX-License-Identifier: Apache-2.0

package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Directory finds workflows.
type Directory struct {
	temporal client.Client
	queue    string
}

// New uses a client that somebody else closes. Environments are started on the task queue.
func New(c client.Client, queue string) *Directory { return &Directory{temporal: c, queue: queue} }

var (
	_ activities.Directory = (*Directory)(nil)
	_ activities.Listener  = (*Directory)(nil)
)

// Newest implements activities.Directory.
func (d *Directory) Newest(ctx context.Context, release string) (activities.Found, error) {
	described, err := d.temporal.DescribeWorkflowExecution(ctx, release, "")
	if missing(err) {
		return activities.Found{}, nil
	}
	if err != nil {
		return activities.Found{}, fmt.Errorf("look for a release of %s: %w", release, err)
	}
	info := described.GetWorkflowExecutionInfo()
	out := activities.Found{
		Run: info.GetExecution().GetRunId(), Running: info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
	}
	for name, to := range map[string]*string{activities.MemoID: &out.ID, activities.MemoImage: &out.Image, activities.MemoBy: &out.By} {
		read(info.GetMemo().GetFields()[name], to)
	}
	return out, nil
}

// read leaves what cannot be read empty: somebody else may have started the workflow.
func read(payload *common.Payload, to *string) {
	if payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, to)
	}
}

// joined is the part of an environment's status that a lane needs.
type joined struct {
	activities.Holds
	Lanes []string `json:"lanes"`
}

// Join implements activities.Directory. Only a lane that is not known yet costs the environment an event.
func (d *Directory) Join(ctx context.Context, environment, lane string) (activities.Holds, error) {
	id := activities.EnvironmentID(environment)
	known, err := d.environment(ctx, id)
	if err == nil && slices.Contains(known.Lanes, lane) {
		return known.Holds, nil
	}
	if err != nil && !missing(err) {
		return activities.Holds{}, fmt.Errorf("ask environment %s: %w", environment, err)
	}
	start := d.temporal.NewWithStartWorkflowOperation(client.StartWorkflowOptions{
		ID: id, TaskQueue: d.queue, WorkflowTaskTimeout: 2 * time.Second,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            "Environment " + environment,
	}, activities.EnvironmentWorkflow, map[string]string{"environment": environment})
	handle, err := d.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateName: activities.JoinUpdate, Args: []any{lane}, WaitForStage: client.WorkflowUpdateStageCompleted,
		},
	})
	var out activities.Holds
	if err == nil {
		err = handle.Get(ctx, &out)
	}
	if err != nil {
		return out, fmt.Errorf("join environment %s: %w", environment, err)
	}
	return out, nil
}

func (d *Directory) environment(ctx context.Context, id string) (joined, error) {
	described, err := d.temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return joined{}, err
	}
	if described.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return joined{}, nil // ended by force: it is started anew
	}
	var out joined
	value, err := d.temporal.QueryWorkflow(ctx, id, "", activities.EnvironmentQuery)
	if err == nil {
		err = value.Get(&out)
	}
	return out, err
}

// Await implements activities.Directory.
func (d *Directory) Await(ctx context.Context, release, run string) (activities.Ended, error) {
	var out activities.Ended
	err := d.temporal.GetWorkflow(ctx, release, run).Get(ctx, &out)
	if err == nil {
		return out, nil
	}
	if missing(err) {
		return activities.Ended{Phase: activities.Broken, Outcome: "Temporal no longer knows it"}, nil
	}
	if _, ended := errors.AsType[*temporal.WorkflowExecutionError](err); !ended {
		return out, fmt.Errorf("wait for release %s: %w", release, err)
	}
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok || app.Details(&out) != nil {
		return activities.Ended{Phase: activities.Broken, Outcome: err.Error()}, nil
	}
	return out, nil
}

// Hear implements activities.Listener. It asks the release, and then only when its history has grown: a query
// costs no history, and nothing is asked while nothing happens.
func (d *Directory) Hear(ctx context.Context, in activities.FollowNoticesIn) (activities.Notices, error) {
	described, err := d.temporal.DescribeWorkflowExecution(ctx, in.Release, in.Run)
	if err != nil {
		return activities.Notices{}, lost(in.Release, err)
	}
	info := described.GetWorkflowExecutionInfo()
	if info.GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return d.last(ctx, in)
	}
	known := info.GetHistoryLength()
	out, err := d.notices(ctx, in)
	if err != nil || len(out.New) > 0 || out.Ended {
		return out, err
	}
	events := d.temporal.GetWorkflowHistory(ctx, in.Release, in.Run, true, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return activities.Notices{}, lost(in.Release, err)
		}
		if e.GetEventId() <= known || e.GetEventType() != enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			continue
		}
		if out, err := d.notices(ctx, in); err != nil || len(out.New) > 0 || out.Ended {
			return out, err
		}
	}
	return d.last(ctx, in)
}

// last is what a run that is over has told. One that was ended by force tells that by what it has prepared.
func (d *Directory) last(ctx context.Context, in activities.FollowNoticesIn) (activities.Notices, error) {
	out, err := d.notices(ctx, in)
	if _, unable := errors.AsType[*serviceerror.QueryFailed](err); unable {
		return out, fault.New(fault.NotFound, "listen to release %s: %w", in.Release, err)
	}
	if _, unable := errors.AsType[*serviceerror.WorkflowNotReady](err); unable {
		return out, fault.New(fault.NotFound, "listen to release %s: %w", in.Release, err)
	}
	if err != nil || out.Ended {
		return out, err
	}
	described, err := d.temporal.DescribeWorkflowExecution(ctx, in.Release, in.Run)
	if err != nil {
		return out, lost(in.Release, err)
	}
	var id string
	read(described.GetWorkflowExecutionInfo().GetMemo().GetFields()[activities.MemoID], &id)
	newest, err := d.Newest(ctx, in.Release)
	if err != nil {
		return out, err
	}
	if id != "" && newest.ID == id && newest.Run != in.Run {
		// Somebody has reset it in Temporal: it goes on in another run, whose story has the same keys and begins
		// with what is known.
		in.Run = newest.Run
		return d.Hear(ctx, in)
	}
	for _, t := range out.IfBroken {
		t.At = described.GetWorkflowExecutionInfo().GetCloseTime().AsTime()
		out.New = append(out.New, t)
	}
	out.Ended = true
	return out, nil
}

func (d *Directory) notices(ctx context.Context, in activities.FollowNoticesIn) (activities.Notices, error) {
	var out activities.Notices
	value, err := d.temporal.QueryWorkflow(ctx, in.Release, in.Run, activities.NoticesQuery, in.Seen)
	if err == nil {
		err = value.Get(&out)
	}
	if err != nil {
		return out, lost(in.Release, err)
	}
	return out, nil
}

// lost tells a release that will never answer from one that does not answer now.
func lost(release string, err error) error {
	if missing(err) {
		return fault.New(fault.NotFound, "listen to release %s: %w", release, err)
	}
	return fmt.Errorf("listen to release %s: %w", release, err)
}

// Tell implements activities.Directory.
func (d *Directory) Tell(ctx context.Context, lane string, holds activities.Holds) error {
	err := d.temporal.SignalWorkflow(ctx, lane, "", activities.HoldsSignal, holds)
	if missing(err) {
		return fault.New(fault.NotFound, "tell lane %s: %w", lane, err)
	}
	if err != nil {
		return fmt.Errorf("tell lane %s: %w", lane, err)
	}
	return nil
}

func missing(err error) bool {
	_, ok := errors.AsType[*serviceerror.NotFound](err)
	return ok
}
