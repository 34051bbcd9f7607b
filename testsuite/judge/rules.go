// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"slices"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// minute is what a rule that looks once per minute sees.
type minute struct{ stable, candidate decide.Counts }

// rule is the documented behaviour of another tool: after each minute it may roll back.
type rule interface {
	// look reports whether the release is rolled back.
	look(m minute, n int) bool
}

// flagger, as its documentation configures it: success rate and p99 of the canary against fixed values, once per
// minute; failed checks add up over the whole analysis, and the threshold is tested at the next look.
type flagger struct{ failed, threshold int }

func (f *flagger) look(m minute, _ int) bool {
	if f.failed >= f.threshold {
		return true
	}
	if m.candidate.Requests == 0 || success(m.candidate) < .99 || quantile(m.candidate, .99) > .5 {
		f.failed++
	}
	return false
}

// argo is an AnalysisTemplate of Argo Rollouts: failures add up, and one more than the limit ends the rollout.
type argo struct {
	least  float64
	failed int
}

func (a *argo) look(m minute, _ int) bool {
	if !(success(m.candidate) >= a.least && quantile(m.candidate, .99) <= .5) {
		a.failed++
	}
	return a.failed > 3
}

func success(c decide.Counts) float64 { return 1 - c.Errors/c.Requests }

// quantile is PromQL's histogram_quantile.
func quantile(c decide.Counts, q float64) float64 {
	if c.Timed == 0 {
		return math.NaN()
	}
	rank, lower, below := q*c.Timed, 0., 0.
	for _, b := range c.Buckets {
		if b.Count >= rank && b.Count > below {
			return lower + (b.UpTo-lower)*(rank-below)/(b.Count-below)
		}
		lower, below = b.UpTo, b.Count
	}
	return lower
}

// kayenta is Netflix's judge as Spinnaker ships it: after an hour, one rank-sum test per metric on the points of
// one per minute, against a baseline of the canary's size; tolerance 25 % of the observed shift, confidence 98 %.
type kayenta struct {
	errors, p99 [2][]float64
	// every is how many minutes lie between two looks at the growing window.
	every int
}

func (k *kayenta) look(m minute, n int) bool {
	for i, c := range []decide.Counts{m.stable, m.candidate} {
		if c.Requests > 0 {
			k.errors[i] = append(k.errors[i], c.Errors/c.Requests)
		}
		if q := quantile(c, .99); !math.IsNaN(q) {
			k.p99[i] = append(k.p99[i], q)
		}
	}
	if n%k.every != 0 {
		return false
	}
	return high(k.errors[1], k.errors[0]) || high(k.p99[1], k.p99[0])
}

// high is Kayenta's classification of an experiment against a control.
func high(experiment, control []float64) bool {
	if len(experiment) < 2 || len(control) < 2 || slices.Equal(experiment, control) {
		return false
	}
	low, estimate := shift(experiment, control, z99)
	return low > .25*math.Abs(estimate) && mean(experiment) >= mean(control)
}

func mean(x []float64) float64 {
	sum := 0.
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// z99 is the quantile of the standard normal for a two-sided confidence of 98 %.
const z99 = 2.3263

// shift is the lower end of the interval of the location shift, by the normal approximation that R's wilcox.test has
// with continuity and ties corrected, and its estimate by Hodges and Lehmann.
func shift(x, y []float64, z float64) (low, estimate float64) {
	lo, hi := slices.Min(x)-slices.Max(y), slices.Max(x)-slices.Min(y)
	width := hi - lo
	if standard(x, y, lo) > z {
		for hi-lo > 1e-6*width {
			if mid := (lo + hi) / 2; standard(x, y, mid) > z {
				lo = mid
			} else {
				hi = mid
			}
		}
	}
	all := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			all = append(all, a-b)
		}
	}
	slices.Sort(all)
	return lo, (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

// standard is the standardised rank-sum statistic of x-d against y.
func standard(x, y []float64, d float64) float64 {
	type value struct {
		v float64
		x bool
	}
	all := make([]value, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, value{v - d, true})
	}
	for _, v := range y {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	w, ties := 0., 0.
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		t := float64(j - i)
		ties += t*t*t - t
		for k := i; k < j; k++ {
			if all[k].x {
				w += float64(i+j+1) / 2
			}
		}
		i = j
	}
	nx, ny := float64(len(x)), float64(len(y))
	n := nx + ny
	z := w - nx*(nx+1)/2 - nx*ny/2
	if z != 0 {
		z -= math.Copysign(.5, z)
	}
	sigma := math.Sqrt(nx * ny / 12 * (n + 1 - ties/(n*(n-1))))
	if sigma == 0 {
		return 0
	}
	return z / sigma
}

// names of the rules, in the order of the tables.
func names() []string { return []string{"flagger", "argo 0.95", "argo 0.99", "kayenta"} }

func rulesOf() []rule {
	return []rule{&flagger{threshold: 5}, &argo{least: .95}, &argo{least: .99}, &kayenta{every: 60}}
}

// baseline is a fresh stable of the candidate's size, as Kayenta wants it: the judge never sees it.
func (r *release) baseline(t judge.Tick, weight int) decide.Counts {
	return r.counts(2, r.rate*float64(weight)/100*tickSeconds, r.errors*r.stableFactor*r.fault(r.now-tickSeconds), sameLatency)
}
