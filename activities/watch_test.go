// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/record"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/decide/opinion"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// bench runs single activities over a world, and keeps the last heartbeat.
type bench struct {
	env   *testsuite.TestActivityEnvironment
	world *world.World
	watch *activities.Analysis
	beats []converter.EncodedValues
}

func newBench() *bench {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	b := &bench{env: suite.NewTestActivityEnvironment(), world: world.New()}
	b.watch = &activities.Analysis{Source: world.Metrics{World: b.world}, Clock: b.world.Clock()}
	b.env.RegisterActivity(b.watch)
	b.env.RegisterActivity(&activities.Cluster{Workloads: b.world, Clock: b.world.Clock()})
	b.env.RegisterActivity(&activities.Traffic{Routers: activities.Routers{"gatewayAPI": b.world}, Clock: b.world.Clock()})
	b.env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) { b.beats = append(b.beats, details) })
	return b
}

func at(d time.Duration) time.Time { return world.New().Clock().Now().Add(d) }

func watchIn() activities.WatchIn {
	tick := plan.Duration(30 * time.Second)
	return activities.WatchIn{
		Analysis: plan.Analysis{
			WarmUp: 2 * tick, Interval: tick, Block: 3 * tick, Soak: 4 * tick, MinRequests: 100, FalseAlarms: 5, Misses: 5,
			Errors: &plan.Errors{Tolerate: 1.25, Unacceptable: 2, Margin: new(0.5), SLO: new(10.0)},
		},
		Start: at(0), HoldUntil: at(10 * time.Minute), GiveUpAt: at(20 * time.Minute), Weight: 50,
	}
}

// half sends half of the requests to the candidate.
func (b *bench) half(t *testing.T) {
	t.Helper()
	b.world.ReadyAfter = 0
	ctx := context.Background()
	require.NoError(t, b.world.DeployCandidate(ctx, activities.DeployCandidateIn{
		Image: world.NewImage, Tracks: activities.Tracks{Candidate: world.Candidate, Replicas: 3},
	}))
	require.NoError(t, b.world.Set(ctx, activities.SetTrafficWeightIn{Weight: 50}))
}

func (b *bench) run(t *testing.T) activities.Watched {
	t.Helper()
	value, err := b.env.ExecuteActivity(b.watch.WatchTrack, watchIn())
	require.NoError(t, err)
	var out activities.Watched
	require.NoError(t, value.Get(&out))
	return out
}

func TestAWatchEndsWhenItsVerdictStands(t *testing.T) {
	tests := map[string]struct {
		world func(*world.World)
		want  decide.Outcome
		ends  time.Duration
	}{
		"good: at the end of the hold":              {func(*world.World) {}, decide.Pass, 10 * time.Minute},
		"bad: after two ticks, also in the warm-up": {func(w *world.World) { w.BadFromWeight = 50 }, decide.Fail, time.Minute},
		"bad later: two ticks after that":           {func(w *world.World) { w.BadFrom = 5 * time.Minute }, decide.Fail, 6 * time.Minute},
		"not measurable: when it gives up":          {func(w *world.World) { w.QuietFrom = time.Second }, decide.Unknown, 20 * time.Minute},
		"no answer: when it gives up":               {func(w *world.World) { w.Fail(world.Measure, 0, errors.New("away")) }, decide.Unknown, 20 * time.Minute},
		"no answer for a while: at the end of the hold": {func(w *world.World) {
			for n := 3; n < 10; n++ {
				w.Fail(world.Measure, n, errors.New("away"))
			}
		}, decide.Pass, 10 * time.Minute},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.half(t)
			tt.world(b.world)
			got := b.run(t)
			require.Equal(t, tt.want, got.Verdict.Outcome, got.Verdict.Reason)
			require.Equal(t, tt.ends, b.world.Elapsed())
		})
	}
}

func TestRequestsOfTheWarmUpDoNotCount(t *testing.T) {
	b := newBench()
	b.half(t)
	got := b.run(t)
	// Nine minutes, at 50 requests per second.
	require.InDelta(t, 9*60*50, got.Verdict.Candidate.Requests+got.Verdict.Stable.Requests, 1)
}

