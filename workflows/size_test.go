// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestACandidateSizedForItsWeightIsReadyBeforeTheWeightComes(t *testing.T) {
	r := prepare(t, sized()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 1 pods of the new version",
		"20s  weight 10 %",
		"5m21s  size checkout-green to 2 pods",
		"5m41s  weight 50 %",
		"15m42s  size checkout-green to 3 pods",
		"16m2s  weight 100 %",
		"16m3s  point Service checkout at checkout-green",
		"1h16m3s  weight 0 %",
		"1h16m4s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
}

func TestWithoutARouterTheWeightIsTheRatioOfPods(t *testing.T) {
	r := prepare(t, byPods()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 1 pods of the new version",
		"20s  point Service checkout at both tracks",
		"5m21s  size checkout-green to 3 pods",
		"15m42s  point Service checkout at checkout-green",
		"1h15m43s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
}

func TestTheStatusShowsTheWeightsThatWholePodsMake(t *testing.T) {
	p := byPods()
	p.Spec.Strategy.Canary.Steps[0].Weight, p.Spec.Strategy.Canary.Steps[1].Weight = 20, 38
	r := prepare(t, p).run()
	r.promoted()
	require.Equal(t, []int{25, 40}, []int{r.status.Track[0].Weight, r.status.Track[1].Weight})
	require.Equal(t, 1, r.said("step 1: 20 % is 1 of 4 pods (25 %)"), r.story())
	require.Equal(t, 1, r.said("shifted 40 % to checkout-green"), r.story())
	require.Equal(t, 15*time.Minute+42*time.Second, r.when("size checkout-green to 3 pods"), "it is full before it takes over")
}

func TestWeightsThatWholePodsCannotMakeAreRefusedBeforeAnythingIsChanged(t *testing.T) {
	for name, tt := range map[string]struct {
		weights [2]int
		why     string
	}{
		"two that are the same": {[2]int{25, 30}, "steps 1 and 2 (25 % and 30 %) are both 1 of 4 pods; 3 pods of stable make the weights 25 %, 40 %, 50 %"},
		"less than a pod":       {[2]int{5, 50}, "step 1 asks for 5 %, which is less than one pod beside 3; 3 pods of stable make the weights 25 %, 40 %, 50 %"},
	} {
		t.Run(name, func(t *testing.T) {
			p := byPods()
			p.Spec.Strategy.Canary.Steps[0].Weight, p.Spec.Strategy.Canary.Steps[1].Weight = tt.weights[0], tt.weights[1]
			r := prepare(t, p).run()
			r.failed(workflows.Refused, tt.why)
			require.Empty(t, r.world.Timeline())
			r.clean()
		})
	}
}

func TestACandidateThatCannotGrowIsTakenBack(t *testing.T) {
	for name, p := range map[string]plan.Plan{"behind a router": sized(), "without a router": byPods()} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, p)
			r.world.StuckFrom = 2
			r.run().undone("checkout-green was not ready with ")
			require.Equal(t, workflows.Failed, r.status.Track[1].State)
			require.Contains(t, r.status.Outcome, "pods within 2m: 1 of ")
		})
	}
}

func TestAPromotionByAPersonFindsACandidateOfFullSize(t *testing.T) {
	for name, p := range map[string]plan.Plan{"behind a router": sized(), "without a router": byPods()} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, p)
			r.at(time.Minute, workflows.Promote, by("alice"))
			r.run().promoted()
			require.Equal(t, time.Minute, r.when("size checkout-green to 3 pods"), r.story())
		})
	}
}

func TestACandidateWhosePodsEndAgainAndAgainIsNoPass(t *testing.T) {
	t.Run("three times is a fail", func(t *testing.T) {
		r := prepare(t, byPods())
		r.world.RestartsFrom = 6 * time.Minute
		r.run().undone("step 2 failed at 50 %: a container has restarted 3 times in this watch")
	})
	t.Run("once asks people", func(t *testing.T) {
		r := prepare(t, byPods())
		r.world.RestartsFrom = 5 * time.Minute
		r.run().undone("failed at 25 % while people were asked: a container has restarted 3 times in this watch")
		require.Equal(t, 1, r.said("asked: step 1 could not be measured (a container has restarted 1 times in this watch)"), r.story())
	})
}

func TestWithoutARouterCallersAreSentBackBeforeThePodsGo(t *testing.T) {
	r := prepare(t, byPods())
	r.world.GoneFrom = 10 * time.Minute
	r.run().undone("step 2 failed at 50 %: for 30s 0 of 3 pods are ready")
	last := r.world.Timeline()
	require.Equal(t, []string{"10m42s  point Service checkout at checkout", "10m45s  delete checkout-green"}, last[len(last)-2:])
	require.Equal(t, world.Stable, r.world.State().Serving)
}
