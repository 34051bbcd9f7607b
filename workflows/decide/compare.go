// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// minErrors is the least number of failed requests that can fail a candidate: one or two prove nothing.
const minErrors = 3

// chance is how many standard deviations of a binomial the candidate's failures must be above the limit:
// with few requests, a share above it is most often luck.
const chance = 3

// Compare judges the candidate against stable by the plan's limits, which are relative to stable. It
// is a first, simple rule: once both sides have MinRequests, the candidate's failures must not be above
// the limit by more than chance explains. With fewer requests on either side the verdict is unknown. Where there never was a stable to compare with (no
// requests at all: a person promoted before it was measured), only the absolute limits hold: the
// errors' margin and the latency's SLO.
func Compare(a plan.Analysis, stable, candidate Counts) Verdict {
	v := Verdict{Outcome: Pass, Stable: stable, Candidate: candidate}
	if r, ok := enough(a, stable, candidate); !ok {
		v.Outcome, v.Reason = Unknown, r
		return v
	}
	for _, judge := range []string{compareErrors(a.Errors, stable, candidate), compareLatency(a.Latency, stable, candidate)} {
		if judge != "" {
			v.Outcome, v.Reason = Fail, judge
			return v
		}
	}
	v.Reason = fmt.Sprintf("candidate failed %s, stable %s", failed(candidate), failed(stable))
	return v
}

// Share checks that the router really sends the candidate the share of requests it was told to. A
// split that is off by more than six standard deviations of a binomial and two percentage points is
// not the one that was asked for, and a verdict on it would be about something else: unknown.
func Share(weight int, stable, candidate Counts) (Verdict, bool) {
	n := stable.Requests + candidate.Requests
	want := float64(weight) / 100
	off := math.Abs(candidate.Requests/n - want)
	if n == 0 || off <= 6*math.Sqrt(want*(1-want)/n)+0.02 {
		return Verdict{}, true
	}
	v := CannotMeasure(fmt.Sprintf("the router sends %.1f %% of requests to the candidate, not %d %%", 100*candidate.Requests/n, weight))
	v.Stable, v.Candidate = stable, candidate
	return v, false
}

// enough says what is missing when there are too few requests to judge by.
func enough(a plan.Analysis, stable, candidate Counts) (string, bool) {
	least := float64(a.MinRequests)
	if candidate.Requests < least {
		return fmt.Sprintf("candidate answered %.0f of the %.0f requests a verdict needs", candidate.Requests, least), false
	}
	if stable.Requests > 0 && stable.Requests < least {
		return fmt.Sprintf("stable answered %.0f of the %.0f requests a verdict needs", stable.Requests, least), false
	}
	return "", true
}

func compareErrors(e *plan.Errors, stable, candidate Counts) string {
	if e == nil || candidate.Errors < minErrors {
		return ""
	}
	limit := *e.Margin / 100
	if stable.Requests > 0 {
		limit += float64(e.Tolerate) * stable.ErrorRate()
	}
	expected := limit * candidate.Requests
	if candidate.Errors <= expected+chance*math.Sqrt(expected*max(1-limit, 0)) {
		return ""
	}
	return fmt.Sprintf("candidate failed %s, stable %s: over the limit of %.2f %%", failed(candidate), failed(stable), 100*limit)
}

func compareLatency(l *plan.Latency, stable, candidate Counts) string {
	if l == nil {
		return ""
	}
	const q = 0.99
	c, s := candidate.Quantile(q), stable.Quantile(q)
	if l.SLO != nil && c > l.SLO.P99.D().Seconds() && !(s > l.SLO.P99.D().Seconds()) {
		return fmt.Sprintf("candidate's p99 is %s, over the limit of %s", millis(c), l.SLO.P99)
	}
	if math.IsNaN(c) || math.IsNaN(s) || c <= float64(l.Tolerate)*s {
		return ""
	}
	if nextBoundary(stable, float64(l.Tolerate)*s) >= c {
		return ""
	}
	return fmt.Sprintf("candidate's p99 is %s, stable's %s: over %s", millis(c), millis(s), l.Tolerate)
}

// nextBoundary is the bucket boundary at or above v: inside one bucket a histogram cannot tell
// latencies apart, so a candidate is not blamed for differences below that.
func nextBoundary(c Counts, v float64) float64 {
	for _, b := range c.Buckets {
		if b.UpTo >= v {
			return b.UpTo
		}
	}
	return v
}

// Describe says how one track alone did.
func Describe(stable Counts) string { return "stable failed " + failed(stable) }

func failed(c Counts) string {
	if c.Requests == 0 {
		return "of no requests"
	}
	return fmt.Sprintf("%.0f of %.0f requests (%.2f %%)", c.Errors, c.Requests, 100*c.ErrorRate())
}

func millis(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).String()
}
