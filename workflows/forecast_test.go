// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestAForecastHoldsForARelease(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		f, err := forecast.Of(p, world.Replicas)
		require.NoError(t, err)
		r := prepare(t, p).run()
		r.promoted()
		took := r.status.Ended.Sub(r.status.Started)
		require.GreaterOrEqual(t, took, f.Takes.D(), r.story())
		require.LessOrEqual(t, took, f.AtMost.D(), r.story())
		// Beyond what is known before, there is the wait for pods, at most one after the other, and a second of the router for each write.
		require.Less(t, took, f.Takes.D()+world.Replicas*r.world.ReadyAfter+10*r.world.SettleAfter+30*time.Second, r.story())
		require.Equal(t, world.Replicas, r.status.Pods)
	})
}

func TestAForecastHoldsForAnUndo(t *testing.T) {
	everyStrategy(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		f, err := forecast.Of(p, world.Replicas)
		require.NoError(t, err)
		require.Zero(t, f.Steps[f.NoReturn-1].UndoWithin)
		r := prepare(t, p)
		late := f.Takes.D() - 5*time.Minute
		r.at(late, workflows.Abort, by("bob"))
		r.run().undone("aborted by bob")
		took := r.status.Ended.Sub(r.status.Started) - late
		require.LessOrEqual(t, took, f.UndoWithin.D(), r.story())
		if p.Spec.Strategy.Rolling == nil {
			require.GreaterOrEqual(t, took, 2*time.Second, r.story())
		}
	})
}

func TestAStatusSaysWhyAStrategyWasChosen(t *testing.T) {
	p := twoSteps()
	p.Spec.Strategy.Chosen = &plan.Choice{Strategy: "canary", Reasons: []string{"confidence is medium"}}
	r := prepare(t, p).run()
	r.promoted()
	require.Equal(t, []string{"confidence is medium"}, r.status.Chosen)
}
