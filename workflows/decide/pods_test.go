// SPDX-License-Identifier: Apache-2.0

package decide_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
)

func TestACandidateHasEnoughPodsForItsWeight(t *testing.T) {
	for _, tt := range []struct{ weight, stable, want int }{
		{1, 1, 1}, {1, 4, 1}, {25, 4, 1}, {26, 4, 2}, {50, 3, 2}, {99, 3, 3}, {100, 3, 3}, {10, 100, 10},
	} {
		require.Equal(t, tt.want, decide.Enough(tt.weight, tt.stable), "%d %% of %d", tt.weight, tt.stable)
	}
}

func TestTheRatioOfPodsIsTheNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weight, stable := rapid.IntRange(1, 50).Draw(t, "weight"), rapid.IntRange(1, 60).Draw(t, "stable")
		off := func(pods int) float64 {
			return math.Abs(float64(pods)/float64(pods+stable) - float64(weight)/100)
		}
		got := decide.Beside(weight, stable)
		for pods := range stable + 2 {
			if off(pods) < off(got) {
				t.Fatalf("%d pods beside %d are nearer to %d %% than %d", pods, stable, weight, got)
			}
		}
	})
}

func TestTheStepsThatPodsMakeRiseAndNeverExceedStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stable := rapid.IntRange(1, 60).Draw(t, "stable")
		weights := rapid.SliceOfNDistinct(rapid.IntRange(1, 50), 1, 6, rapid.ID).Draw(t, "weights")
		pods, err := decide.Split(weights, stable)
		if err != nil {
			return
		}
		for i, n := range pods {
			if n < 1 || n > stable || i > 0 && n == pods[i-1] {
				t.Fatalf("%v beside %d", pods, stable)
			}
		}
	})
}

func TestStepsThatPodsCannotMakeAreRefusedByName(t *testing.T) {
	for name, tt := range map[string]struct {
		weights []int
		stable  int
		want    string
	}{
		"less than half a pod": {[]int{10, 50}, 4, "step 1 asks for 10 %, which is less than one pod beside 4; 4 pods of stable make the weights 20 %, 33 %, 43 %, 50 %"},
		"the same twice":       {[]int{20, 25}, 4, "steps 1 and 2 (20 % and 25 %) are both 1 of 5 pods"},
		"more than stable":     {[]int{75}, 4, "step 1 asks for 75 %; without a router the candidate gets at most as many pods as stable, 50 %"},
		"many pods":            {[]int{1, 75}, 50, "50 pods make the weights 2 %, 4 %, 6 % and so on up to 50 %"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decide.Split(tt.weights, tt.stable)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestResolutionIsTheLeastNumberOfPodsForASetOfSteps(t *testing.T) {
	require.Equal(t, 1, decide.Resolution([]int{50}))
	require.Equal(t, 2, decide.Resolution([]int{25, 50}))
	require.Equal(t, 0, decide.Resolution([]int{75}))
	for weight := 1; weight < 50; weight++ {
		require.Positive(t, decide.Resolution([]int{weight, weight + 1}), "%d %%", weight)
	}
}
