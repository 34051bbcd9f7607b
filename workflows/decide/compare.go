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

// Compare judges the candidate against stable by the plan's limits, which are relative to stable. It
// is a first, simple rule: a limit on point estimates once both sides have MinRequests. With fewer
// requests on either side the verdict is unknown.
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
	v.Reason = fmt.Sprintf("candidate failed %s, stable %s", share(candidate), share(stable))
	return v
}

// enough says what is missing when there are too few requests to judge by.
func enough(a plan.Analysis, stable, candidate Counts) (string, bool) {
	least := float64(a.MinRequests)
	if candidate.Requests < least {
		return fmt.Sprintf("candidate answered %.0f of the %.0f requests a verdict needs", candidate.Requests, least), false
	}
	if stable.Requests < least {
		return fmt.Sprintf("stable answered %.0f of the %.0f requests a verdict needs", stable.Requests, least), false
	}
	return "", true
}

func compareErrors(e *plan.Errors, stable, candidate Counts) string {
	if e == nil || candidate.Errors < minErrors {
		return ""
	}
	limit := float64(e.Tolerate)*stable.ErrorRate() + *e.Margin/100
	if candidate.ErrorRate() <= limit {
		return ""
	}
	return fmt.Sprintf("candidate failed %s, stable %s: over the limit of %.2f %%", share(candidate), share(stable), 100*limit)
}

func compareLatency(l *plan.Latency, stable, candidate Counts) string {
	if l == nil {
		return ""
	}
	const q = 0.99
	c, s := candidate.Quantile(q), stable.Quantile(q)
	if l.SLO != nil && c > l.SLO.P99.D().Seconds() && s <= l.SLO.P99.D().Seconds() {
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

func share(c Counts) string {
	return fmt.Sprintf("%.0f of %.0f requests (%.2f %%)", c.Errors, c.Requests, 100*c.ErrorRate())
}

func millis(seconds float64) string {
	return time.Duration(seconds * float64(time.Second)).Round(time.Millisecond).String()
}
