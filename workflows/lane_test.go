// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// takes is how long a release of these tests runs, if nothing ends it.
const takes = 10 * time.Minute

// street is a lane, the releases that it starts, and the Temporal in which it finds them. It outlives
// the lane, which may end and begin again.
type street struct {
	t *testing.T

	mu       sync.Mutex
	newest   activities.Found
	above    activities.Holds
	joined   []string
	told     []string
	timeline []string
	// active releases run now; most have run at once.
	active, most int
	// ends is how a release ends that no lane is the parent of.
	ends activities.Ended
	// messengers are those that were sent, each with whom it follows.
	messengers []string
}

// run is one run of a lane in a street.
type run struct {
	*street
	env    *testsuite.TestWorkflowEnvironment
	status workflows.LaneStatus
	err    error
}

func (s *street) did(at time.Time, format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	since := at.Sub(began()).Truncate(time.Second)
	s.timeline = append(s.timeline, since.String()+"  "+fmt.Sprintf(format, args...))
}

// began is when every lane of these tests begins.
func began() time.Time { return time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC) }

// Newest implements activities.Directory.
func (s *street) Newest(context.Context, string) (activities.Found, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest, nil
}

// Join implements activities.Directory.
func (s *street) Join(_ context.Context, environment, lane string) (activities.Holds, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joined = append(s.joined, environment+" "+lane)
	return s.above, nil
}

// Await implements activities.Directory. The tests' own activity waits instead.
func (s *street) Await(context.Context, string, string) (activities.Ended, error) {
	return activities.Ended{}, errors.New("not in these tests")
}

// Tell implements activities.Directory.
func (s *street) Tell(_ context.Context, lane string, h activities.Holds) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lane == "lane/production/gone" {
		return fault.New(fault.NotFound, "no lane")
	}
	s.told = append(s.told, fmt.Sprintf("%s hears of %d", lane, len(h.Holds)))
	return nil
}

// release is what the lane starts: it needs its time, and hears what a release hears. An image that is
// called bad is taken back; one that is called approved does not make room.
func (s *street) release(ctx workflow.Context, in workflows.ReleaseIn) (workflows.Status, error) {
	status := workflows.Status{ID: in.ID, Image: in.Image, StableImage: "old", Phase: workflows.Promoted, Outcome: in.Image + " serves"}
	s.enter(ctx, in)
	defer s.exit(ctx, &status)
	var done bool
	selector := workflow.NewSelector(ctx)
	selector.AddFuture(workflow.NewTimer(ctx, takes), func(workflow.Future) {
		done = true
		if strings.Contains(in.Image, "bad") {
			status.Phase, status.Outcome = workflows.Undone, "step 1 failed"
		}
	})
	selector.AddReceive(workflow.GetSignalChannel(ctx, workflows.YieldSignal), func(c workflow.ReceiveChannel, _ bool) {
		var y decide.Yield
		c.Receive(ctx, &y)
		if y.Anyway || !strings.Contains(in.Image, "approved") {
			done, status.Phase, status.Outcome, status.Yielded = true, workflows.Undone, "made room for "+y.To, true
		}
	})
	selector.AddReceive(workflow.GetSignalChannel(ctx, workflows.HoldsSignal), func(c workflow.ReceiveChannel, _ bool) {
		var h workflows.Held
		c.Receive(ctx, &h)
		s.did(workflow.Now(ctx), "%s hears of %d holds", in.ID, len(h.Holds))
	})
	for !done {
		selector.Select(ctx)
	}
	if status.Yielded { // an undo takes a while
		return status, workflow.Sleep(ctx, time.Minute)
	}
	return status, nil
}

// undo is the release that needs no image: it finds that of its revision.
func (s *street) undo(ctx workflow.Context, in workflows.UndoIn) (workflows.Status, error) {
	return s.release(ctx, workflows.ReleaseIn{ID: in.ID, Image: fmt.Sprintf("image-of-%d", in.Revision), RequestedBy: in.RequestedBy})
}

