// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// One shop, which every one of these releases must leave as it was found.
func TestBadInputIsToldClearlyAndLeavesTheClusterAsItWasFound(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "refused"})
	before := snapshot(t, shop)
	steps := stage.Holding("2s", 10)
	unknown := "registry.sandbox/shop@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	tests := map[string]struct {
		plan  stage.Quick
		image string
		code  int
		says  []string
	}{
		"a Deployment that does not exist": {
			stage.Quick{Steps: steps, Deployment: "nowhere"},
			image(t, "v2"), 1,
			[]string{"Deployment refused/nowhere does not exist", "create it, or correct spec.target", "nothing was changed"},
		},
		"a Service that does not exist": {
			stage.Quick{Steps: steps, Service: "nowhere"},
			image(t, "v2"), 1,
			[]string{"Service refused/nowhere does not exist", "correct spec.target.service", "nothing was changed"},
		},
		"an HTTPRoute that does not exist": {
			stage.Quick{Steps: steps, Route: "nowhere"},
			image(t, "v2"), 1,
			[]string{"HTTPRoute refused/nowhere does not exist", "correct spec.traffic.gatewayAPI.route", "nothing was changed"},
		},
		"the image that is running already": {
			stage.Quick{Steps: steps}, shop.Image, 1, []string{"there is nothing to release", "nothing was changed"},
		},
		"an image that nobody has": {
			stage.Quick{Steps: steps, ReadyWithin: "3s"},
			unknown, 2,
			[]string{"refused-green was not ready within 3s", "the sandbox has no such image"},
		},
		"an image that never becomes ready": {
			stage.Quick{Steps: steps, ReadyWithin: "4s"},
			image(t, "v2", "NEVER_READY", "true"), 2,
			[]string{"refused-green was not ready within 4s", "its readiness probe does not pass"},
		},
		"an image that crashes at its start": {
			stage.Quick{Steps: steps, ReadyWithin: "5s"},
			image(t, "v2", "ERROR_RATE", "7"), 2,
			[]string{"refused-green was not ready within 5s"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := begin(t, shop, tt.plan, tt.image)
			said, seen := r.end()
			require.Equal(t, tt.code, said.Code, said.Err+said.Out)
			for _, words := range tt.says {
				require.Contains(t, said.Err+said.Out, words)
			}
			require.Empty(t, r.shares())
			require.Zero(t, seen.Failed, seen.Errors)
			require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		})
	}
}

func TestARouteThatDoesNotNameTheServiceIsRefused(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "routeless"})
	require.NoError(t, shop.CopyService(t.Context(), "second"))
	before := snapshot(t, shop)
	said, _ := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10), Service: "second", AlsoSwitch: "routeless"}, image(t, "v2")).end()
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Out, "HTTPRoute routeless/routeless sends nothing to Service second (it names: routeless)")
	require.Contains(t, said.Out, "nothing was changed")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestAServiceThatWouldMissTheNewVersionIsRefused(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "doubled"})
	require.NoError(t, shop.CopyService(t.Context(), "metrics"))
	before := snapshot(t, shop)
	said, _ := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10)}, image(t, "v2")).end()
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Out, "Service doubled/metrics selects the pods of doubled too")
	require.Contains(t, said.Out, "spec.target.alsoSwitch")
	require.Contains(t, said.Out, "nothing was changed")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestMetricsThatCannotBeHadAreRefusedBeforeAndAskedAboutLater(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "blind"})
	before := snapshot(t, shop)
	v2 := image(t, "v2")
	steps := stage.Holding("2s", 10)

	t.Run("a service that Prometheus has never seen is refused", func(t *testing.T) {
		empty := openShop(t, stage.ShopOptions{Namespace: "unseen", Unmeasured: true})
		untouched := snapshot(t, empty)
		said, _ := begin(t, empty, stage.Quick{Steps: steps}, v2).end()
		require.Equal(t, 1, said.Code)
		require.Contains(t, said.Out, "knows no request to Service unseen/unseen")
		require.Contains(t, said.Out, "is the gateway scraped, and does the service get requests?")
		require.Empty(t, cmp.Diff(untouched, snapshot(t, empty)))
	})

	t.Run("a Prometheus that is gone in the middle holds the weight and asks, and silence undoes", func(t *testing.T) {
		r := begin(t, shop, stage.Quick{Steps: stage.Holding("8s", 10, 50), AskWithin: "3s"}, v2)
		r.untilShare(10)
		require.NoError(t, world.Kill(t.Context(), "prometheus"))
		said, seen := r.end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "nobody answered within 3s: step 1 could not be measured")
		require.Equal(t, []int{10, 0}, r.shares())
		require.Zero(t, seen.Failed, seen.Errors)
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	})

	t.Run("a Prometheus that is gone from the beginning is refused", func(t *testing.T) {
		said, _ := begin(t, shop, stage.Quick{Steps: steps}, image(t, "v3")).end()
		require.Equal(t, 1, said.Code)
		require.Contains(t, said.Out, "query Prometheus at "+world.Prometheus)
		require.Contains(t, said.Out, "nothing was changed")
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		require.NoError(t, world.StartPart(t.Context(), "prometheus"))
	})
}
