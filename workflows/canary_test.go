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
)

func TestAGoodReleaseIsPromoted(t *testing.T) {
	r := prepare(t, twoSteps()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  weight 10 %",
		"5m21s  weight 50 %",
		"15m22s  weight 100 %",
		"15m23s  point Service checkout at checkout-green",
		"1h15m23s  weight 0 %",
		"1h15m24s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, 100, r.status.MaxWeight)
	for _, s := range r.status.Track {
		require.Equal(t, workflows.Passed, s.State)
		require.NotNil(t, s.Verdict)
	}
}

func TestAReleaseThatGoesWrongIsUndone(t *testing.T) {
	tests := map[string]struct {
		wrong func(*world.World)
		why   string
	}{
		"bad at the first step":            {func(w *world.World) { w.BadFromWeight = 10 }, "step 1 failed at 10 %: candidate failed"},
		"bad at the second step":           {func(w *world.World) { w.BadFromWeight = 50 }, "step 2 failed at 50 %: candidate failed"},
		"bad at the beginning of the bake": {func(w *world.World) { w.BadFromWeight = 100 }, "the bake failed at 100 %: candidate failed"},
		"bad late in the bake":             {func(w *world.World) { w.BadFrom = time.Hour }, "the bake failed at 100 %: candidate failed"},
		"never ready":                      {func(w *world.World) { w.ReadyAfter = -1 }, "checkout-green was not ready within 2m: 0 of 3 pods are ready: ImagePullBackOff"},
		"router never takes up a step":     {func(w *world.World) { w.SettleRefused = []int{50} }, "the router did not take up 50 % within 10s: gateway: has not looked"},
		"router never takes up the promotion": {
			func(w *world.World) { w.SettleRefused = []int{100} }, "the router did not take up 100 % within 10s",
		},
		"candidate refused": {func(w *world.World) { w.Fail(world.Deploy, 0, fault.New(fault.Denied, "may not create")) }, "may not create"},
		"route edited by a person": {
			func(w *world.World) { w.Fail(world.SetWeight, 2, fault.New(fault.Edited, "somebody has set it")) }, "somebody has set it",
		},
		"Service cannot be switched": {
			func(w *world.World) { w.Fail(world.Switch, 1, fault.New(fault.Denied, "may not update")) }, "may not update",
		},
		"router away for longer than the way forward is patient": {
			func(w *world.World) {
				for n := 2; n < 2+attempts; n++ {
					w.Fail(world.SetWeight, n, errors.New("connection refused"))
				}
			}, "connection refused",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, twoSteps())
			tt.wrong(r.world)
			r.run().undone(tt.why)
		})
	}
}

func TestAFailedStepIsTakenBackInReverseOrder(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.BadFromWeight = 50
	r.run().undone("step 2 failed")
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  weight 10 %",
		"5m21s  weight 50 %",
		"6m22s  weight 0 %",
		"6m25s  delete checkout-green",
	}, r.world.Timeline()))
	require.Equal(t, workflows.Passed, r.status.Track[0].State)
	require.Equal(t, workflows.Failed, r.status.Track[1].State)
}

func TestAnUndoThatFailsAsksAPersonAndKeepsTheCandidate(t *testing.T) {
	denied := fault.New(fault.Denied, "may not update the route")
	t.Run("while traffic may reach it", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.world.BadFromWeight = 10
		r.world.Fail(world.SetWeight, 2, denied)
		r.run().failed(workflows.NeedsPerson, "step 1 failed at 10 %")
		require.Contains(t, r.status.Outcome, "send all requests to checkout: may not update the route")
		require.Contains(t, r.status.Outcome, "retire checkout-green: not tried, because traffic may still reach the candidate")
		s := r.world.State()
		require.Equal(t, 10, s.Weight)
		require.Equal(t, world.Track{Image: world.NewImage, Size: world.Replicas}, s.Tracks[world.Candidate])
	})
	t.Run("while the router does not confirm", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.world.BadFromWeight = 10
		r.world.SettleRefused = []int{0}
		r.run().failed(workflows.NeedsPerson, "the router did not take up 0 %")
		require.Contains(t, r.world.State().Tracks, world.Candidate)
	})
	t.Run("while callers inside the cluster reach it", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.world.BadFromWeight = 100
		r.world.Fail(world.Switch, 2, denied)
		r.run().failed(workflows.NeedsPerson, "point Service checkout back at checkout: may not update")
		s := r.world.State()
		require.Equal(t, 0, s.Weight, "what could be undone was undone")
		require.Contains(t, s.Tracks, world.Candidate)
	})
	t.Run("when only the candidate cannot be removed, traffic is safe", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.world.BadFromWeight = 50
		r.world.Fail(world.Retire, 0, denied)
		r.run().failed(workflows.NeedsPerson, "retire checkout-green: may not update")
		require.Equal(t, 0, r.world.State().Weight)
	})
	t.Run("when the old track cannot be retired, the new one goes on serving", func(t *testing.T) {
		r := prepare(t, twoSteps())
		r.world.Fail(world.Retire, 0, denied)
		r.run().failed(workflows.NeedsPerson, "scale checkout to zero: may not update")
		require.Equal(t, world.Candidate, r.world.State().Serving)
	})
}

func TestAnUndoIsPatient(t *testing.T) {
	r := prepare(t, twoSteps())
	r.world.BadFromWeight = 50
	for n := 3; n < 2+attempts; n++ {
		r.world.Fail(world.SetWeight, n, errors.New("connection refused"))
	}
	r.run().undone("step 2 failed")
}