// messenger only says that it was sent.
func (s *street) messenger(ctx workflow.Context, in workflows.MessengerIn) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.State != nil {
		for _, l := range in.State.Waiting {
			s.messengers = append(s.messengers, fmt.Sprintf("%s tells %s of run %d: %s", workflow.GetInfo(ctx).WorkflowExecution.ID, l.To.Name, l.Notice.Source.Run, l.Notice.Text))
		}
		return nil
	}
	run := "a run"
	if in.Run == s.newest.Run {
		run = "the newest run"
	}
	s.messengers = append(s.messengers, workflow.GetInfo(ctx).WorkflowExecution.ID+" follows "+run+" of "+in.Release)
	return nil
}

func (s *street) enter(ctx workflow.Context, in workflows.ReleaseIn) {
	s.did(workflow.Now(ctx), "%s starts", in.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	s.most = max(s.most, s.active)
	s.newest = activities.Found{Run: workflow.GetInfo(ctx).WorkflowExecution.RunID, ID: in.ID, Image: in.Image, By: in.RequestedBy, Running: true}
}

func (s *street) exit(ctx workflow.Context, status *workflows.Status) {
	s.did(workflow.Now(ctx), "%s %s", status.ID, status.Phase)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.newest.Running = false
}

// open makes a lane that has not begun.
func (s *street) open() *run {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	r := &run{street: s, env: suite.NewTestWorkflowEnvironment()}
	r.env.SetStartTime(began())
	r.env.SetTestTimeout(20 * time.Second)
	found := &activities.Lanes{Directory: s, Clock: activities.Clock{Now: r.env.Now, After: time.After}}
	r.env.RegisterActivityWithOptions(found.SurveyLane, activity.RegisterOptions{Name: "SurveyLane"})
	r.env.RegisterActivityWithOptions(found.TellLanes, activity.RegisterOptions{Name: "TellLanes"})
	r.env.RegisterActivityWithOptions(r.await, activity.RegisterOptions{Name: "AwaitRelease"})
	r.env.RegisterWorkflow(workflows.Lane)
	r.env.RegisterWorkflowWithOptions(s.release, workflow.RegisterOptions{Name: "Canary"})
	r.env.RegisterWorkflowWithOptions(s.release, workflow.RegisterOptions{Name: "Rollback"})
	r.env.RegisterWorkflowWithOptions(s.undo, workflow.RegisterOptions{Name: "RolloutUndo"})
	r.env.RegisterWorkflowWithOptions(s.messenger, workflow.RegisterOptions{Name: "Messenger"})
	return r
}

// await completes half an hour later, on the lane's clock.
func (r *run) await(ctx context.Context, in activities.AwaitReleaseIn) (activities.Ended, error) {
	token := activity.GetInfo(ctx).TaskToken
	r.did(r.env.Now(), "the end of run %s is waited for", in.Run)
	r.env.RegisterDelayedCallback(func() {
		r.mu.Lock()
		r.newest.Running = false
		r.mu.Unlock()
		_ = r.env.CompleteActivity(token, r.ends, nil) // the lane may have ended
	}, 30*time.Minute)
	return activities.Ended{}, activity.ErrResultPending
}

func newStreet(t *testing.T) *run {
	t.Helper()
	return (&street{t: t}).open()
}

// live runs the lane until a moment, at which it is cancelled, as somebody could in Temporal.
func (r *run) live(until time.Duration, in workflows.LaneIn) *run {
	r.t.Helper()
	r.env.RegisterDelayedCallback(r.env.CancelWorkflow, until)
	in.Environment, in.Service = "production", "checkout"
	r.env.ExecuteWorkflow(workflows.Lane, in)
	require.True(r.t, r.env.IsWorkflowCompleted())
	r.err = r.env.GetWorkflowError()
	require.LessOrEqual(r.t, r.most, 1, "releases at once")
	value, err := r.env.QueryWorkflow(workflows.LaneQuery)
	require.NoError(r.t, err)
	require.NoError(r.t, value.Get(&r.status))
	return r
}

// submission is a release by the plan of these tests, with one lane policy.
func submission(id, newer string) workflows.Submission {
	p := twoSteps()
	p.Spec.Lane = &plan.Lane{Newer: newer, MaxQueue: 3, CoolDown: minutes(15)}
	return workflows.Submission{Workflow: "Canary", Release: workflows.ReleaseIn{ID: id, Plan: p, Image: "image-" + id, RequestedBy: "alice"}}
}

// placed is the answer to a submission.
type placed struct {
	place workflows.Place
	err   error
}

func (r *run) at(after time.Duration, name string, in any) *placed {
	p := &placed{err: errors.New("no answer")}
	r.env.RegisterDelayedCallback(func() {
		r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) { p.err = err },
			OnComplete: func(out any, err error) {
				p.err = err
				p.place, _ = out.(workflows.Place)
			},
		}, in)
	}, after)
	return p
}

