// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// frozenUntil is a freeze that ends so long after the beginning.
func frozenUntil(after time.Duration) workflows.Held {
	return workflows.Held{Holds: []decide.Hold{{Kind: decide.Freeze, Scope: "production", Until: began().Add(after), Reason: "fair", By: "bob"}}}
}

// stopped is a line that is stopped.
func stopped() workflows.Held {
	return workflows.Held{Holds: []decide.Hold{{Kind: decide.Stop, Scope: "production", Reason: "outage", By: "bob"}}}
}

// hear lets the release hear something from its lane after a while.
func (r *release) hear(after time.Duration, signal string, in any) {
	r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(signal, in) }, after)
}

// stepsIn are the effects between two times that bring a release forward.
func (r *release) stepsIn(from, to time.Duration) []string {
	r.t.Helper()
	var out []string
	for _, line := range r.world.Timeline() {
		at, what, _ := strings.Cut(line, "  ")
		d, err := time.ParseDuration(at)
		require.NoError(r.t, err)
		forward := strings.HasPrefix(what, "weight") || strings.HasPrefix(what, "scale") || strings.HasPrefix(what, "point") || strings.HasPrefix(what, "size") || strings.HasPrefix(what, "replace")
		if forward && d > from && d < to {
			out = append(out, line)
		}
	}
	return out
}

// moments are the moments of a release at which the tests hold it.
func moments(t *testing.T, p plan.Plan, test func(*testing.T, time.Duration)) {
	t.Helper()
	_, long := good(t, p)
	for at := 5 * time.Second; at < long-2*time.Second; at += 211 * time.Second {
		t.Run(at.String(), func(t *testing.T) { test(t, at) })
	}
}

func TestAFreezeAtAnyTimeHoldsAndThenTheReleaseGoesOn(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		moments(t, p, func(t *testing.T, at time.Duration) {
			t.Helper()
			r := prepare(t, p)
			until := at + 5*time.Hour
			r.hear(at, workflows.HoldsSignal, frozenUntil(until))
			r.run().promoted()
			require.Empty(t, r.stepsIn(at+2*time.Second, until), r.story())
		})
	})
}

func TestAReleaseThatIsHeldCanBeAborted(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		moments(t, p, func(t *testing.T, at time.Duration) {
			t.Helper()
			r := prepare(t, p)
			r.hear(at, workflows.HoldsSignal, stopped())
			r.at(at+3*time.Hour, workflows.Abort, by("bob"))
			r.run().undone("aborted by bob (unverified): said bob")
			back := 5 * time.Second
			if c := p.Spec.Strategy.Canary; c != nil {
				back += time.Duration(len(c.Steps)) * c.StepBack.D()
			}
			require.Less(t, r.status.Ended.Sub(r.status.Started), at+3*time.Hour+back)
		})
	})
}

func TestAThawEndsAFreezeBeforeItsTime(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		moments(t, p, func(t *testing.T, at time.Duration) {
			t.Helper()
			r := prepare(t, p)
			r.hear(at, workflows.HoldsSignal, frozenUntil(24*time.Hour))
			r.hear(at+3*time.Hour, workflows.HoldsSignal, workflows.Held{})
			r.run().promoted()
			require.Empty(t, r.stepsIn(at+2*time.Second, at+3*time.Hour), r.story())
			require.Less(t, r.status.Ended.Sub(r.status.Started), 6*time.Hour)
			require.Nil(t, r.status.Held)
		})
	})
}

func TestACandidateThatTurnsBadInAFreezeIsTakenBack(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.BadFrom = 2 * time.Hour
	r.hear(2*time.Minute, workflows.HoldsSignal, frozenUntil(24*time.Hour))
	r.run().undone("failed at 10 %")
	require.Less(t, r.when("weight 0 %"), 3*time.Hour)
}

func TestAFreezeSaysWhatItIsAndWhatHappensThen(t *testing.T) {
	r := prepare(t, twoSteps())
	r.hear(2*time.Minute, workflows.HoldsSignal, frozenUntil(24*time.Hour))
	var seen workflows.Status
	r.env.RegisterDelayedCallback(func() { seen = r.query() }, time.Hour)
	r.run().promoted()
	require.Equal(t, "frozen until 2030-01-02T09:00:00Z (fair, by bob)", seen.Next)
	require.Equal(t, "bob", seen.Owner)
	require.True(t, seen.Deadline.Equal(began().Add(24*time.Hour)))
	require.Equal(t, "the release goes on", seen.AtDeadline)
	require.Equal(t, 10, seen.Weight)
	require.NotNil(t, seen.Held)
	require.Equal(t, 1, r.said("held before its next step: frozen until"))
}

func TestAFreezeOfThePlanHolds(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		p.Spec.Freeze = []plan.Freeze{{From: "2030-01-01T09:00:10Z", To: "2030-01-01T14:00:00Z", Reason: "fair"}}
		r := prepare(t, p)
		r.run().promoted()
		require.Empty(t, r.stepsIn(0, 5*time.Hour), r.story())
	})
}

