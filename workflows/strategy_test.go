// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// attempts is how often the test environment tries an activity whose policy has no such limit.
const attempts = 10

// Everything here holds for every strategy.

func TestATransientFaultOfAnyCallIsMetAgain(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, op := range []world.Op{
			world.Inspect, world.TakeFence, world.Deploy, world.Size, world.Resize, world.Readiness, world.Switch, world.Retire,
			world.ReadRoute, world.SetWeight, world.Verify, world.Check, world.Measure, world.Preview, world.Probe,
			world.Find, world.Roll, world.Look, world.HandBack,
		} {
			t.Run(string(op), func(t *testing.T) {
				r := prepare(t, p)
				r.world.Fail(op, 1, errors.New("connection refused"))
				r.run().promoted()
			})
		}
	})
}

func TestAPreflightThatRefusesChangesNothing(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		preflight := []world.Op{world.Inspect, world.ReadRoute, world.TakeFence}
		if p.Spec.Strategy.Rolling != nil {
			preflight = []world.Op{world.Find, world.TakeFence}
		}
		if p.Spec.Analysis.Source.Prometheus != nil {
			preflight = append(preflight, world.Check)
		}
		for _, op := range preflight {
			t.Run(string(op), func(t *testing.T) {
				r := prepare(t, p)
				r.world.Fail(op, 0, fault.New(fault.Invalid, "it cannot work"))
				r.run().failed(workflows.Refused, "it cannot work; nothing was changed")
				require.Empty(t, r.world.Timeline())
				r.clean()
			})
		}
	})
}

// good is a release that nothing disturbs: how many activities it runs, and how long it takes.
func good(t *testing.T, p plan.Plan) (int, time.Duration) {
	t.Helper()
	r, last := prepare(t, p), 0
	r.fates = func(n int, _ string) world.Fate { last = n; return world.Answered }
	r.run().promoted()
	return last, r.status.Ended.Sub(r.status.Started)
}

func TestAnAbortAtAnyActivityLeavesNothingBehind(t *testing.T) {
	fates := map[string]world.Fate{
		"that was never run": world.Lost, "whose effect nobody heard of": world.Unheard, "that comes late": world.Late,
	}
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		last, _ := good(t, p)
		for name, fate := range fates {
			for n := 1; n < last; n++ {
				t.Run(fmt.Sprintf("activity %d %s", n, name), func(t *testing.T) {
					r, tooLate := prepare(t, p), false
					r.fates = func(i int, activity string) world.Fate {
						if i != n {
							return world.Answered
						}
						// How many run before it differs, where one runs beside another.
						if tooLate = activity == "RetireTrack"; tooLate {
							return world.Answered
						}
						r.env.SignalWorkflow(workflows.Abort, by("bob"))
						// A create is waited for before it is undone, which this environment does not do.
						if fate == world.Late && (activity == "DeployCandidate" || activity == "OpenPreview" || activity == "MirrorTraffic") {
							return world.Unheard
						}
						return fate
					}
					if r.run(); tooLate {
						r.promoted()
						return
					}
					r.aborted("aborted by bob (unverified): said bob")
				})
			}
		}
	})
}

// aborted asserts that the release was undone, or refused if it had not begun.
func (r *release) aborted(why string) {
	r.t.Helper()
	require.Contains(r.t, r.status.Outcome, why)
	require.Contains(r.t, []workflows.Phase{workflows.Undone, workflows.Refused}, r.status.Phase)
	require.Equal(r.t, 1, r.said("abort by"), r.story())
	r.clean()
}

func TestAnAbortAtAnyTimeLeavesNothingBehind(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		_, long := good(t, p)
		for at := time.Second; at < long; at += 97 * time.Second {
			t.Run(at.String(), func(t *testing.T) {
				r := prepare(t, p)
				r.at(at, workflows.Abort, by("bob"))
				r.run().undone("aborted by bob (unverified): said bob")
			})
		}
	})
}

func TestAnAbortByUpdateThatMeetsAResultIsObeyed(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		last, _ := good(t, p)
		for n := 1; n < last; n++ {
			t.Run(fmt.Sprintf("after activity %d", n), func(t *testing.T) {
				r, a := prepare(t, p), &answer{err: errors.New("no answer")} // a watch that was cancelled does not end here
				r.onCompleted(n, func() { r.update(workflows.Abort, by("bob"), a) })
				r.run()
				if a.err != nil {
					r.promoted()
					return
				}
				r.aborted("aborted by bob (unverified): said bob")
			})
		}
	})
}

func TestACancellationInTemporalIsAnAbort(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		_, long := good(t, p)
		for _, at := range []time.Duration{10 * time.Second, long / 8, long / 4, long / 2, long * 9 / 10} {
			t.Run(at.String(), func(t *testing.T) {
				r := prepare(t, p)
				r.env.RegisterDelayedCallback(r.env.CancelWorkflow, at+500*time.Millisecond)
				r.run().undone("cancelled in Temporal")
			})
		}
	})
}