func (r *run) submit(after time.Duration, s workflows.Submission) *placed {
	return r.at(after, workflows.Submit, s)
}

func (p *placed) is(t *testing.T, want workflows.Place) {
	t.Helper()
	require.NoError(t, p.err)
	require.Empty(t, cmp.Diff(want, p.place))
}

// endings are how releases have left the lane.
func (r *run) endings() []string {
	var out []string
	for _, e := range r.status.Ends {
		out = append(out, e.ID+" "+string(e.Phase)+": "+e.Outcome)
	}
	return out
}

func TestALaneRunsOneReleaseAtATime(t *testing.T) {
	r := newStreet(t)
	a := r.submit(time.Minute, submission("a", plan.NewerQueue))
	b := r.submit(2*time.Minute, submission("b", plan.NewerQueue))
	again := r.submit(3*time.Minute, submission("b", plan.NewerQueue))
	c := r.submit(4*time.Minute, submission("c", plan.NewerQueue))
	r.live(time.Hour, workflows.LaneIn{})
	a.is(t, workflows.Place{ID: "a", State: workflows.PlaceStarted})
	b.is(t, workflows.Place{ID: "b", State: workflows.PlaceQueued, Position: 1, Reason: "a runs"})
	again.is(t, workflows.Place{ID: "b", State: workflows.PlaceQueued, Position: 1, Reason: "a runs", Same: true})
	c.is(t, workflows.Place{ID: "c", State: workflows.PlaceQueued, Position: 2, Reason: "a runs"})
	require.Equal(t, []string{
		"1m0s  a starts", "11m0s  a promoted", "11m0s  b starts", "21m0s  b promoted", "21m0s  c starts", "31m0s  c promoted",
	}, r.timeline)
	require.Equal(t, []string{"a promoted: image-a serves", "b promoted: image-b serves", "c promoted: image-c serves"}, r.endings())
	require.Contains(t, r.joined, "production lane/production/checkout")
}

// triggered is a submission that an event has brought, which began before the lane did.
func triggered(id string, before time.Duration) workflows.Submission {
	s := submission(id, plan.NewerQueue)
	s.Event = began().Add(-before)
	return s
}

func TestDuplicatesOfAnEventStartOneReleaseHoweverLateTheyCome(t *testing.T) {
	r := newStreet(t)
	first := r.submit(time.Minute, triggered("a", time.Minute))
	other := triggered("b", time.Minute)
	other.Release.Image = "image-a"
	runs := r.submit(2*time.Minute, other)
	over := r.submit(20*time.Minute, triggered("a", time.Minute))
	serves := r.submit(21*time.Minute, other)
	older := r.submit(22*time.Minute, triggered("c", time.Hour))
	r.live(time.Hour, workflows.LaneIn{})
	first.is(t, workflows.Place{ID: "a", State: workflows.PlaceStarted})
	runs.is(t, workflows.Place{ID: "a", State: workflows.PlaceStarted, Same: true})
	over.is(t, workflows.Place{ID: "a", State: workflows.PlaceEnded, Reason: "image-a serves", Same: true})
	serves.is(t, workflows.Place{ID: "a", State: workflows.PlaceEnded, Same: true})
	require.ErrorContains(t, older.err, "comes after the newer one")
	require.Equal(t, []string{"a promoted: image-a serves"}, r.endings())
}

