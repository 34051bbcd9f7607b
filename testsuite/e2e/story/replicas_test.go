// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// openPods opens a shop whose pods carry the label that both tracks need.
func openPods(t *testing.T, namespace string, pods int32) *stage.Shop {
	t.Helper()
	return openShop(t, stage.ShopOptions{Namespace: namespace, Replicas: pods, Labels: map[string]string{cluster.LabelService: namespace}})
}

// share is the part of requests, in percent, that a version answered in a span.
func share(shop *stage.Shop, version string, from time.Time, span time.Duration) float64 {
	all, own := 0, 0
	for _, r := range shop.Results() {
		if r.At.Before(from) || r.At.After(from.Add(span)) {
			continue
		}
		all++
		if r.Version == version {
			own++
		}
	}
	return 100 * float64(own) / float64(max(all, 1))
}

func TestACanaryByTheNumberOfPodsReachesEverybodyWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	shop := openPods(t, "pods", 3)
	v2 := image(t, "v2")
	callers, err := shop.Callers(t.Context(), 50)
	require.NoError(t, err)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("4s", 25, 50), Replicas: true}, v2)
	for i, weight := range []int{25, 50} {
		r.until("the step is judged", func() bool {
			return detailsContain(t, shop, fmt.Sprintf("step %d is judged at %d %%", i+1, weight))
		})
		began, span := time.Now(), 2*time.Second
		r.until("it has been watched for a while", func() bool { return time.Since(began) > span+500*time.Millisecond })
		require.InDelta(t, weight, share(shop, "v2", began, span), 6)
	}
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	inside := callers.Stop()
	require.Zero(t, inside.Failed, inside.Errors)
	require.Positive(t, inside.ByVersion["v1"])
	require.Positive(t, inside.ByVersion["v2"])
	require.Empty(t, r.shares(), "the route was not touched")
	atRest(t, shop, v2)

	// The roles have swapped: the next one goes the other way, and a person takes it back.
	before := snapshot(t, shop)
	r = begin(t, shop, stage.Quick{Steps: stage.Holding("30s", 50), Replicas: true}, image(t, "v3"))
	r.until("the step is judged", func() bool { return detailsContain(t, shop, "step 1 is judged at 50 %") })
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, seen = r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestACanaryByTheNumberOfPodsWhosePodsCrashIsTakenBack(t *testing.T) {
	t.Parallel()
	shop := openPods(t, "crashing", 3)
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("8s", 25, 50), Replicas: true}, image(t, "v2", "CRASH_AFTER", "4s"))
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "step 1 ")
	require.Contains(t, said.Out, "container")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	after := load.Summarize(shop.Cut())
	require.Zero(t, after.ByVersion["v2"])
}

func TestWhatACanaryByTheNumberOfPodsCannotDoIsRefused(t *testing.T) {
	t.Parallel()
	unlabeled := openShop(t, stage.ShopOptions{Namespace: "unlabeled"})
	before := snapshot(t, unlabeled)
	said, _ := begin(t, unlabeled, stage.Quick{Steps: stage.Holding("2s", 50), Replicas: true}, image(t, "v2")).end()
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Out, "add slipway.dev/service: <name of the Deployment>")
	require.Contains(t, said.Out, "nothing was changed")
	require.Empty(t, cmp.Diff(before, snapshot(t, unlabeled)))

	two := openPods(t, "two", 2)
	before = snapshot(t, two)
	said, _ = begin(t, two, stage.Quick{Steps: stage.Holding("2s", 5, 50), Replicas: true}, image(t, "v2")).end()
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Out, "step 1 asks for 5 %, which is less than one pod beside 2; 2 pods of stable make the weights 33 %, 50 %")
	require.Empty(t, cmp.Diff(before, snapshot(t, two)))
}
