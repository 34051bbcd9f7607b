// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// What a lane remembers is bounded, since it is carried along for ever.
const (
	maxEnds     = 20
	maxLaneLog  = 100
	maxFreezes  = 20
	maxSentence = 500
)

// listen sets every handler, before anything blocks.
func (l *lane) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, LaneQuery, func() (LaneStatus, error) { return l.Status, nil })
	if err != nil {
		return fmt.Errorf("set lane query: %w", err)
	}
	workflow.Go(ctx, l.hear)
	return setUpdates(ctx, []updateHandler{
		{Submit, l.submit, func(ctx workflow.Context, s Submission) error { return l.refuse(workflow.Now(ctx), s) }},
		{Withdraw, l.withdraw, func(_ workflow.Context, w Withdrawal) error {
			if l.waits(w.ID) < 0 {
				return stop("release %s does not wait", w.ID)
			}
			return nil
		}},
		{FreezeLane, l.freeze, func(ctx workflow.Context, h decide.Hold) error {
			return refuseFreeze(h, len(l.Status.Freezes), workflow.Now(ctx))
		}},
		{Thaw, l.thaw, func(_ workflow.Context, t Thawing) error { return refuseThaw(t, l.Status.Freezes) }},
	})
}

// updateHandler carries out an update of a name, unless its check refuses, which costs no history.
type updateHandler struct {
	name      string
	do, check any
}

func setUpdates(ctx workflow.Context, all []updateHandler) error {
	for _, h := range all {
		err := workflow.SetUpdateHandlerWithOptions(ctx, h.name, h.do, workflow.UpdateHandlerOptions{Validator: h.check})
		if err != nil {
			return fmt.Errorf("set update %s: %w", h.name, err)
		}
	}
	return nil
}

// job is a submission as decisions see it.
func (s Submission) job(now time.Time) decide.Job {
	r := s.Release
	return decide.Job{
		ID: r.ID, Image: s.wanted(), Plan: s.PlanHash, By: r.RequestedBy, Since: now,
		Hotfix: s.Hotfix, Rollback: s.Workflow == RollbackWorkflow || s.Workflow == RolloutUndoWorkflow,
		Override: s.Override, OverrideFreeze: r.OverrideFreeze, CoolDown: laneOf(r.Plan).CoolDown, Event: s.Event, EventFrom: s.EventFrom,
	}
}

// wanted is the image of a release. An undo has none before it has looked: it is told by its revision.
func (s Submission) wanted() string {
	switch {
	case s.Workflow != RolloutUndoWorkflow:
		return s.Release.Image
	case s.Revision == 0:
		return "the former revision"
	}
	return fmt.Sprintf("revision %d", s.Revision)
}

// summary of the release for Temporal's UI.
func (s Submission) summary() string {
	what := s.Release.Plan.Spec.Strategy.Name() + " of "
	switch s.Workflow {
	case RollbackWorkflow:
		what = "rollback to "
	case RolloutUndoWorkflow:
		what = "undo to "
	}
	return s.Release.ID + ": " + what + s.wanted()
}

// input of the workflow that carries it out.
func (s Submission) input() any {
	if r := s.Release; s.Workflow == RolloutUndoWorkflow {
		return UndoIn{ID: r.ID, Plan: r.Plan, PlanHash: r.PlanHash, Revision: s.Revision, RequestedBy: r.RequestedBy}
	}
	return s.Release
}

// refuse says why a release cannot enter the lane.
func (l *lane) refuse(now time.Time, s Submission) error {
	r := s.Release
	switch m := r.Plan.Metadata; {
	case r.ID == "" || r.RequestedBy == "" || s.wanted() == "" || s.Workflow == "":
		return stop("a release needs an ID, an image, a workflow and who asks for it")
	case m.Name != l.Status.Service || m.Environment != l.Status.Environment:
		return stop("the plan is of %s/%s, and this is the lane of %s/%s", m.Environment, m.Name, l.Status.Environment, l.Status.Service)
	}
	if _, ok := l.gone(s); ok {
		return nil
	}
	if a := decide.Admit(l.Status.Queue, s.job(now), laneOf(r.Plan), now); a.Refusal != "" {
		return stop("%s", a.Refusal)
	}
	return nil
}

// gone is the end of a release that an event has brought before: it is submitted once more where the answer
// was lost.
func (l *lane) gone(s Submission) (LaneEnd, bool) {
	i := slices.IndexFunc(l.Status.Ends, func(e LaneEnd) bool { return e.ID == s.Release.ID })
	if i < 0 || s.Event.IsZero() {
		return LaneEnd{}, false
	}
	return l.Status.Ends[i], true
}