func TestWhatANewerReleaseDoesToThoseBeforeIt(t *testing.T) {
	hotfix := func(s workflows.Submission) workflows.Submission { s.Hotfix = true; return s }
	rollback := func(s workflows.Submission) workflows.Submission { s.Workflow = "Rollback"; return s }
	approved := submission("approved", plan.NewerSupersede)
	tests := map[string]struct {
		first, second, third workflows.Submission
		want                 []string
	}{
		"coalesce finishes what runs and keeps the newest": {
			submission("a", plan.NewerCoalesce), submission("b", plan.NewerCoalesce), submission("c", plan.NewerCoalesce),
			[]string{"b superseded: superseded by c of image-c, which alice asked for", "a promoted: image-a serves", "c promoted: image-c serves"},
		},
		"supersede takes back what runs": {
			submission("a", plan.NewerSupersede), submission("b", plan.NewerSupersede), submission("c", plan.NewerSupersede),
			[]string{"b superseded: superseded by c of image-c, which alice asked for", "a undone: made room for b", "c promoted: image-c serves"},
		},
		"but not what people have approved": {
			approved, submission("b", plan.NewerSupersede), submission("c", plan.NewerSupersede),
			[]string{"b superseded: superseded by c of image-c, which alice asked for", "approved promoted: image-approved serves", "c promoted: image-c serves"},
		},
		"a hotfix preempts also that": {
			approved, submission("b", plan.NewerQueue), hotfix(submission("c", plan.NewerQueue)),
			[]string{"approved undone: made room for c", "c promoted: image-c serves", "b promoted: image-b serves"},
		},
		"a rollback goes before those that wait, and is not an end to what runs": {
			submission("a", plan.NewerQueue), submission("b", plan.NewerQueue), rollback(submission("c", plan.NewerQueue)),
			[]string{"a promoted: image-a serves", "c promoted: image-c serves", "b promoted: image-b serves"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newStreet(t)
			places := []*placed{r.submit(time.Minute, tt.first), r.submit(2*time.Minute, tt.second), r.submit(2*time.Minute+30*time.Second, tt.third)}
			r.live(2*time.Hour, workflows.LaneIn{})
			for _, p := range places {
				require.NoError(t, p.err)
			}
			require.Equal(t, tt.want, r.endings(), strings.Join(r.timeline, "\n"))
			require.Empty(t, r.status.Waiting)
			require.Nil(t, r.status.Running)
		})
	}
}

func TestAnImageThatWasTakenBackNeedsAWord(t *testing.T) {
	r := newStreet(t)
	r.submit(time.Minute, submission("bad", plan.NewerQueue))
	waits := r.submit(2*time.Minute, submission("b", plan.NewerQueue))
	fix := submission("fix", plan.NewerQueue)
	refused := r.submit(12*time.Minute, fix)
	again := r.submit(50*time.Minute, submission("bad", plan.NewerQueue))
	fix.Override = "reviewed by two"
	word := r.submit(13*time.Minute, fix)
	r.live(2*time.Hour, workflows.LaneIn{})
	require.NoError(t, waits.err)
	require.ErrorContains(t, refused.err, "release bad was taken back on 2030-01-01 09:11:00 UTC (step 1 failed)")
	require.ErrorContains(t, again.err, "image-bad is in quarantine")
	require.NoError(t, word.err)
	require.Equal(t, []string{
		"1m0s  bad starts", "11m0s  bad undone", "13m0s  fix starts", "23m0s  fix promoted",
		"26m0s  b starts", "36m0s  b promoted",
	}, r.timeline, "what waits cools down; a word lets the fix overtake it")
	require.Contains(t, r.status.Log[len(r.status.Log)-3].Text+r.status.Log[3].Text, "reviewed by two")
}

