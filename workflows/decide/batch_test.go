// SPDX-License-Identifier: Apache-2.0

package decide_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestBatchesAreCountedInPods(t *testing.T) {
	quarters := []plan.Size{plan.Percent(25), plan.Percent(50), plan.Percent(100)}
	tests := map[string]struct {
		planned []plan.Size
		size    int
		want    []int
	}{
		"a share is rounded up":                  {quarters, 5, []int{2, 3, 5}},
		"one pod is one batch":                   {quarters, 1, []int{1}},
		"batches of the same number are one":     {quarters, 2, []int{1, 2}},
		"numbers stay as they are":               {[]plan.Size{plan.Pods(1), plan.Pods(3)}, 10, []int{1, 3, 10}},
		"numbers beyond the size are the last":   {[]plan.Size{plan.Pods(1), plan.Pods(30)}, 10, []int{1, 10}},
		"a number and a share may stand in line": {[]plan.Size{plan.Pods(1), plan.Percent(50)}, 10, []int{1, 5, 10}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, decide.Batches(tt.planned, tt.size)) })
	}
}

func TestLimitsAreRoundedAsKubernetesDoes(t *testing.T) {
	size := func(s plan.Size) *plan.Size { return &s }
	tests := map[string]struct {
		surge, unavailable *plan.Size
		size               int
		above, missing     int
	}{
		"a surge up, an unavailability down":  {size(plan.Percent(25)), size(plan.Percent(25)), 5, 2, 1},
		"nothing at all lets one pod go":      {nil, size(plan.Percent(10)), 5, 0, 1},
		"one pod above needs no pod missing":  {size(plan.Pods(1)), size(plan.Pods(0)), 5, 1, 0},
		"never more can be missing than are":  {nil, size(plan.Pods(9)), 5, 0, 5},
		"a plan without limits lets one go":   {nil, nil, 5, 0, 1},
		"a surge may be larger than the size": {size(plan.Pods(9)), nil, 5, 9, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			above, missing := decide.Limits(tt.surge, tt.unavailable, tt.size)
			require.Equal(t, []int{tt.above, tt.missing}, []int{above, missing})
		})
	}
}

func TestBatchesAlwaysRiseToTheSize(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		planned := rapid.SliceOf(rapid.Custom(func(t *rapid.T) plan.Size {
			return plan.Size{N: rapid.IntRange(1, 100).Draw(t, "n"), Percent: rapid.Bool().Draw(t, "percent")}
		})).Draw(t, "planned")
		size := rapid.IntRange(1, 200).Draw(t, "size")
		got := decide.Batches(planned, size)
		before := 0
		for _, n := range got {
			require.Greater(t, n, before)
			before = n
		}
		require.Equal(t, size, before)
	})
}

func TestAWaveIsNeverEmptyAndNeverBeyondTheBatchNorTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		above, missing := rapid.IntRange(0, 20).Draw(t, "above"), rapid.IntRange(0, 20).Draw(t, "missing")
		if above+missing == 0 {
			missing = 1
		}
		need := rapid.IntRange(1, 50).Draw(t, "need")
		surge, unavailable := decide.Wave(need, above, missing)
		require.Positive(t, surge+unavailable)
		require.LessOrEqual(t, surge+unavailable, need)
		require.LessOrEqual(t, surge, above)
		require.LessOrEqual(t, unavailable, missing)
	})
}