// submit takes a release into the lane and returns once it is known whether it starts or waits.
func (l *lane) submit(ctx workflow.Context, s Submission) (Place, error) {
	status, now := &l.Status, workflow.Now(ctx)
	if e, ok := l.gone(s); ok {
		l.changes++
		return Place{ID: e.ID, State: PlaceEnded, Reason: e.Outcome, Same: true}, nil
	}
	a := decide.Admit(status.Queue, s.job(now), laneOf(s.Release.Plan), now)
	if a.Refusal != "" { // something came in between
		return Place{}, temporal.NewNonRetryableApplicationError(a.Refusal, string(Refused), nil)
	}
	if a.Same != nil {
		l.changes++ // every answer costs history, and the lane looks at that when something changes
		p := l.place(a.Same.ID)
		if a.Serves {
			p.State = PlaceEnded
		}
		p.Same = true
		return p, nil
	}
	l.drop(ctx, a.Dropped, Superseded)
	status.Waiting, status.NewestEvent = a.Waiting, a.NewestEvent
	l.Submissions[s.Release.ID] = s
	if a.Yield != nil {
		l.yield = a.Yield
	}
	l.note(ctx, "%s", entered(s))
	if err := l.settle(ctx); err != nil {
		return Place{}, err
	}
	return l.place(s.Release.ID), nil
}

// entered is a submission as the lane's log tells it.
func entered(s Submission) string {
	r := s.Release
	text := fmt.Sprintf("%s of %s, by %s", r.ID, s.wanted(), r.RequestedBy)
	if s.Hotfix {
		text += ", as a hotfix"
	}
	if s.Override != "" {
		text += "; quarantine and cool-down overridden: " + s.Override
	}
	if r.OverrideFreeze != "" {
		text += "; freezes overridden: " + r.OverrideFreeze
	}
	return text
}

// settle returns when the lane has looked at what was changed.
func (l *lane) settle(ctx workflow.Context) error {
	l.changes++
	mine := l.changes
	return workflow.Await(ctx, func() bool { return l.decided >= mine })
}

// place is where a release stands now.
func (l *lane) place(id string) Place {
	if i := l.waits(id); i >= 0 {
		return Place{ID: id, State: PlaceQueued, Position: i + 1, Reason: l.Status.Why}
	}
	return Place{ID: id, State: PlaceStarted}
}

// waits is the index of a release among those that wait, or -1.
func (l *lane) waits(id string) int {
	return slices.IndexFunc(l.Status.Waiting, func(j decide.Job) bool { return j.ID == id })
}

// forget takes a release out of the queue.
func (l *lane) forget(id string) {
	l.Status.Waiting = slices.DeleteFunc(l.Status.Waiting, func(j decide.Job) bool { return j.ID == id })
	delete(l.Submissions, id)
}

func (l *lane) withdraw(ctx workflow.Context, w Withdrawal) (int, error) {
	if i := l.waits(w.ID); i >= 0 {
		l.drop(ctx, []decide.Dropped{{Job: l.Status.Waiting[i], Why: fmt.Sprintf("withdrawn by %s: %s", w.By, w.Reason)}}, Superseded)
	}
	return 1, l.settle(ctx)
}

// drop lets releases go that never ran.
func (l *lane) drop(ctx workflow.Context, all []decide.Dropped, p Phase) {
	for _, d := range all {
		tellJob(ctx, l.Submissions[d.Job.ID].Release, &unbegun{plan.Failed, d.Why})
		l.forget(d.Job.ID)
		l.leave(ctx, LaneEnd{ID: d.Job.ID, Image: d.Job.Image, By: d.Job.By, Phase: p, Outcome: d.Why})
	}
}

// ended learns from the release that ran.
func (l *lane) ended(ctx workflow.Context, e activities.Ended) {
	s, at := &l.Status, e.Ended
	if at.IsZero() {
		at = workflow.Now(ctx)
	}
	s.Running.Image = cmp.Or(e.Image, s.Running.Image)
	job, run, why := *s.Running, s.Run, cut(e.Outcome)
	s.Queue = decide.Learn(s.Queue, decide.End{Fate: fate(e), Replaced: e.StableImage, Why: why, At: at})
	s.Run = ""
	l.leave(ctx, LaneEnd{ID: job.ID, Image: job.Image, By: job.By, Phase: Phase(e.Phase), Run: run, Outcome: why})
}