func TestNothingStartsInAFreeze(t *testing.T) {
	freeze := func(minutes int) decide.Hold {
		return decide.Hold{Until: began().Add(time.Duration(minutes) * time.Minute), Reason: "fair", By: "bob"}
	}
	t.Run("until it ends", func(t *testing.T) {
		r := newStreet(t)
		f := r.at(time.Minute, workflows.FreezeLane, freeze(60))
		a := r.submit(2*time.Minute, submission("a", plan.NewerQueue))
		r.live(2*time.Hour, workflows.LaneIn{})
		require.NoError(t, f.err)
		a.is(t, workflows.Place{ID: "a", State: workflows.PlaceQueued, Position: 1, Reason: "frozen until 2030-01-01T10:00:00Z (fair, by bob)"})
		require.Equal(t, []string{"1h0m0s  a starts", "1h10m0s  a promoted"}, r.timeline)
	})
	t.Run("until it is thawed", func(t *testing.T) {
		r := newStreet(t)
		r.at(time.Minute, workflows.FreezeLane, freeze(60))
		r.submit(2*time.Minute, submission("a", plan.NewerQueue))
		r.at(20*time.Minute, workflows.Thaw, workflows.Thawing{Kind: decide.Freeze, By: "bob"})
		r.live(2*time.Hour, workflows.LaneIn{})
		require.Equal(t, []string{"20m0s  a starts", "30m0s  a promoted"}, r.timeline)
	})
	t.Run("unless somebody says why, or goes back", func(t *testing.T) {
		r := newStreet(t)
		r.at(time.Minute, workflows.FreezeLane, freeze(60))
		over := submission("a", plan.NewerQueue)
		over.Release.OverrideFreeze = "the customer waits"
		r.submit(2*time.Minute, over)
		back := submission("b", plan.NewerQueue)
		back.Workflow = "Rollback"
		r.submit(20*time.Minute, back)
		r.live(2*time.Hour, workflows.LaneIn{})
		require.Equal(t, []string{"2m0s  a starts", "12m0s  a promoted", "20m0s  b starts", "30m0s  b promoted"}, r.timeline)
	})
	t.Run("nor in one that the plan names", func(t *testing.T) {
		r := newStreet(t)
		s := submission("a", plan.NewerQueue)
		s.Release.Plan.Spec.Freeze = []plan.Freeze{{Days: []string{"tue"}, From: "10:00", To: "11:30", Timezone: "Europe/Berlin", Reason: "fair"}}
		r.submit(2*time.Minute, s)
		r.live(3*time.Hour, workflows.LaneIn{})
		require.Equal(t, []string{"1h30m0s  a starts", "1h40m0s  a promoted"}, r.timeline)
	})
	t.Run("and what runs hears of it", func(t *testing.T) {
		r := newStreet(t)
		r.submit(time.Minute, submission("a", plan.NewerQueue))
		r.at(2*time.Minute, workflows.FreezeLane, freeze(60))
		r.at(3*time.Minute, workflows.Thaw, workflows.Thawing{Kind: decide.Freeze, By: "bob"})
		r.live(time.Hour, workflows.LaneIn{})
		require.Equal(t, []string{"1m0s  a starts", "2m0s  a hears of 1 holds", "3m0s  a hears of 0 holds", "11m0s  a promoted"}, r.timeline)
	})
	t.Run("nor in a line that is stopped", func(t *testing.T) {
		r := newStreet(t)
		stopped := activities.Holds{Version: 1, Holds: []decide.Hold{{Kind: decide.Stop, Scope: "production", Reason: "outage", By: "bob"}}}
		r.above = stopped
		a := r.submit(time.Minute, submission("a", plan.NewerQueue))
		r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(workflows.HoldsSignal, activities.Holds{Version: 2}) }, 40*time.Minute)
		r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(workflows.HoldsSignal, stopped) }, 45*time.Minute)
		r.live(time.Hour, workflows.LaneIn{})
		a.is(t, workflows.Place{ID: "a", State: workflows.PlaceQueued, Position: 1, Reason: "the line of production is stopped (outage, by bob)"})
		require.Equal(t, []string{"40m0s  a starts", "50m0s  a promoted"}, r.timeline, "an old message changes nothing")
	})
}

