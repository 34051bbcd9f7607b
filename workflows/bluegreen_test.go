// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestABlueGreenReleaseSwitchesInOneWrite(t *testing.T) {
	r := prepare(t, blueGreen()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  open the preview route",
		"5m0s  close the preview route",
		"5m0s  weight 100 %",
		"5m1s  point Service checkout at checkout-green",
		"1h5m1s  weight 0 %",
		"1h5m2s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, workflows.Passed, r.status.Track[0].State)
	require.Equal(t, 1, r.said("load passed: 0 of 100 requests failed"), r.story())
	require.Equal(t, 1, r.said("before the switch: stable failed 0 of 15,000 requests"), r.story())
}

func TestABlueGreenReleaseWithoutARouterSwitchesTheService(t *testing.T) {
	r := prepare(t, selector()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  point Service checkout at checkout-green",
		"1h0m21s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
}

func TestABlueGreenReleaseThatGoesWrongIsUndone(t *testing.T) {
	denied := fault.New(fault.Denied, "may not")
	tests := map[string]struct {
		plan  plan.Plan
		wrong func(*world.World)
		why   string
	}{
		"never ready": {blueGreen(), func(w *world.World) { w.ReadyAfter = -1 }, "checkout-green was not ready within 2m"},
		"a check that never passes": {
			blueGreen(), func(w *world.World) { w.BadAnswers = -1 }, "check health did not pass within 30s: http://checkout.example/health answered 500, not 200",
		},
		"too many failures under load": {
			blueGreen(), func(w *world.World) {
				w.OnCall = func(op world.Op) {
					if op == world.Probe && w.Calls(world.Probe) == 1 {
						w.BadAnswers = 7
					}
				}
			}, "load failed: 7 of 100 requests failed, p99 ",
		},
		"no preview route can be made":         {blueGreen(), func(w *world.World) { w.Fail(world.Preview, 1, denied) }, "may not"},
		"the preview route cannot be closed":   {blueGreen(), func(w *world.World) { w.Fail(world.Preview, 2, denied) }, "may not"},
		"bad after the switch":                 {blueGreen(), func(w *world.World) { w.BadFromWeight = 100 }, "the bake failed at 100 %: candidate failed"},
		"bad late in the bake":                 {blueGreen(), func(w *world.World) { w.BadFrom = time.Hour }, "the bake failed at 100 %: candidate failed"},
		"the router never takes up the switch": {blueGreen(), func(w *world.World) { w.SettleRefused = []int{100} }, "the router did not take up 100 % within 10s"},
		"the Service cannot be switched":       {selector(), func(w *world.World) { w.Fail(world.SetWeight, 1, denied) }, "may not"},
		"pods that go away in the bake": {
			selector(), func(w *world.World) { w.GoneFrom = 30 * time.Minute }, "the bake failed at 100 %: for 30s 0 of 3 pods are ready",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, tt.plan)
			tt.wrong(r.world)
			r.run().undone(tt.why)
		})
	}
}

func TestAGateStandsBeforeTheSwitch(t *testing.T) {
	p := blueGreen()
	p.Spec.Strategy.BlueGreen.Gate = &plan.Gate{Approvers: []string{"alice"}, Quorum: 1, Within: minutes(60)}
	t.Run("and opens by an approval", func(t *testing.T) {
		r := prepare(t, p)
		r.at(30*time.Minute, workflows.Approve, by("alice"))
		r.run().promoted()
		require.Equal(t, 30*time.Minute, r.when("weight 100 %"), r.story())
		require.Equal(t, workflows.Passed, r.status.Track[1].State)
	})
	t.Run("and is undone at its deadline", func(t *testing.T) {
		prepare(t, p).run().undone("nobody answered within 1h: approval by 1 of [alice]")
	})
	t.Run("and is undone when the waiting candidate loses its pods", func(t *testing.T) {
		r := prepare(t, p)
		r.world.GoneFrom = 20 * time.Minute
		r.run().undone("failed at 0 % while people were asked")
	})
	t.Run("and a promotion by an approver stands for it", func(t *testing.T) {
		r := prepare(t, p)
		r.at(2*time.Minute, workflows.Promote, by("alice"))
		r.run().promoted()
		require.Equal(t, workflows.Skipped, r.status.Track[1].State)
	})
	t.Run("and nobody else can promote past it", func(t *testing.T) {
		r := prepare(t, p)
		a := r.tell(2*time.Minute, workflows.Promote, by("mallory"))
		r.run().undone("nobody answered")
		require.ErrorContains(t, a.err, "mallory is not among the approvers")
	})
}

func TestAStableWithoutRequestsLeavesTheAbsoluteLimits(t *testing.T) {
	r := prepare(t, blueGreen())
	r.world.Fail(world.Measure, 0, errors.New("no such host"))
	r.world.OnCall = func(op world.Op) {
		if op == world.SetWeight {
			r.world.Heal(world.Measure)
		}
	}
	r.run().promoted()
	require.Equal(t, 1, r.said("before the switch: stable failed none of no requests"), r.story())
}

func TestThePodsOfACandidateAreWatchedWhereNothingIsMeasured(t *testing.T) {
	r := prepare(t, selector())
	r.world.Fail(world.Readiness, 0, errors.New("connection refused"))
	r.world.OnCall = func(op world.Op) {
		if op == world.Deploy {
			r.world.Heal(world.Readiness)
		}
		if op == world.Switch {
			r.world.Fail(world.Readiness, 0, errors.New("connection refused"))
		}
	}
	r.run().undone("the bake could not be measured (connection refused)")
	require.Equal(t, 1, r.said("verdict "+string(decide.Unknown)), r.story())
}
