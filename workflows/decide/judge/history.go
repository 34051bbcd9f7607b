// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/slipwayhq/slipway/workflows/decide"
)

// History is what was known of stable before a release.
type History struct {
	// Pods of stable whose counts were told apart.
	Pods int `json:"pods,omitempty"`
	// Requests of all, and Timed those in its latency histogram.
	Requests float64 `json:"requests,omitempty"`
	Timed    float64 `json:"timed,omitempty"`
	Errors   Spread  `json:"errors,omitzero"`
	// Slow are the boundaries of the latency that are judged, in rising order; at most five.
	Slow []Boundary `json:"slow,omitempty"`
}

// Spread is how bad requests were spread over pods and time.
type Spread struct {
	// Bad requests.
	Bad float64 `json:"bad,omitempty"`
	// Phi is the variance of the counts of pods, in units of what independent failures have, with its safety
	// margin; 0: not known.
	Phi float64 `json:"phi,omitempty"`
	// Tau is by how much pods differ for good: the coefficient of variation of their rates.
	Tau float64 `json:"tau,omitempty"`
}

// Boundary of the histogram, above which a request is slow.
type Boundary struct {
	// UpTo in seconds.
	UpTo float64 `json:"upTo"`
	// Weight among the boundaries; 0: it stands for the plan's absolute limit alone.
	Weight float64 `json:"weight,omitempty"`
	// Limit says that it stands for the absolute limit.
	Limit bool `json:"limit,omitempty"`
	Spread
}

// Supposed is the history of a service whose pods fail a share of their requests, independently of each other: for
// planning.
func Supposed(errors float64) History {
	return History{Pods: leastPods, Requests: memory, Errors: Spread{Bad: math.Max(errors*memory, leastEvents), Phi: 1}}
}

// Window is what each pod of stable did in one stretch of the past; all windows are equally long.
type Window map[string]decide.Counts

// disperses reports whether R may decide, and if not, why.
func (h History) disperses() (bool, string) {
	switch {
	case h.Pods < leastPods:
		return false, fmt.Sprintf("the metrics tell %d pods of stable apart, and the dispersion needs %d", h.Pods, leastPods)
	case h.Errors.Bad < leastEvents:
		return false, fmt.Sprintf("stable's history has %.0f failed requests, and the dispersion needs %d", h.Errors.Bad, leastEvents)
	}
	return true, ""
}

// tail is the index of the boundary that stands for p95 to p99: the one whose share is nearest to 2.2 %; -1
// where there is none.
func (h History) tail() int {
	best, at := math.Inf(1), -1
	for i, b := range h.Slow {
		if off := math.Abs(math.Log(b.share(h.Timed) / math.Sqrt(.05*.01))); b.Weight > 0 && off < best {
			best, at = off, i
		}
	}
	return at
}

// share of requests that are slower, of so many; a half request stands for none.
func (s Spread) share(of float64) float64 { return math.Max(s.Bad, .5) / math.Max(of, 1) }

// Survey sums up the past of stable: its boundaries, and the dispersion of its pods where there are enough.
// total is what all pods did, over a time that may be longer than all windows; p99 is the plan's absolute
// limit in seconds, 0 for none.
func Survey(windows []Window, total decide.Counts, p99 float64) History {
	h := History{Requests: total.Requests, Timed: total.Timed}
	pods := map[string]bool{}
	for _, w := range windows {
		for pod := range w {
			pods[pod] = true
		}
	}
	h.Pods = len(pods)
	names := slices.Sorted(maps.Keys(pods))
	h.Errors = disperse(windows, names, Metric{})
	h.Errors.Bad = total.Errors
	for _, b := range boundaries(total, p99) {
		b.Spread = disperse(windows, names, Metric{UpTo: b.UpTo})
		b.Bad, _ = total.Slower(b.UpTo)
		h.Slow = append(h.Slow, b)
	}
	return h
}

// boundaries picks those of the histogram that are nearest to being exceeded by 25 %, 5 %, 1 % and 0.1 % of
// stable's requests, and the one of the absolute limit. Where all requests are below all boundaries, or in the
// first bucket, the lowest that nobody exceeds stands for all.
func boundaries(total decide.Counts, p99 float64) []Boundary {
	weights, sum := map[float64]float64{}, 0.
	for i, want := range [...]float64{.25, .05, .01, .001} {
		weight, best, at := [...]float64{.3, .3, .3, .1}[i], math.Inf(1), 0.
		for _, b := range total.Buckets {
			share := slower(total, b) / total.Timed
			if off := math.Abs(math.Log(share / want)); share >= .0005 && share <= .5 && off < best {
				best, at = off, b.UpTo
			}
		}
		if at > 0 {
			weights[at] += weight
			sum += weight
		}
	}
	var out []Boundary
	limited := false
	for _, b := range total.Buckets {
		weight, exceeded := weights[b.UpTo], slower(total, b) > 0
		if sum == 0 && !exceeded {
			weight, sum = 1, 1
		}
		limit := p99 > 0 && !limited && b.UpTo >= p99
		limited = limited || limit
		if weight > 0 || limit {
			out = append(out, Boundary{UpTo: b.UpTo, Weight: weight / math.Max(sum, 1e-9), Limit: limit})
		}
	}
	return out
}

func slower(c decide.Counts, b decide.Bucket) float64 { return math.Max(0, c.Timed-b.Count) }

// disperse estimates phi and tau of one metric. In window k, phi_k = sum over pods of (y-mu)^2/mu / (P-1) with
// mu the pod's part of the requests; phi is their mean, weighted by events. Over all windows pods that differ
// for good stand out more than chance in windows explains: that excess is tau^2. See docs/analysis-method.md.
func disperse(windows []Window, pods []string, metric Metric) Spread {
	var weighted, events, mean float64
	total := make(map[string]decide.Counts, len(pods))
	used := 0
	for _, w := range windows {
		phi, bad := dispersion(w, pods, metric)
		if bad > 0 && len(w) > 1 {
			weighted, events, mean = weighted+bad*phi, events+bad, mean+bad/float64(len(w))
			used++
		}
		for _, pod := range pods {
			total[pod] = total[pod].Add(w[pod])
		}
	}
	if events < leastEvents || used < 2 {
		return Spread{}
	}
	within := weighted / events
	overall, _ := dispersion(total, pods, metric)
	perWindow := mean / float64(used)
	tau2 := math.Max(0, (overall-within)/(float64(used-1)*perWindow))
	phi := math.Max(1, within-perWindow*tau2)
	if phi > 1.3 {
		phi *= 1.5 // measured: history shows less than a release will meet
	}
	return Spread{Phi: phi, Tau: math.Sqrt(tau2)}
}

// dispersion of one window and its number of bad requests.
func dispersion(w Window, pods []string, metric Metric) (float64, float64) {
	var bad, of float64
	for _, pod := range pods {
		x, n := metric.at(w, pod)
		bad, of = bad+x, of+n
	}
	sum, served := 0., 0
	for _, pod := range pods {
		x, n := metric.at(w, pod)
		if mu := bad * n / of; mu > 0 {
			sum += (x - mu) * (x - mu) / mu
			served++
		}
	}
	if served < 2 {
		return 1, bad
	}
	return sum / float64(served-1), bad
}

// at is what the metric counts of one pod.
func (m *Metric) at(w Window, pod string) (bad, of float64) {
	c := w[pod]
	return m.count(&c)
}