func TestAFreezeThatAPersonOrdersMustEnd(t *testing.T) {
	tests := map[string]struct {
		hold decide.Hold
		want string
	}{
		"never":          {decide.Hold{Reason: "fair", By: "bob"}, "a freeze without an end is refused"},
		"in the past":    {decide.Hold{Until: began(), Reason: "fair", By: "bob"}, "before it begins"},
		"in half a year": {decide.Hold{Until: began().AddDate(0, 6, 0), Reason: "fair", By: "bob"}, "a freeze lasts at most 90 days"},
		"of no reason":   {decide.Hold{Until: began().Add(time.Hour), By: "bob"}, "needs a reason"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newStreet(t)
			f := r.at(time.Minute, workflows.FreezeLane, tt.hold)
			r.live(time.Hour, workflows.LaneIn{})
			require.ErrorContains(t, f.err, tt.want)
			require.Empty(t, r.status.Freezes)
		})
	}
}

func TestALaneContinuesAsNewInTheMiddleOfARelease(t *testing.T) {
	r := newStreet(t)
	r.submit(time.Minute, submission("a", plan.NewerQueue))
	b := r.submit(2*time.Minute, submission("b", plan.NewerQueue))
	r.at(3*time.Minute, workflows.FreezeLane, decide.Hold{Until: began().Add(time.Hour), Reason: "fair", By: "bob"})
	r.env.RegisterDelayedCallback(func() { r.env.SetContinueAsNewSuggested(true) }, 4*time.Minute)
	c := r.submit(5*time.Minute, submission("c", plan.NewerQueue))
	r.live(time.Hour, workflows.LaneIn{})
	require.NoError(t, b.err)
	require.NoError(t, c.err)
	var next *workflow.ContinueAsNewError
	require.ErrorAs(t, r.err, &next)
	var in workflows.LaneIn
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(next.Input, &in))
	require.Equal(t, "a", in.State.Status.Running.ID)

	r.ends = activities.Ended{ID: "a", Image: "image-a", Phase: "undone", Outcome: "step 2 failed", Ended: began().Add(30 * time.Minute)}
	r.active, r.timeline = 0, nil
	later := r.open().live(3*time.Hour, in)
	require.Equal(t, []string{"a undone: step 2 failed", "b promoted: image-b serves", "c promoted: image-c serves"}, later.endings())
	require.Equal(t, []string{
		"0s  the end of run " + in.State.Status.Run + " is waited for",
		"1h0m0s  b starts", "1h10m0s  b promoted", "1h10m0s  c starts", "1h20m0s  c promoted",
	}, later.timeline, "the freeze is remembered, the queue too")
	require.Equal(t, "image-a", later.status.Quarantine[0].Image)
}

func TestALaneThatBeginsAnewFindsTheReleaseThatRuns(t *testing.T) {
	r := newStreet(t)
	r.newest = activities.Found{Run: "run-1", ID: "a", Image: "image-a", By: "alice", Running: true}
	r.ends = activities.Ended{ID: "a", Image: "image-a", Phase: "promoted", Outcome: "image-a serves"}
	b := r.submit(time.Minute, submission("b", plan.NewerQueue))
	r.live(time.Hour, workflows.LaneIn{})
	b.is(t, workflows.Place{ID: "b", State: workflows.PlaceQueued, Position: 1, Reason: "a runs"})
	require.Equal(t, []string{"0s  the end of run run-1 is waited for", "30m0s  b starts", "40m0s  b promoted"}, r.timeline)
}

func TestALaneThatWasResetStartsNothingTwice(t *testing.T) {
	r := newStreet(t)
	// The lane knows nothing of a, which has ended; it is told again to release it, as after a reset.
	r.newest = activities.Found{Run: "run-1", ID: "a", Image: "image-a", By: "alice"}
	r.ends = activities.Ended{ID: "a", Image: "image-a", Phase: "promoted", Outcome: "image-a serves"}
	r.submit(time.Minute, submission("a", plan.NewerQueue))
	r.live(time.Hour, workflows.LaneIn{})
	require.Equal(t, []string{"1m0s  the end of run run-1 is waited for"}, r.timeline)
	require.Equal(t, []string{"a promoted: image-a serves"}, r.endings())
}

