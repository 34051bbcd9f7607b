// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestACandidateIsAsLargeAsStableHasBecome(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		r := prepare(t, p)
		r.world.OnCall = func(op world.Op) {
			if op == world.Readiness && r.world.Calls(world.Readiness) == 1 {
				r.world.Scale(world.Stable, 7) // the candidate has been made by now
			}
		}
		r.run()
		require.NoError(t, r.err)
		require.Equal(t, world.Track{Image: world.NewImage, Size: 7}, r.world.State().Tracks[world.Candidate], r.story())
		require.Equal(t, 1, r.said("checkout has been scaled meanwhile: checkout-green gets 7 pods too"), r.story())
	})
}

func TestACandidateThatCannotGrowWithStableIsUndone(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.OnCall = func(op world.Op) {
		switch {
		case op == world.Readiness && r.world.Calls(world.Readiness) == 1:
			r.world.Scale(world.Stable, 7)
		case op == world.Resize:
			r.world.ReadyAfter = -1
		}
	}
	r.run()
	require.Equal(t, workflows.Undone, r.status.Phase, r.story())
	require.Contains(t, r.status.Outcome, "checkout-green did not get 100 %, because it was not ready for them within 2m: 0 of 7 pods are ready")
	require.Equal(t, map[string]world.Track{world.Stable: {Image: world.OldImage, Size: 7}}, r.world.State().Tracks)
}

// returning are all plans with settle: return.
func returning(p plan.Plan) plan.Plan {
	if c := p.Spec.Strategy.Canary; c != nil {
		c.Settle = plan.SettleReturn
	}
	if b := p.Spec.Strategy.BlueGreen; b != nil {
		b.Settle = plan.SettleReturn
	}
	return p
}

// home asserts that the new version is on the original Deployment and nothing is left beside it.
func (r *release) home() {
	r.t.Helper()
	require.NoError(r.t, r.err)
	require.Equal(r.t, workflows.Promoted, r.status.Phase, r.story())
	require.Equal(r.t, world.NewImage+" serves everything from checkout", r.status.Outcome)
	require.Empty(r.t, cmp.Diff(world.State{
		Tracks: map[string]world.Track{world.Stable: {Image: world.NewImage, Size: world.Replicas}}, Serving: world.Stable,
	}, r.world.State()), r.story())
}

func TestAReleaseThatReturnsEndsOnTheOriginalDeployment(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		prepare(t, returning(p)).run().home()
	})
}

func TestARescueKeepsTheCandidateUntilTheOriginalServesAgain(t *testing.T) {
	r := prepare(t, returning(twoSteps()))
	var onTheWay activities.SafeState
	r.world.OnCall = func(op world.Op) {
		if op == world.Readiness && r.world.Calls(world.Deploy) == 2 {
			onTheWay = kept(r)
		}
	}
	r.run().home()
	require.Empty(t, cmp.Diff(recorded(r).Promote(world.NewImage), onTheWay))
	want := recorded(r).Return(world.NewImage)
	want.Ended, want.EndedBy = activities.EndPromoted, r.in.ID
	require.Empty(t, cmp.Diff(want, kept(r)))
}

func TestPodsThatAnAutoscalerCountsAreNoWeight(t *testing.T) {
	r := prepare(t, byPods())
	r.world.Autoscaler = "shop"
	r.run().failed(workflows.Refused, "HorizontalPodAutoscaler shop scales checkout, and with traffic.replicas the number of pods is the weight")
	require.Empty(t, r.world.Timeline())
	r.clean()
}

func TestAForecastKnowsTheWayHome(t *testing.T) {
	twoTracks(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		p = returning(p)
		f, err := forecast.Of(p, world.Replicas)
		require.NoError(t, err)
		last := f.Steps[f.NoReturn-1]
		require.Equal(t, "bring the new version back onto the original Deployment, if it is on the copy", last.What)
		require.Equal(t, world.Replicas, *last.ExtraPods)
		r := prepare(t, p).run()
		r.home()
		require.LessOrEqual(t, r.status.Ended.Sub(r.status.Started), f.AtMost.D(), r.story())
	})
}

func TestTheWayHomeIsTakenWhileTheCandidateServes(t *testing.T) {
	r := prepare(t, returning(twoSteps())).run()
	r.home()
	timeline := r.world.Timeline()
	require.Empty(t, cmp.Diff([]string{
		"1h15m24s  deploy checkout: 3 pods of the new version",
		"1h15m44s  point Service checkout at checkout",
		"1h15m47s  delete checkout-green",
	}, timeline[len(timeline)-3:]))
}

func TestATransientFaultOnTheWayHomeIsMetAgain(t *testing.T) {
	for op, n := range map[world.Op]int{world.Deploy: 2, world.SetWeight: 5, world.Retire: 1} {
		t.Run(string(op), func(t *testing.T) {
			r := prepare(t, returning(twoSteps()))
			r.world.Fail(op, n, fault.New(fault.Unavailable, "connection refused"))
			r.run().home()
			require.Greater(t, r.world.Calls(op), n)
		})
	}
}

func TestAWayHomeThatFailsLeavesTheCandidateServingAndAsksAPerson(t *testing.T) {
	denied := fault.New(fault.Denied, "may not")
	tests := map[string]struct {
		wrong func(*world.World)
		why   string
	}{
		"the original cannot be written": {func(w *world.World) { w.Fail(world.Deploy, 2, denied) }, "delete checkout-green: may not"},
		"the original does not become ready": {func(w *world.World) {
			w.OnCall = func(op world.Op) {
				if op == world.Deploy && w.Calls(world.Deploy) == 1 {
					w.SlowTrack = world.Stable
				}
			}
		}, "checkout was not ready within 2m"},
		"the Service cannot be switched": {func(w *world.World) { w.Fail(world.SetWeight, 5, denied) }, "delete checkout-green: may not"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, returning(twoSteps()))
			tt.wrong(r.world)
			r.run().failed(workflows.NeedsPerson, "the new version serves everything. Left to do by a person: bring "+world.NewImage+" back onto checkout and ")
			require.Contains(t, r.status.Outcome, tt.why)
			require.Equal(t, world.Candidate, r.world.State().Serving)
			require.Equal(t, world.Track{Image: world.NewImage, Size: world.Replicas}, r.world.State().Tracks[world.Candidate])
		})
	}
}

func TestWhatPreflightFoundAroundTheTracksIsTold(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.Notes = []string{"PodDisruptionBudget checkout selects checkout alone; checkout-green follows checkout-green"}
	r.run().promoted()
	require.Equal(t, 1, r.said("preflight: PodDisruptionBudget checkout selects"), r.story())
}