func fate(e activities.Ended) decide.Fate {
	switch p := Phase(e.Phase); {
	case p == Promoted:
		return decide.Promoted
	case (p == Undone || p == NeedsPerson) && !e.Yielded:
		return decide.TakenBack
	}
	return decide.Left
}

// leave keeps how a release has left the lane.
func (l *lane) leave(ctx workflow.Context, e LaneEnd) {
	e.At = workflow.Now(ctx)
	l.Status.Ends = newest(append(l.Status.Ends, e), maxEnds)
	l.note(ctx, "%s %s: %s", e.ID, e.Phase, e.Outcome)
	l.changes++
}

func (l *lane) note(ctx workflow.Context, format string, args ...any) {
	l.Status.Log = newest(append(l.Status.Log, Event{At: workflow.Now(ctx), Text: cut(fmt.Sprintf(format, args...))}), maxLaneLog)
}

// newest are the last n.
func newest[T any](all []T, n int) []T { return all[max(len(all)-n, 0):] }

// cut bounds what is carried along.
func cut(s string) string {
	if r := []rune(s); len(r) > maxSentence {
		return string(r[:maxSentence]) + "…"
	}
	return s
}

// holds are those that stand now, beside the freezes of a plan.
func (l *lane) holds(now time.Time) []decide.Hold {
	return decide.Standing(slices.Concat(l.Status.Above.Holds, l.Status.Freezes), now)
}

func (l *lane) freeze(ctx workflow.Context, h decide.Hold) (int, error) {
	s := &l.Status
	h.Kind, h.Scope = decide.Freeze, s.Environment+"/"+s.Service
	s.Freezes = append(decide.Standing(s.Freezes, workflow.Now(ctx)), h)
	l.Told = false
	l.note(ctx, "%s", h)
	return 1, l.settle(ctx)
}

func (l *lane) thaw(ctx workflow.Context, t Thawing) (int, error) {
	l.Status.Freezes, l.Told = nil, false
	l.note(ctx, "thawed by %s %s", t.By, t.Reason)
	return 1, l.settle(ctx)
}

// refuseFreeze says what is wrong with a freeze that a person orders.
func refuseFreeze(h decide.Hold, have int, now time.Time) error {
	switch {
	case h.Reason == "" || h.By == "":
		return stop("a freeze needs a reason and who orders it")
	case h.Until.IsZero():
		return stop("say until when it is frozen; a freeze without an end is refused")
	case !h.Until.After(now):
		return stop("the freeze would end at %s, before it begins", h.Until.UTC().Format(time.RFC3339))
	case h.Until.Sub(now) > plan.MaxFreeze:
		return stop("a freeze lasts at most 90 days; this one would end at %s", h.Until.UTC().Format(time.RFC3339))
	case have >= maxFreezes:
		return stop("there are %d freezes already; thaw first", have)
	}
	return nil
}

func refuseThaw(t Thawing, all []decide.Hold) error {
	switch {
	case t.By == "":
		return stop("say who ends it")
	case !slices.ContainsFunc(all, func(h decide.Hold) bool { return h.Kind == t.Kind }):
		return stop("there is no %s here to end", t.Kind)
	}
	return nil
}

// hear learns what holds the environment.
func (l *lane) hear(ctx workflow.Context) {
	for {
		var h activities.Holds
		if !workflow.GetSignalChannel(ctx, HoldsSignal).Receive(ctx, &h) {
			return
		}
		l.above(h)
	}
}

// above takes over what holds the environment, unless something newer is known.
func (l *lane) above(h activities.Holds) {
	l.changes++
	if h.Version > l.Status.Above.Version {
		l.Status.Above, l.Told = h, false
	}
}

// tell gives the release that runs what it must know. Only the lane's own story calls it, so that what it
// hears is in order.
func (l *lane) tell(ctx workflow.Context) {
	s := &l.Status
	if s.Running == nil {
		l.yield, l.Told = nil, true
		return
	}
	if y := l.yield; y != nil {
		l.yield = nil
		l.signal(ctx, YieldSignal, *y)
	}
	if !l.Told {
		l.Told = true
		l.signal(ctx, HoldsSignal, Held{Holds: l.holds(workflow.Now(ctx))})
	}
}

// signal reaches whatever runs now; one that has just ended needs to know nothing.
func (l *lane) signal(ctx workflow.Context, name string, value any) {
	id := ReleaseID(l.Status.Environment, l.Status.Service)
	if err := workflow.SignalExternalWorkflow(ctx, id, "", name, value).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Info("release was not told", "release", id, "signal", name, "error", err)
	}
}
