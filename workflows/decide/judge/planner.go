// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"time"
)

// Limit is how many requests the candidate must get before any rule can tell a rate of p1 from stable's p0, if
// it stops at most 1 % of good releases and does not miss: s ln(100) / information, in the mean. No rule
// whatever needs fewer (Wald 1945; Lorden 1971).
func Limit(s, p0, p1 float64) float64 {
	mean := s*p1 + (1-s)*p0
	information := s*divergence(p1, mean) + (1-s)*divergence(p0, mean)
	return s * math.Log(100) / information
}

// Traffic is what a planner has to go by.
type Traffic struct {
	// Rate of requests per second to both tracks together.
	Rate float64
	// Share of them that goes to the candidate, 0 to 1.
	Share float64
	// Errors is stable's share of failed requests, 0 to 1.
	Errors float64
}

// The quantiles of detection that a planner knows, as standard deviations.
const (
	// Half of such releases are caught by then.
	Half = 0
	// FourFifths are.
	FourFifths = 0.8416
	// NineTenths are.
	NineTenths = 1.2816
)

// longest is what a planner answers for never.
const longest = 365 * 24 * time.Hour

// Detection is how long it takes, after the warm-up, until a candidate that fails p1 of its requests is rolled
// back, in the given quantile of such releases; at most a year, which stands for never. See
// docs/analysis-method.md, the planner.
func (p *Settings) Detection(t Traffic, p1, quantile float64) time.Duration {
	m := &p.Metrics[0]
	theta0, theta := m.tolerated.ratio, p1/t.Errors
	if theta <= theta0 || t.Rate <= 0 || t.Share <= 0 {
		return longest
	}
	q0, q1 := part(t.Share, theta0), part(t.Share, theta)
	mu := divergence(q1, q0)
	log := math.Log(q1 * (1 - q0) / (q0 * (1 - q1)))
	v := q1 * (1 - q1) * log * log
	b := math.Log(p.Alarm) - math.Log(m.Weight) - math.Log(atFirst) + math.Ln2
	failures := math.Pow((quantile*math.Sqrt(v)+math.Sqrt(quantile*quantile*v+4*mu*b))/(2*mu), 2)
	perSecond := t.Rate * (t.Share*p1 + (1-t.Share)*t.Errors) / m.Phi
	seconds := failures/perSecond + 3*p.Interval.Seconds()
	if !p.R { // V waits for its blocks
		seconds += float64(p.Block) * p.Interval.Seconds()
	}
	return time.Duration(math.Min(seconds, longest.Seconds()) * float64(time.Second))
}

// Smallest is the least share of failed requests that is caught in four of five releases within a step that is judged for so
// long; 1 where not even a candidate that fails every request is.
func (p *Settings) Smallest(t Traffic, within time.Duration) float64 {
	lo, hi := t.Errors, 1.
	if p.Detection(t, hi, FourFifths) > within {
		return 1
	}
	for range 60 {
		mid := math.Sqrt(lo * hi)
		if p.Detection(t, mid, FourFifths) > within {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// Proving is how long it takes, after the warm-up, to prove a candidate that is as good as stable acceptable:
// what a step must be judged at least, or longer where Soak says so.
func (p *Settings) Proving(t Traffic) time.Duration {
	m := &p.Metrics[0]
	perSecond := outcome{nc: t.Rate * t.Share, nb: t.Rate * (1 - t.Share)}
	perSecond.x, perSecond.y = perSecond.nc*t.Errors, perSecond.nb*t.Errors
	if !perSecond.both() {
		return longest
	}
	gain := projected(perSecond, m.unacceptable, clip(t.Errors), clip(t.Errors)) / m.Phi
	if gain <= 0 {
		return longest
	}
	seconds := math.Max(math.Log(p.Proof)/gain, p.Requests/math.Min(perSecond.nc, perSecond.nb))
	return max(p.Soak, time.Duration(math.Min(seconds, longest.Seconds())*float64(time.Second)))
}
