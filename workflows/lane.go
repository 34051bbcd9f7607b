// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// lane is the queue of one service in one environment.
type lane struct {
	*LaneState
	// changes counts what may alter the next move, decided how much of that has been looked at.
	changes, decided int
	// yield is what the release that runs has not been told yet.
	yield *decide.Yield
}

// Lane lets one release of a service run at a time in its environment. It starts each as a child that it
// does not own: a lane that continues as new, is reset, or is ended by force and begun again finds the
// release that runs, and starts nothing beside it. It never ends by itself, and costs nothing while
// nothing happens.
func Lane(ctx workflow.Context, in LaneIn) error {
	l := &lane{LaneState: in.State}
	if l.LaneState == nil {
		l.LaneState = &LaneState{Submissions: map[string]Submission{}, Told: true, Status: LaneStatus{Environment: in.Environment, Service: in.Service}}
	}
	if err := l.listen(ctx); err != nil {
		return err
	}
	return l.run(ctx)
}

// run is the life of a lane.
func (l *lane) run(ctx workflow.Context) error {
	if err := l.find(ctx); err != nil {
		return err
	}
	for !workflow.GetInfo(ctx).GetContinueAsNewSuggested() {
		l.tell(ctx)
		move := l.next(ctx)
		var err error
		switch {
		case move.Drop != nil:
			l.drop(ctx, []decide.Dropped{*move.Drop}, Refused)
		case move.Start != "":
			err = l.begin(ctx)
		default:
			err = l.wait(ctx, move)
		}
		if err != nil {
			return err
		}
	}
	return l.continueAsNew(ctx)
}

// find follows the release that runs already, if any does, and learns what holds the environment.
func (l *lane) find(ctx workflow.Context) error {
	if l.Status.Run != "" {
		workflow.Go(ctx, func(ctx workflow.Context) { l.follow(ctx, nil) })
		return nil
	}
	newest, err := l.survey(ctx)
	if err == nil && newest.Running {
		l.adopt(ctx, newest)
	}
	return err
}

// survey looks at what Temporal knows.
func (l *lane) survey(ctx workflow.Context) (activities.Found, error) {
	s := &l.Status
	seen, err := call(ctx, surveying(), "Look for a release of "+s.Service, lanes.SurveyLane, activities.SurveyIn{
		Release: ReleaseID(s.Environment, s.Service), Lane: LaneID(s.Environment, s.Service), Environment: s.Environment,
	})
	if err != nil {
		return activities.Found{}, err
	}
	l.above(seen.Holds)
	return seen.Newest, nil
}

// next decides, by everything that is known now.
func (l *lane) next(ctx workflow.Context) decide.Move {
	s, now := &l.Status, workflow.Now(ctx)
	holds := map[string]decide.Hold{}
	for _, j := range s.Waiting {
		if s.Running != nil || j.Rollback || j.OverrideFreeze != "" {
			continue
		}
		all := l.holds(now)
		if h := frozen(ctx, l.Submissions[j.ID].Release.Plan.Spec.Freeze); h.Kind != "" {
			all = append(all, h)
		}
		if h, ok := decide.Held(all, nil, now); ok {
			holds[j.ID] = h
		}
	}
	move := decide.Next(s.Queue, holds, now)
	s.Why, s.Until = move.Why, move.Until
	return move
}

// wait stands still until something happens, or until the move says to look again.
func (l *lane) wait(ctx workflow.Context, move decide.Move) error {
	seen := l.changes
	l.decided = seen
	changed := func() bool { return l.changes != seen }
	workflow.SetCurrentDetails(ctx, laneDetails(l.Status))
	if move.Until.IsZero() {
		return workflow.Await(ctx, changed)
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: max(move.Until.Sub(workflow.Now(ctx)), time.Millisecond), TimerOptions: workflow.TimerOptions{Summary: move.Why},
	}, changed)
	return err
}

// begin starts the release whose turn it is, unless a look at Temporal shows something else: a release
// that somebody started beside the lane, or, after a reset, that this one has run already.
func (l *lane) begin(ctx workflow.Context) error {
	newest, err := l.survey(ctx)
	if err != nil {
		return err
	}
	if newest.Running || l.waits(newest.ID) >= 0 {
		l.adopt(ctx, newest)
		return nil
	}
	if id := l.next(ctx).Start; id != "" {
		return l.start(ctx, id)
	}
	return nil
}

// adopt follows a release that is there already.
func (l *lane) adopt(ctx workflow.Context, f activities.Found) {
	s := &l.Status
	job := decide.Job{ID: cmp.Or(f.ID, f.Run), Image: f.Image, By: f.By, Since: workflow.Now(ctx)}
	if i := l.waits(f.ID); i >= 0 {
		job = s.Waiting[i]
		l.forget(job.ID)
	}
	s.Running, s.Run = &job, f.Run
	l.herald(ctx)
	l.note(ctx, "found release %s of %s", job.ID, job.Image)
	workflow.Go(ctx, func(ctx workflow.Context) { l.follow(ctx, nil) })
}

