// SPDX-License-Identifier: Apache-2.0

package judge

import "math"

// Interval holds the ratio of the candidate's rate to stable's, at every moment of a release at once, with a
// probability of at least 95 %.
type Interval struct {
	// Ratio that the counts suggest; NaN where stable has none. Low and High are within 1/50 to 50.
	Ratio, Low, High float64
}

// points of the ratio, evenly spaced in its logarithm, from 1/widest to widest.
const (
	points = 161
	widest = 50.
	// outside is the probability with which the interval may ever miss the ratio.
	outside = 0.05
)

// interval is the always-valid confidence sequence for the ratio: those points that the prior 1/(1+ln^2) does
// not outweigh 20 : 1. Evidence is divided by the dispersion phi. Counts come as one outcome per stretch in
// which the share was the same. The second value is false while there is nothing to say.
// See docs/analysis-method.md; the prior-posterior-ratio martingale of Waudby-Smith & Ramdas, 2006.04347.
func interval(all []outcome, phi float64) (Interval, bool) {
	var log [points]float64
	var total outcome
	for _, o := range all {
		if !o.both() {
			continue
		}
		total = total.add(o)
		s := o.share()
		for j := range log {
			theta := point(j)
			log[j] += (o.x*math.Log(theta) - (o.x+o.y)*math.Log(1-s+s*theta)) / phi
		}
	}
	if total.x+total.y == 0 {
		return Interval{}, false
	}
	mean, weight := math.Inf(-1), math.Inf(-1)
	for j := range log {
		prior := -math.Log1p(math.Pow(math.Log(point(j)), 2))
		mean, weight = addLogs(mean, log[j]+prior), addLogs(weight, prior)
	}
	least := math.Log(outside) + mean - weight
	out := Interval{Ratio: (total.x / total.nc) / (total.y / total.nb), Low: math.NaN()}
	for j := range log {
		if log[j] < least {
			continue
		}
		if math.IsNaN(out.Low) {
			out.Low = point(j)
		}
		out.High = point(j)
	}
	return out, !math.IsNaN(out.Low)
}

// addLogs is addLog where one may be ln 0.
func addLogs(a, b float64) float64 {
	if math.IsInf(a, -1) {
		return b
	}
	return addLog(a, b)
}

// point j of the ratio, 0 to points-1.
func point(j int) float64 { return math.Pow(widest, 2*float64(j)/(points-1)-1) }