func TestAnUndoOfARolloutGoesBeforeEverythingThatWaits(t *testing.T) {
	undo := func(id string, revision int64) workflows.Submission {
		s := submission(id, plan.NewerQueue)
		s.Workflow, s.Revision, s.Release.Image = workflows.RolloutUndoWorkflow, revision, ""
		return s
	}
	r := newStreet(t)
	r.submit(time.Minute, submission("a", plan.NewerQueue))
	r.submit(2*time.Minute, submission("b", plan.NewerQueue))
	first, other, again := r.submit(3*time.Minute, undo("u", 2)), r.submit(4*time.Minute, undo("v", 1)), r.submit(5*time.Minute, undo("w", 2))
	r.at(6*time.Minute, workflows.Withdraw, workflows.Withdrawal{ID: "v", By: "bob", Reason: "changed my mind"})
	r.live(5*time.Hour, workflows.LaneIn{})
	first.is(t, workflows.Place{ID: "u", State: workflows.PlaceQueued, Position: 1, Reason: "a runs"})
	other.is(t, workflows.Place{ID: "v", State: workflows.PlaceQueued, Position: 2, Reason: "a runs"})
	again.is(t, workflows.Place{ID: "u", State: workflows.PlaceQueued, Position: 1, Reason: "a runs", Same: true})
	require.Equal(t, []string{
		"v superseded: withdrawn by bob: changed my mind", "a promoted: image-a serves", "u promoted: image-of-2 serves", "b promoted: image-b serves",
	}, r.endings())
	require.Len(t, r.status.Quarantine, 1)
	require.Equal(t, "old", r.status.Quarantine[0].Image)
	require.Equal(t, "image-of-2", r.status.Ends[2].Image)
}

func TestALaneRefusesWhatIsNotItsOwn(t *testing.T) {
	tests := map[string]struct {
		change func(*workflows.Submission)
		want   string
	}{
		"another service": {func(s *workflows.Submission) { s.Release.Plan.Metadata.Name = "cart" }, "the plan is of production/cart, and this is the lane of production/checkout"},
		"nobody":          {func(s *workflows.Submission) { s.Release.RequestedBy = "" }, "who asks for it"},
		"no workflow":     {func(s *workflows.Submission) { s.Workflow = "" }, "a workflow"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, s := newStreet(t), submission("a", plan.NewerQueue)
			tt.change(&s)
			p := r.submit(time.Minute, s)
			r.live(time.Hour, workflows.LaneIn{})
			require.ErrorContains(t, p.err, tt.want)
			require.Empty(t, r.timeline)
		})
	}
}

func TestAReleaseThatWaitsCanBeWithdrawn(t *testing.T) {
	r := newStreet(t)
	r.submit(time.Minute, submission("a", plan.NewerQueue))
	r.submit(2*time.Minute, submission("b", plan.NewerQueue))
	w := r.at(3*time.Minute, workflows.Withdraw, workflows.Withdrawal{ID: "b", By: "alice", Reason: "not yet"})
	late := r.at(4*time.Minute, workflows.Withdraw, workflows.Withdrawal{ID: "b", By: "alice", Reason: "not yet"})
	r.live(time.Hour, workflows.LaneIn{})
	require.NoError(t, w.err)
	require.ErrorContains(t, late.err, "release b does not wait")
	require.Equal(t, []string{"b superseded: withdrawn by alice: not yet", "a promoted: image-a serves"}, r.endings())
}

