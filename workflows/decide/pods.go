// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"strings"
)

// Enough is how many pods a candidate needs for its weight, 1 to 100 percent of what stable's pods serve:
// at least 1, at most as many as stable.
func Enough(weight, stable int) int {
	return min(max((weight*stable+99)/100, 1), stable)
}

// Beside is how many pods a candidate has beside stable's, so that its share of all of them comes nearest
// to a weight, 0 to 50; of two that are equally near it is the lower.
func Beside(weight, stable int) int {
	pods := weight * stable / (100 - weight)
	below, above := distance(weight, pods, stable), distance(weight, pods+1, stable)
	if above < below {
		pods++
	}
	return pods
}

// distance of a candidate's share from a weight, as a share.
func distance(weight, pods, stable int) float64 {
	d := float64(pods)/float64(pods+stable) - float64(weight)/100
	return max(d, -d)
}

// Ratio is the share of the candidate's pods in all, in whole percent.
func Ratio(pods, stable int) int {
	all := pods + stable
	return (100*pods + all/2) / all
}

// Split turns the weights of a plan into numbers of pods beside stable's. It refuses weights that whole
// pods cannot make, and two that would be the same.
func Split(weights []int, stable int) ([]int, error) {
	var out []int
	for i, weight := range weights {
		pods := Beside(weight, stable)
		switch {
		case pods == 0:
			return nil, fmt.Errorf("step %d asks for %d %%, which is less than one pod beside %d; %s", i+1, weight, stable, ratios(stable))
		case pods > stable:
			return nil, fmt.Errorf("step %d asks for %d %%; without a router the candidate gets at most as many pods as stable, 50 %%; %s", i+1, weight, ratios(stable))
		case i > 0 && pods == out[i-1]:
			return nil, fmt.Errorf("steps %d and %d (%d %% and %d %%) are both %d of %d pods; %s", i, i+1, weights[i-1], weight, pods, pods+stable, ratios(stable))
		}
		out = append(out, pods)
	}
	return out, nil
}

// fewest is the number of stable pods up to which all ratios are named.
const fewest = 10

// ratios names what there is to choose from.
func ratios(stable int) string {
	if stable > fewest {
		return fmt.Sprintf("%d pods make the weights %d %%, %d %%, %d %% and so on up to 50 %%", stable, Ratio(1, stable), Ratio(2, stable), Ratio(3, stable))
	}
	var all []string
	for pods := 1; pods <= stable; pods++ {
		all = append(all, fmt.Sprintf("%d %%", Ratio(pods, stable)))
	}
	return fmt.Sprintf("%d pods of stable make the weights %s", stable, strings.Join(all, ", "))
}

// most is the largest number of pods that Resolution looks at: beyond it every two weights differ.
const most = 1000

// Resolution is the least number of stable's pods with which a plan's weights are all different and none
// is less than a pod; 0 where there is none, as for a weight above 50.
func Resolution(weights []int) int {
	for stable := 1; stable <= most; stable++ {
		if _, err := Split(weights, stable); err == nil {
			return stable
		}
	}
	return 0
}