// start takes a job out of the queue and starts its release.
func (l *lane) start(ctx workflow.Context, id string) error {
	s, sub := &l.Status, l.Submissions[id]
	job := s.Waiting[l.waits(id)]
	l.forget(id)
	s.Running, s.Run = &job, ""
	sub.Release.Holds = l.holds(workflow.Now(ctx))
	l.Told = true
	// A lane that is cancelled leaves its release alone.
	childCtx, _ := workflow.NewDisconnectedContext(ctx)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(childCtx, l.options(sub)), sub.Workflow, sub.input())
	var run workflow.Execution
	err := child.GetChildWorkflowExecution().Get(ctx, &run)
	switch {
	case err == nil:
		s.Run = run.RunID
		if len(sub.Release.Plan.Spec.Notifications) > 0 {
			l.herald(ctx)
		}
		workflow.Go(ctx, func(ctx workflow.Context) { l.follow(ctx, child) })
	case temporal.IsWorkflowExecutionAlreadyStartedError(err): // the next look finds it
		s.Running, l.Submissions[id] = nil, sub
		s.Waiting = slices.Insert(s.Waiting, 0, job)
	case temporal.IsCanceledError(err):
		return err
	default:
		why := "it could not be started: " + plain(err)
		tellJob(ctx, sub.Release, &unbegun{plan.Failed, why})
		l.ended(ctx, activities.Ended{Phase: string(Refused), Outcome: why})
	}
	return nil
}

// herald sends a messenger after the release that runs, unless it has one. Nobody waits for it.
func (l *lane) herald(ctx workflow.Context) {
	s := &l.Status
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: MessengerID(s.Environment, s.Service, s.Running.ID), TaskQueue: TaskQueue, WorkflowTaskTimeout: 2 * time.Second,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		StaticSummary:         "Messages of " + s.Running.ID,
	}), Messenger, MessengerIn{Release: ReleaseID(s.Environment, s.Service), Run: s.Run})
}

// options of a release: it outlives its lane.
func (l *lane) options(s Submission) workflow.ChildWorkflowOptions {
	in := s.Release
	return workflow.ChildWorkflowOptions{
		WorkflowID: ReleaseID(l.Status.Environment, l.Status.Service), TaskQueue: TaskQueue,
		// A worker that dies costs a release seconds, not the default ten.
		WorkflowTaskTimeout:   2 * time.Second,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         s.summary(),
		Memo:                  map[string]any{MemoID: in.ID, MemoImage: in.Image, MemoBy: in.RequestedBy},
	}
}

// follow waits for the end of the release that runs: as a parent hears it, or, where the lane that
// started it was another one, by an activity that asks Temporal.
func (l *lane) follow(ctx workflow.Context, child workflow.ChildWorkflowFuture) {
	s := &l.Status
	run := s.Run
	var e activities.Ended
	if child != nil {
		e = endOf(child.Get(ctx, &e), e)
	} else {
		err := start(ctx, following(), "Wait for the end of "+s.Running.ID, lanes.AwaitRelease,
			activities.AwaitReleaseIn{Release: ReleaseID(s.Environment, s.Service), Run: run}).Get(ctx, &e)
		if err != nil {
			e = activities.Ended{Phase: activities.Broken, Outcome: plain(err)}
		}
	}
	l.ended(ctx, e)
}

// endOf reads how a child ended; a release that failed carries its status in the failure.
func endOf(err error, e activities.Ended) activities.Ended {
	if err == nil {
		return e
	}
	if app, ok := applicationError(err); ok && app.Details(&e) == nil {
		return e
	}
	return activities.Ended{Phase: activities.Broken, Outcome: plain(err)}
}

// continueAsNew hands everything over to a lane with an empty history.
func (l *lane) continueAsNew(ctx workflow.Context) error {
	l.decided = l.changes
	if err := workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) }); err != nil {
		return err
	}
	for {
		var h activities.Holds
		if !workflow.GetSignalChannel(ctx, HoldsSignal).ReceiveAsync(&h) {
			break
		}
		l.above(h)
	}
	l.tell(ctx)
	return workflow.NewContinueAsNewError(ctx, Lane, LaneIn{
		Environment: l.Status.Environment, Service: l.Status.Service, State: l.LaneState,
	})
}

// laneDetails is a lane as Temporal's UI shows it, in Markdown.
func laneDetails(s LaneStatus) string {
	lines := []string{fmt.Sprintf("**%s** in %s\n", s.Service, s.Environment)}
	if s.Running != nil {
		lines = append(lines, fmt.Sprintf("- running: %s of `%s`, by %s", s.Running.ID, s.Running.Image, s.Running.By))
	}
	for i, j := range s.Waiting {
		lines = append(lines, fmt.Sprintf("- %d. waiting: %s of `%s`, by %s", i+1, j.ID, j.Image, j.By))
	}
	if s.Why != "" {
		lines = append(lines, "- "+s.Why)
	}
	return strings.Join(lines, "\n") + "\n"
}