func TestAJobThatWaitsForAReleaseHearsThatItNeverBegan(t *testing.T) {
	r := newStreet(t)
	awaited := func(id string) workflows.Submission {
		s := submission(id, plan.NewerCoalesce)
		s.Release.Source.Run = 99
		s.Release.Plan.Spec.Notifications = []plan.Notification{{To: []string{"hub"}, Severity: plan.Info, Within: minutes(60)}}
		return s
	}
	r.submit(time.Minute, submission("a", plan.NewerCoalesce))
	r.submit(2*time.Minute, awaited("b"))
	r.submit(3*time.Minute, awaited("c"))
	r.at(4*time.Minute, workflows.Withdraw, workflows.Withdrawal{ID: "c", By: "alice", Reason: "not yet"})
	r.live(time.Hour, workflows.LaneIn{})
	require.Equal(t, []string{
		"b superseded: superseded by c of image-c, which alice asked for", "c superseded: withdrawn by alice: not yet", "a promoted: image-a serves",
	}, r.endings())
	require.Equal(t, []string{
		"messenger/production/checkout/b/unbegun tells hub of run 99: superseded by c of image-c, which alice asked for",
		"messenger/production/checkout/c/unbegun tells hub of run 99: withdrawn by alice: not yet",
	}, r.messengers)
}

func TestAnEnvironmentTellsItsLanes(t *testing.T) {
	r := newStreet(t)
	r.env.RegisterWorkflow(workflows.Environment)
	for i, lane := range []string{"lane/production/checkout", "lane/production/gone", "lane/production/checkout"} {
		r.at(time.Duration(i+1)*time.Minute, activities.JoinUpdate, lane)
	}
	line := decide.Hold{Kind: decide.Stop, Reason: "outage", By: "bob"}
	r.at(10*time.Minute, workflows.FreezeLane, line)
	twice := r.at(11*time.Minute, workflows.FreezeLane, line)
	endless := r.at(12*time.Minute, workflows.FreezeLane, decide.Hold{Kind: decide.Freeze, Reason: "fair", By: "bob"})
	r.at(20*time.Minute, workflows.Thaw, workflows.Thawing{Kind: decide.Stop, By: "bob"})
	nothing := r.at(21*time.Minute, workflows.Thaw, workflows.Thawing{Kind: decide.Stop, By: "bob"})
	r.env.RegisterDelayedCallback(r.env.CancelWorkflow, time.Hour)
	r.env.ExecuteWorkflow(workflows.Environment, workflows.EnvironmentIn{Environment: "production"})
	require.ErrorContains(t, twice.err, "the line is stopped already")
	require.ErrorContains(t, endless.err, "a freeze without an end is refused")
	require.ErrorContains(t, nothing.err, "there is no stop here to end")
	require.Equal(t, []string{"lane/production/checkout hears of 1", "lane/production/checkout hears of 0"}, r.told)
	value, err := r.env.QueryWorkflow(workflows.EnvironmentQuery)
	require.NoError(t, err)
	var s workflows.EnvironmentStatus
	require.NoError(t, value.Get(&s))
	require.Equal(t, []string{"lane/production/checkout"}, s.Lanes)
	require.Empty(t, s.Holds.Holds)
}

func TestAReleaseWithReceiversGetsAMessengerOfItsOwn(t *testing.T) {
	r := newStreet(t)
	quiet, loud := submission("quiet", plan.NewerQueue), submission("loud", plan.NewerQueue)
	loud.Release.Plan.Spec.Notifications = []plan.Notification{{To: []string{"chat"}, Severity: plan.Info, Within: minutes(60)}}
	r.submit(time.Minute, quiet)
	r.submit(2*time.Minute, loud)
	r.live(time.Hour, workflows.LaneIn{})
	require.Equal(t, []string{"messenger/production/checkout/loud follows the newest run of production/checkout"}, r.messengers)
	require.Equal(t, []string{"1m0s  quiet starts", "11m0s  quiet promoted", "11m0s  loud starts", "21m0s  loud promoted"}, r.timeline)
}

func TestALaneThatFindsAReleaseSendsAMessengerAfterIt(t *testing.T) {
	r := newStreet(t)
	r.newest = activities.Found{Run: "run-1", ID: "found", Image: "image", By: "alice", Running: true}
	r.live(time.Hour, workflows.LaneIn{})
	require.Equal(t, []string{"messenger/production/checkout/found follows the newest run of production/checkout"}, r.messengers)
}