func TestAWatchGoesOnWhereADeadWorkerWas(t *testing.T) {
	whole := newBench()
	whole.half(t)
	want := whole.run(t)

	first := newBench()
	first.half(t)
	// The worker dies in its eighth look, and the next one begins 90 s later.
	died := errors.New("died")
	first.world.OnCall = func(op world.Op) {
		if op == world.Measure && first.world.Calls(world.Measure) == 7 {
			panic(died)
		}
	}
	_, err := first.env.ExecuteActivity(first.watch.WatchTrack, watchIn())
	require.ErrorContains(t, err, "died")
	require.NotEmpty(t, first.beats)

	var left map[string]any
	require.NoError(t, first.beats[len(first.beats)-1].Get(&left))
	<-first.world.Clock().After(90 * time.Second)
	first.world.OnCall = nil
	first.env.SetHeartbeatDetails(left)
	got := first.run(t)
	require.Equal(t, want.Verdict.Outcome, got.Verdict.Outcome)
	require.InDelta(t, want.Verdict.Candidate.Requests, got.Verdict.Candidate.Requests, 1, "no request was lost or counted twice")
	require.Equal(t, 10*time.Minute, first.world.Elapsed(), "the hold did not begin again")
}

func TestStableIsMeasuredAtAWeightOfZeroUntilThereIsEnough(t *testing.T) {
	for name, tt := range map[string]struct {
		world    func(*world.World)
		requests float64
		ends     time.Duration
	}{
		"at the end of the window":    {func(*world.World) {}, 50 * 10 * 60, 10 * time.Minute},
		"no request: to the deadline": {func(w *world.World) { w.QuietFrom = time.Second }, 0, 20 * time.Minute},
		"no answer: to the deadline":  {func(w *world.World) { w.Fail(world.Measure, 0, errors.New("away")) }, 0, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			tt.world(b.world)
			in := watchIn()
			in.Weight = 0
			value, err := b.env.ExecuteActivity(b.watch.MeasureStable, in)
			require.NoError(t, err)
			var got activities.Watched
			require.NoError(t, value.Get(&got))
			require.Equal(t, decide.Unknown, got.Verdict.Outcome, "nothing is judged")
			require.InDelta(t, tt.requests, got.Stable.Requests, 1)
			require.Equal(t, tt.ends, b.world.Elapsed())
		})
	}
}

func TestAWatchThatWasTakenOverIsOneWatchInTheRecord(t *testing.T) {
	b, dir := newBench(), t.TempDir()
	b.half(t)
	files, err := record.New(dir)
	require.NoError(t, err)
	b.watch.Recorder = files
	in := watchIn()
	in.ReleaseID = "checkout-k3v9qa"
	b.world.OnCall = func(op world.Op) {
		if op == world.Measure && b.world.Calls(world.Measure) == 7 {
			panic("died")
		}
	}
	_, err = b.env.ExecuteActivity(b.watch.WatchTrack, in)
	require.ErrorContains(t, err, "died")
	var left map[string]any
	require.NoError(t, b.beats[len(b.beats)-1].Get(&left))
	b.world.OnCall = nil
	b.env.SetHeartbeatDetails(left)
	got := b.watched(t, in)
	file := filepath.Join(dir, in.ReleaseID+".jsonl")
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(text), `"watch":`), "each worker says how it began: the other's word may be lost")
	again := replayed(t, file, func(*plan.Analysis) error { return nil })
	require.Empty(t, cmp.Diff(got.Verdict, again.Now))
	require.Empty(t, cmp.Diff(&got.Verdict, again.Then))
}

func TestTheRecordOfAWatchIsJudgedAgainToTheSameVerdict(t *testing.T) {
	b := newBench()
	b.half(t)
	b.world.BadFrom = 5 * time.Minute
	dir := t.TempDir()
	files, err := record.New(dir)
	require.NoError(t, err)
	b.watch.Recorder = files
	in := watchIn()
	in.ReleaseID = "checkout-k3v9qa"
	value, err := b.env.ExecuteActivity(b.watch.WatchTrack, in)
	require.NoError(t, err)
	var watched activities.Watched
	require.NoError(t, value.Get(&watched))

	text, err := os.ReadFile(filepath.Join(dir, in.ReleaseID+".jsonl"))
	require.NoError(t, err)
	var entries []judge.Entry
	for line := range strings.Lines(string(text)) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		require.Equal(t, in.ReleaseID, e.Release)
		entries = append(entries, e)
	}
	again, err := judge.Replay(entries, func(*plan.Analysis) error { return nil }, opinion.Read)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.Empty(t, cmp.Diff(watched.Verdict, again[0].Now))
	require.Empty(t, cmp.Diff(&watched.Verdict, again[0].Then))

	lenient, err := judge.Replay(entries, func(a *plan.Analysis) error {
		a.Errors.SLO, a.Errors.Tolerate, a.Errors.Unacceptable = new(90.), 100, 100
		return nil
	}, opinion.Read)
	require.NoError(t, err)
	require.NotEqual(t, decide.Fail, lenient[0].Now.Outcome)
}