func TestAnOverrideLiftsTheFreezesOfItsMomentAndNoLaterOne(t *testing.T) {
	p := twoSteps()
	p.Spec.Freeze = []plan.Freeze{
		{From: "2030-01-01T09:00:10Z", To: "2030-01-01T14:00:00Z", Reason: "fair"},
		{From: "2030-01-01T15:00:00Z", To: "2030-01-01T20:00:00Z", Reason: "dinner"},
	}
	p.Spec.Strategy.Canary.Steps[1].Hold = minutes(300)
	t.Run("by a command", func(t *testing.T) {
		r := prepare(t, p)
		early := r.tell(5*time.Second, workflows.Override, by("eve"))
		unexplained := r.tell(time.Hour, workflows.Override, workflows.Command{ID: "1", By: "carol"})
		accepted := r.tell(2*time.Hour, workflows.Override, by("carol"))
		r.run().promoted()
		require.ErrorContains(t, early.err, "nothing holds the release")
		require.ErrorContains(t, unexplained.err, "an override needs a reason")
		require.NoError(t, accepted.err)
		require.Equal(t, 2*time.Hour, r.when("weight 10 %"))
		require.GreaterOrEqual(t, r.when("weight 100 %"), 11*time.Hour, "the later freeze holds")
		require.Equal(t, 1, r.said("override by carol (slack): said carol"))
	})
	t.Run("from the beginning", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.in.Holds, r.in.OverrideFreeze = frozenUntil(24*time.Hour).Holds, "the customer waits"
		r.run().promoted()
		require.Less(t, r.status.Ended.Sub(r.status.Started), 2*time.Hour)
		require.Equal(t, 1, r.said("freezes overridden by alice: the customer waits"))
	})
	t.Run("without one the freezes of the beginning hold", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.in.Holds = frozenUntil(4 * time.Hour).Holds
		r.run().promoted()
		require.Equal(t, 4*time.Hour, r.when("weight 10 %"))
	})
}

func TestNothingHoldsARollback(t *testing.T) {
	p := twoSteps()
	p.Spec.Freeze = []plan.Freeze{{From: "2030-01-01T09:00:00Z", To: "2030-01-01T14:00:00Z", Reason: "fair"}}
	r := prepare(t, p)
	r.workflow, r.world.Bake, r.in.Holds = "Rollback", time.Minute, stopped().Holds
	r.run().promoted()
	require.Less(t, r.status.Ended.Sub(r.status.Started), 5*time.Minute)
}

func TestAHotfixTakesThePlaceOfAReleaseAtAnyTime(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		moments(t, p, func(t *testing.T, at time.Duration) {
			t.Helper()
			r := prepare(t, p)
			r.hear(at, workflows.YieldSignal, decide.Yield{To: "checkout-new", By: "bob", Anyway: true})
			r.run().undone("preempted by the hotfix checkout-new")
		})
	})
}

func TestAReleaseMakesRoomForAnotherOne(t *testing.T) {
	gate := asking(plan.Gate{Quorum: 1, Within: minutes(600)})
	tests := map[string]struct {
		plan   plan.Plan
		at     time.Duration
		anyway bool
		why    string
	}{
		"before anybody has approved it":         {gate, 5 * time.Minute, false, "superseded by the newer release checkout-new"},
		"not once it is approved":                {gate, 32 * time.Minute, false, ""},
		"not once it is promoted":                {twoSteps(), 40 * time.Minute, false, ""},
		"for a hotfix once it is approved":       {gate, 32 * time.Minute, true, "preempted by the hotfix checkout-new"},
		"for a hotfix while it bakes":            {twoSteps(), 40 * time.Minute, true, "preempted by the hotfix checkout-new"},
		"for a hotfix while the line is stopped": {twoSteps(), 2 * time.Minute, true, "preempted by the hotfix checkout-new"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, tt.plan)
			r.at(30*time.Minute, workflows.Approve, by("carol"))
			if strings.Contains(name, "stopped") {
				r.hear(time.Minute, workflows.HoldsSignal, stopped())
			}
			r.hear(tt.at, workflows.YieldSignal, decide.Yield{To: "checkout-new", By: "bob", Anyway: tt.anyway})
			r.run()
			if tt.why == "" {
				r.promoted()
				require.Equal(t, 1, r.said("which waits: this one is approved or promoted already"))
				return
			}
			r.undone(tt.why)
			require.True(t, r.status.Yielded)
		})
	}
}

func TestAPausedReleaseCostsNothingPerHour(t *testing.T) {
	for name, at := range map[string]time.Duration{"before its first step": 5 * time.Second, "at a weight": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			costs := map[time.Duration]int{}
			for _, hours := range []time.Duration{1, 150} {
				r, last := prepare(t, twoSteps()), 0
				r.fates = func(n int, _ string) world.Fate { last = n; return world.Answered }
				r.at(at, workflows.Pause, by("alice"))
				r.at(at+hours*time.Hour, workflows.Abort, by("bob"))
				r.run().undone("aborted by bob")
				costs[hours] = last
			}
			require.Equal(t, costs[1], costs[150], "activities of a release that was paused for an hour, and for six days")
		})
	}
}

// flood pauses and resumes by update, each time with a signal that is refused.
func (r *release) flood(from, n int, last *answer) {
	for i := from; i < from+n; i++ {
		name := []string{workflows.Pause, workflows.Resume}[i%2]
		r.update(name, workflows.Command{ID: strconv.Itoa(i), By: "mallory"}, last)
		r.env.SignalWorkflow(name, workflows.Command{ID: "signal" + strconv.Itoa(i)})
	}
}

func TestAFloodOfCommandsIsStoppedAndAnAbortIsStillHeard(t *testing.T) {
	r := prepare(t, asking(plan.Gate{Quorum: 1, Within: minutes(600)}))
	last := &answer{}
	for part := range 12 { // the test environment takes only so much at once
		r.env.RegisterDelayedCallback(func() { r.flood(50*part, 50, last) }, 10*time.Minute+time.Duration(part)*time.Second)
	}
	approval := r.tell(20*time.Minute, workflows.Approve, by("alice"))
	abort := r.tell(30*time.Minute, workflows.Abort, by("bob"))
	r.run().undone("aborted by bob")
	require.ErrorContains(t, last.err, "the release has heard 500 commands, and hears no more but an abort")
	require.ErrorContains(t, approval.err, "hears no more but an abort")
	require.NoError(t, abort.err)
	require.LessOrEqual(t, len(r.status.Log), 200)
}
