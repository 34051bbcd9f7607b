// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestACandidateProvesItselfByCopiesBeforeItsFirstWeight(t *testing.T) {
	r := prepare(t, copied())
	r.watchDetails()
	r.run().promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  copy 100 % of requests",
		"5m21s  copy 0 % of requests",
		"5m22s  weight 10 %",
		"10m23s  weight 50 %",
		"20m24s  weight 100 %",
		"20m25s  point Service checkout at checkout-green",
		"1h20m25s  weight 0 %",
		"1h20m26s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, 1, r.said("copies of 100 % of requests go to checkout-green; nobody gets its answers"), r.story())
	require.Equal(t, 1, r.said("no more copies go to checkout-green"), r.story())
	require.Equal(t, []string{"mirror", "", ""}, []string{r.status.Track[0].Name, r.status.Track[1].Name, r.status.Track[2].Name})
	for _, s := range r.status.Track {
		require.Equal(t, workflows.Passed, s.State)
		require.NotNil(t, s.Verdict)
	}
	require.Equal(t, 3, r.status.Steps)
	require.True(t, slices.ContainsFunc(r.details, func(text string) bool {
		return strings.Contains(text, "**stepping** of `checkout` in production, 0 % on the candidate") &&
			strings.Contains(text, "the mirror is judged by copies of 100 % of requests")
	}), r.details)
}

// withoutTimes are the effects alone.
func withoutTimes(timeline []string) []string {
	var out []string
	for _, line := range timeline {
		_, effect, _ := strings.Cut(line, "  ")
		out = append(out, effect)
	}
	return out
}

func TestACandidateThatFailsCopiesIsTakenBackBeforeAnybodyGotIt(t *testing.T) {
	r := prepare(t, copied())
	r.world.BadCopies = true
	r.run().undone("the mirror failed by copies of 100 % of requests: ")
	require.Zero(t, r.status.MaxWeight)
	require.Equal(t, workflows.Failed, r.status.Track[0].State)
	require.Equal(t, []string{"copy 0 % of requests", "delete checkout-green"}, withoutTimes(r.world.Timeline()[2:]))
}

func TestAnAbortWhileRequestsAreCopiedEndsTheCopiesFirst(t *testing.T) {
	r := prepare(t, copied())
	r.at(3*time.Minute, workflows.Abort, by("bob"))
	r.run().undone("aborted by bob")
	require.Empty(t, cmp.Diff([]string{"3m0s  copy 0 % of requests", "3m3s  delete checkout-green"}, r.world.Timeline()[2:]))
}

func TestAPromotionWhileRequestsAreCopiedEndsTheCopiesFirst(t *testing.T) {
	r := prepare(t, copied())
	r.at(3*time.Minute, workflows.Promote, by("bob"))
	r.run().promoted()
	require.Equal(t, []string{"copy 0 % of requests", "weight 100 %"}, withoutTimes(r.world.Timeline()[2:4]))
	for _, s := range r.status.Track {
		require.Equal(t, workflows.Skipped, s.State)
	}
}

// What copies have shown is no verdict of a step that has the same share.
func TestAStepOfTheShareOfTheCopiesIsWatchedInFull(t *testing.T) {
	p := copied()
	p.Spec.Strategy.Canary.Steps = []plan.Step{{Weight: 50, Hold: minutes(5)}}
	r := prepare(t, p)
	r.world.BadFromWeight = 50
	r.run().undone("step 2 failed at 50 %")
	require.Equal(t, workflows.Passed, r.status.Track[0].State)
}

func TestACandidateIsSizedForTheCopiesThatItGets(t *testing.T) {
	p := copied()
	p.Spec.Strategy.Canary.Sizing = plan.SizingWeight
	r := prepare(t, p).run()
	r.promoted()
	require.Equal(t, "0s  deploy checkout-green: 3 pods of the new version", r.world.Timeline()[0])
	require.Zero(t, r.world.Calls(world.Size), "it is not made smaller afterwards")

	p.Spec.Strategy.Canary.Mirror.Percent = 20
	r = prepare(t, p).run()
	r.promoted()
	require.Equal(t, "0s  deploy checkout-green: 1 pods of the new version", r.world.Timeline()[0])
}

func TestCopiesThatCannotBeMade(t *testing.T) {
	t.Run("are refused at preflight", func(t *testing.T) {
		r := prepare(t, copied())
		r.world.Fail(world.ReadMirror, 0, fault.New(fault.Invalid, "this gateway cannot"))
		r.run().failed(workflows.Refused, "this gateway cannot; nothing was changed")
		require.Empty(t, r.world.Timeline())
	})
	t.Run("undo the release where only the router's answer tells", func(t *testing.T) {
		r := prepare(t, copied())
		r.world.SettleAfter = -1
		r.run().failed(workflows.NeedsPerson, "the router did not copy requests within 10s: gateway: has not looked")
		require.Zero(t, r.status.MaxWeight)
		require.Contains(t, r.status.Outcome, "copy no more requests: the router did not end copying requests within 10s")
		require.Contains(t, r.world.State().Tracks, world.Candidate, "requests may still be copied to it")
	})
	t.Run("keep the candidate while they cannot be ended", func(t *testing.T) {
		r := prepare(t, copied())
		r.world.BadCopies = true
		r.world.Fail(world.Mirror, 2, fault.New(fault.Denied, "may not write"))
		r.run().failed(workflows.NeedsPerson, "copy no more requests: may not write")
		require.Contains(t, r.world.State().Tracks, world.Candidate)
	})
}

func TestCopiesWithoutMetricsWatchThePods(t *testing.T) {
	p := copied()
	p.Spec.Analysis.Source = plan.Source{}
	p.Spec.Traffic = plan.Traffic{Istio: &plan.Istio{VirtualService: "checkout"}}
	r := prepare(t, p)
	r.world.RestartsFrom = time.Minute
	r.run()
	require.Contains(t, r.status.Outcome, "failed by copies of 100 % of requests while people were asked: a container has restarted 3 times")
	require.Zero(t, r.status.MaxWeight)
}
