// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// runs is how often a release is caught.
var runs = flag.Int("runs", 1, "how often the release that fails ten times as many requests is tried")

// byPods is a plan whose numbers are those of the pods themselves.
func byPods(hold string, weights ...int) stage.Quick {
	return stage.Quick{Steps: stage.Holding(hold, weights...), Preset: "app", Errors: "tolerate: 1.25x", Patience: "3m"}
}

func TestTenTimesAsManyFailuresOfAFewAreCaughtAtTheFirstWeight(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "judge", Rate: 200, Replicas: 4, Env: map[string]string{"ERROR_RATE": "0.001"}})
	seeding, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	require.NoError(t, shop.GivePast(seeding, 80))
	before := snapshot(t, shop)
	for n := range *runs {
		r := begin(t, shop, byPods("3m", 10, 50), image(t, fmt.Sprintf("v%d", n+2), "ERROR_RATE", "0.01"))
		said, seen := r.end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "step 1 failed at 10 %: candidate failed")
		require.Contains(t, said.Out, "Evidence ")
		require.NotContains(t, said.Out, "judged by blocks", "pods and history tell the dispersion")
		require.Equal(t, []int{10, 0}, r.shares())
		above := float64(seen.Failed) - 0.001*float64(seen.Requests)
		t.Logf("run %d: %.0f failed requests above the baseline; %s", n+1, above, said.Out)
		require.Less(t, above, 100.)
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	}
}

func TestACandidateThatFailsEverythingIsTakenBackWithoutWaitingForEvidence(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "catastrophe", Rate: 200})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("30s", 20)}, image(t, "v2", "ERROR_RATE", "1"))
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "over the absolute limit of 10.00 %")
	require.Equal(t, []int{20, 0}, r.shares())
	exposed := r.shop.Route.Since(r.began)
	t.Logf("%d failed requests; exposed for %s", seen.Failed, exposed[1].At.Sub(exposed[0].At).Round(time.Millisecond))
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}