func TestARecordThatCannotBeWrittenStopsNoWatch(t *testing.T) {
	b := newBench()
	b.half(t)
	b.watch.Recorder = full{}
	in := watchIn()
	in.ReleaseID = "checkout-k3v9qa"
	value, err := b.env.ExecuteActivity(b.watch.WatchTrack, in)
	require.NoError(t, err)
	var watched activities.Watched
	require.NoError(t, value.Get(&watched))
	require.Equal(t, decide.Pass, watched.Verdict.Outcome)
}

// full is a disk without room.
type full struct{}

func (full) Append(context.Context, ...judge.Entry) error {
	return errors.New("no space left on device")
}

func TestAWatchWithForeignHeartbeatsBeginsAnew(t *testing.T) {
	b := newBench()
	b.half(t)
	b.env.SetHeartbeatDetails("something else")
	require.Equal(t, decide.Pass, b.run(t).Verdict.Outcome)
}

func awaitReady(within time.Duration) activities.AwaitReadyIn {
	return activities.AwaitReadyIn{Deployment: world.Candidate, Image: world.NewImage, Replicas: 3, Deadline: at(within)}
}

func TestAWaitEndsWithWhatItWaitsForOrItsDeadline(t *testing.T) {
	tests := map[string]struct {
		world   func(*world.World)
		want    activities.Readiness
		ends    time.Duration
		kind    fault.Kind
		noBeats bool
	}{
		"ready at once": {func(w *world.World) { w.ReadyAfter = 0 }, activities.Readiness{Ready: true}, 0, "", true},
		"ready later":   {func(w *world.World) { w.ReadyAfter = 20 * time.Second }, activities.Readiness{Ready: true}, 20 * time.Second, "", false},
		"never": {
			func(w *world.World) { w.ReadyAfter = -1 },
			activities.Readiness{Reason: "0 of 3 pods are ready: ImagePullBackOff"},
			time.Minute + 50*time.Millisecond, "", false,
		},
		"a fault that heals": {func(w *world.World) {
			w.ReadyAfter = 20 * time.Second
			w.Fail(world.Readiness, 2, errors.New("away"))
		}, activities.Readiness{Ready: true}, 20 * time.Second, "", false},
		"a fault that lasts":    {func(w *world.World) { w.Fail(world.Readiness, 0, errors.New("away")) }, activities.Readiness{}, time.Minute + 50*time.Millisecond, fault.Unavailable, false},
		"a fault that is final": {func(w *world.World) { w.Fail(world.Readiness, 0, fault.New(fault.Denied, "no right")) }, activities.Readiness{}, 0, fault.Denied, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.half(t)
			tt.world(b.world)
			var cluster *activities.Cluster
			value, err := b.env.ExecuteActivity(cluster.AwaitReady, awaitReady(time.Minute+50*time.Millisecond))
			require.Equal(t, tt.ends, b.world.Elapsed())
			require.Equal(t, tt.noBeats, len(b.beats) == 0)
			if tt.kind != "" {
				var app *temporal.ApplicationError
				require.ErrorAs(t, err, &app)
				require.Equal(t, string(tt.kind), app.Type())
				return
			}
			require.NoError(t, err)
			var got activities.Readiness
			require.NoError(t, value.Get(&got))
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// ward are the pods of a candidate that are killed for want of memory from some time after the beginning on.
type ward struct {
	world *world.World
	kills map[time.Duration]int
	err   error
	asked []activities.LookAtPodsIn
}

func (w *ward) LookAtPods(_ context.Context, in activities.LookAtPodsIn) (judge.Look, error) {
	w.asked = append(w.asked, in)
	look := judge.Look{Stable: judge.Pods{Number: 3, Age: 300}, Candidate: judge.Pods{Number: 3, Age: 1}}
	for after, n := range w.kills {
		if w.world.Elapsed() >= after {
			look.Candidate.Restarts, look.Candidate.Kills = n, n
			look.Candidate.Troubled = map[string]judge.Pod{"green-1": {Restarts: n, Killed: true}}
		}
	}
	return look, w.err
}

func (b *bench) guarded() (*ward, activities.WatchIn) {
	w := &ward{world: b.world}
	b.watch.Pods = w
	in := watchIn()
	in.ReleaseID, in.Analysis.Guards = "checkout-k3v9qa", &plan.Guards{}
	in.Route = activities.Route{Namespace: "shop", StableDeployment: "checkout", CandidateDeployment: world.Candidate}
	return w, in
}

func (b *bench) watched(t *testing.T, in activities.WatchIn) activities.Watched {
	t.Helper()
	value, err := b.env.ExecuteActivity(b.watch.WatchTrack, in)
	require.NoError(t, err)
	var out activities.Watched
	require.NoError(t, value.Get(&out))
	return out
}

func TestACandidateThatIsKilledForWantOfMemoryIsTakenBack(t *testing.T) {
	b := newBench()
	b.half(t)
	ward, in := b.guarded()
	ward.kills = map[time.Duration]int{5 * time.Minute: 1}
	dir := t.TempDir()
	files, err := record.New(dir)
	require.NoError(t, err)
	b.watch.Recorder = files
	got := b.watched(t, in)
	require.Equal(t, decide.Fail, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, "candidate was killed once for want of memory in 30m (3 pods), stable 0 times (3 pods); the limit is 1")
	require.Equal(t, 5*time.Minute, b.world.Elapsed(), "at the first look after it")
	require.Equal(t, activities.LookAtPodsIn{Namespace: "shop", Stable: "checkout", Candidate: world.Candidate}, ward.asked[0])
	require.Len(t, ward.asked, 11, "once per interval")

	again := replayed(t, filepath.Join(dir, in.ReleaseID+".jsonl"), func(*plan.Analysis) error { return nil })
	require.Empty(t, cmp.Diff(got.Verdict, again.Now), "the record has what was seen of the pods")
	lenient := replayed(t, filepath.Join(dir, in.ReleaseID+".jsonl"), func(a *plan.Analysis) error {
		a.Guards = &plan.Guards{OOMKills: &plan.Times{DryRun: true}}
		return nil
	})
	require.NotEqual(t, decide.Fail, lenient.Now.Outcome)
	require.Contains(t, lenient.Now.Reason, "In dry run, deciding nothing: would have rolled back, since candidate was killed once")
}

func recorded(t *testing.T, file string) []judge.Entry {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var entries []judge.Entry
	for line := range strings.Lines(string(text)) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		entries = append(entries, e)
	}
	return entries
}

func replayed(t *testing.T, file string, change func(*plan.Analysis) error) judge.Replayed {
	t.Helper()
	out, err := judge.Replay(recorded(t, file), change, opinion.Read)
	require.NoError(t, err)
	require.Len(t, out, 1)
	return out[0]
}

func TestPodsThatNobodyCanLookAtAreNotGood(t *testing.T) {
	b := newBench()
	b.half(t)
	ward, in := b.guarded()
	ward.err = errors.New("no right to list pods")
	got := b.watched(t, in)
	require.Equal(t, decide.Unknown, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, "no right to list pods")
	require.Equal(t, 20*time.Minute, b.world.Elapsed())
}

func TestPodsThatAreReplacedInPlaceAreToldApartByWhatTheyRun(t *testing.T) {
	b := newBench()
	b.half(t)
	ward, in := b.guarded()
	in.InPlace, in.Kind, in.Route.CandidateDeployment = true, plan.KindStatefulSet, ""
	ward.kills = map[time.Duration]int{5 * time.Minute: 1}
	got := b.watched(t, in)
	require.Equal(t, decide.Fail, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, "candidate was killed once for want of memory in 30m (3 pods), stable 0 times (3 pods); the limit is 1")
	require.Equal(t, activities.LookAtPodsIn{Namespace: "shop", Stable: "checkout", Kind: plan.KindStatefulSet}, ward.asked[0])
}

func TestAWatchInPlaceThatAnOlderReleaseHasBegunLooksAtNoPods(t *testing.T) {
	b := newBench()
	b.half(t)
	ward, in := b.guarded()
	in.InPlace = true
	b.watched(t, in)
	require.Empty(t, ward.asked)
}

// orders is another system that turns bad some time after the beginning.
type orders struct {
	world *world.World
	from  time.Duration
	asked int
}

func (o *orders) Get(_ context.Context, r activities.Request) (activities.Answer, error) {
	o.asked++
	if r.Headers["X-Team"] != "checkout" {
		return activities.Answer{}, errors.New("who asks?")
	}
	if o.world.Elapsed() >= o.from {
		return activities.Answer{Status: 200, Body: `{"state":"late"}`}, nil
	}
	return activities.Answer{Status: 200, Body: `{"state":"fine"}`}, nil
}

func (o *orders) Post(context.Context, activities.Request) (activities.Answer, error) {
	return activities.Answer{}, errors.New("nobody posts")
}

func TestAnotherSystemCanTakeACandidateBack(t *testing.T) {
	b := newBench()
	b.half(t)
	system := &orders{world: b.world, from: 5 * time.Minute}
	b.watch.Prober = system
	in := watchIn()
	in.ReleaseID = "checkout-k3v9qa"
	in.Analysis.Guards = &plan.Guards{Checks: []plan.Inquiry{{
		Name: "orders", URL: "http://orders.example/state", Headers: map[string]string{"X-Team": "checkout"},
		Status: 200, Contains: "fine", Every: plan.Duration(time.Minute), Failures: 2,
	}}}
	dir := t.TempDir()
	files, err := record.New(dir)
	require.NoError(t, err)
	b.watch.Recorder = files
	got := b.watched(t, in)
	require.Equal(t, decide.Fail, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, `check orders failed 2 times in a row: the answer of http://orders.example/state does not contain "fine"`)
	require.Equal(t, 6*time.Minute, b.world.Elapsed())
	require.Equal(t, 7, system.asked, "once a minute")
	again := replayed(t, filepath.Join(dir, in.ReleaseID+".jsonl"), func(*plan.Analysis) error { return nil })
	require.Empty(t, cmp.Diff(got.Verdict, again.Now))
}

func TestAnotherSystemCanTakeABatchBack(t *testing.T) {
	b := newBench()
	b.half(t)
	b.watch.Prober = &orders{world: b.world, from: 5 * time.Minute}
	in := watchIn()
	in.InPlace, in.Route = true, activities.Route{Namespace: "shop", StableDeployment: "checkout"}
	in.Analysis.Guards = &plan.Guards{Checks: []plan.Inquiry{{
		Name: "orders", URL: "http://orders.example/state", Headers: map[string]string{"X-Team": "checkout"},
		Status: 200, Contains: "fine", Every: plan.Duration(time.Minute), Failures: 2,
	}}}
	got := b.watched(t, in)
	require.Equal(t, decide.Fail, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, "check orders failed 2 times in a row")
}

// ruled is a watch by one rule, with failures in dry run.
func (b *bench) ruled(t *testing.T, r plan.Rule) (activities.WatchIn, string) {
	t.Helper()
	dir := t.TempDir()
	files, err := record.New(dir)
	require.NoError(t, err)
	b.watch.Recorder = files
	_, in := b.guarded()
	in.Analysis.Errors.DryRun = true
	r.Name = "mine"
	in.Analysis.Guards.Rules = []plan.Rule{r}
	return in, filepath.Join(dir, in.ReleaseID+".jsonl")
}

func TestARuleOfThePlanDecidesAndItsRecordSaysWhatItSaw(t *testing.T) {
	const bad, never = "candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare", "candidate.failed > 1e9"
	for name, c := range map[string]struct {
		rule plan.Rule
		want decide.Outcome
		ends time.Duration
		says string
	}{
		"met in two ticks":  {plan.Rule{When: bad}, decide.Fail, 6 * time.Minute, "rule mine is met: " + bad + " (candidate.failed = "},
		"met in four ticks": {plan.Rule{When: bad, For: 4}, decide.Fail, 7 * time.Minute, "4 ticks in a row"},
		"to hold":           {plan.Rule{When: bad, Then: plan.ThenHold}, decide.Unknown, 20 * time.Minute, "rule mine is met"},
		"in dry run":        {plan.Rule{When: bad, DryRun: true}, decide.Pass, 10 * time.Minute, "would have rolled back, since rule mine is met"},
		"never met":         {plan.Rule{When: never}, decide.Pass, 10 * time.Minute, "No metric decides"},
		"no answer":         {plan.Rule{When: "candidate.failed / stable.failed > 3"}, decide.Unknown, 20 * time.Minute, "rule mine could not be answered for "},
		"about the pods":    {plan.Rule{When: "candidate.pods + stable.pods == 6.0 && step.seconds > 300"}, decide.Fail, 6 * time.Minute, "(candidate.pods = 3, stable.pods = 3, step.seconds = 360)"},
		"of a later version": {
			plan.Rule{When: "candidate.colour > 1"}, decide.Unknown, 20 * time.Minute, "rule mine could not be answered for ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			b.half(t)
			b.world.BadFrom = 5 * time.Minute
			in, file := b.ruled(t, c.rule)
			got := b.watched(t, in)
			require.Equal(t, c.want, got.Verdict.Outcome, got.Verdict.Reason)
			require.Contains(t, got.Verdict.Reason, c.says)
			require.Equal(t, c.ends, b.world.Elapsed())

			again := replayed(t, file, func(*plan.Analysis) error { return nil })
			require.Empty(t, cmp.Diff(got.Verdict, again.Now), "the record has what the rule said")
			other := replayed(t, file, func(a *plan.Analysis) error {
				a.Guards = &plan.Guards{Rules: []plan.Rule{{Name: "other", When: "candidate.requests > 0", For: 1}}}
				return nil
			})
			require.Equal(t, decide.Fail, other.Now.Outcome, "another rule is asked about what was seen")
			require.Contains(t, other.Now.Reason, "rule other is met")
			require.Less(t, other.Ticks, 6, "at the first tick after the warm-up")
		})
	}
}

func TestTheRecordHasWhatARuleSaw(t *testing.T) {
	b := newBench()
	b.half(t)
	in, file := b.ruled(t, plan.Rule{When: "candidate.requests < 1"})
	b.watched(t, in)
	n := 0
	for _, e := range recorded(t, file) {
		if e.Rules == nil {
			continue
		}
		n++
		require.Equal(t, time.Duration(n+2)*30*time.Second, e.Rules.At.Sub(at(0)))
		require.Equal(t, []judge.Ruling{{Saw: "candidate.requests = " + strings.TrimPrefix(e.Rules.All[0].Saw, "candidate.requests = ")}}, e.Rules.All)
		require.InDelta(t, float64(n*30*25), e.Rules.Sight.Known["candidate.requests"], 1)
		require.Contains(t, e.Rules.Sight.Unknown["candidate.flaps"], "its guard is not in the plan")
	}
	require.Equal(t, 18, n, "one for each tick after the warm-up")
}

func TestAWatchByARuleGoesOnWhereADeadWorkerWas(t *testing.T) {
	b := newBench()
	b.half(t)
	b.world.BadFrom = 5 * time.Minute
	in, file := b.ruled(t, plan.Rule{When: "candidate.failed > 20", For: 4})
	b.world.OnCall = func(op world.Op) {
		if op == world.Measure && b.world.Calls(world.Measure) == 12 {
			panic(errors.New("died"))
		}
	}
	_, err := b.env.ExecuteActivity(b.watch.WatchTrack, in)
	require.ErrorContains(t, err, "died")
	var left map[string]any
	require.NoError(t, b.beats[len(b.beats)-1].Get(&left))
	b.world.OnCall = nil
	b.env.SetHeartbeatDetails(left)
	got := b.watched(t, in)
	require.Equal(t, decide.Fail, got.Verdict.Outcome)
	require.Contains(t, got.Verdict.Reason, "4 ticks in a row")
	require.Equal(t, 7*time.Minute, b.world.Elapsed(), "no tick was counted twice, and none was forgotten")
	again, err := judge.Replay(recorded(t, file), func(*plan.Analysis) error { return nil }, opinion.Read)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(got.Verdict, again[len(again)-1].Now), "what both workers wrote counts once")
}
