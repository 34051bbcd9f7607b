// SPDX-License-Identifier: Apache-2.0

package decide_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func limits() plan.Analysis {
	margin := 0.5
	return plan.Analysis{
		MinRequests: 100,
		Errors:      &plan.Errors{Tolerate: 1.25, Margin: &margin},
		Latency:     &plan.Latency{Tolerate: 1.25, SLO: &plan.SLO{P99: plan.Duration(500 * time.Millisecond)}},
	}
}

// served are n requests of which errs failed and all took at most the given seconds.
func served(n, errs, seconds float64) decide.Counts {
	c := decide.Counts{Requests: n, Errors: errs}
	for _, b := range []float64{.01, .05, .1, .3, 1, 2} {
		bucket := decide.Bucket{UpTo: b}
		if b >= seconds {
			bucket.Count = n
		}
		c.Buckets = append(c.Buckets, bucket)
	}
	return c
}

func TestCompare(t *testing.T) {
	tests := map[string]struct {
		stable, candidate decide.Counts
		want              decide.Outcome
		reason            string
	}{
		"both without failures passes":               {served(1000, 0, .05), served(100, 0, .05), decide.Pass, "candidate failed 0 of 100"},
		"too few requests on the candidate":          {served(1000, 0, .05), served(99, 50, .05), decide.Unknown, "candidate answered 99 of the 100"},
		"too few requests on stable":                 {served(99, 0, .05), served(1000, 500, .05), decide.Unknown, "stable answered 99 of the 100"},
		"two failures prove nothing":                 {served(1000, 0, .05), served(100, 2, .05), decide.Pass, ""},
		"five in a hundred against none fails":       {served(1000, 0, .05), served(100, 5, .05), decide.Fail, "over the limit of 0.50 %"},
		"five in a hundred on both passes":           {served(1000, 50, .05), served(100, 5, .05), decide.Pass, ""},
		"a global incident does not blame candidate": {served(1000, 500, .05), served(100, 52, .05), decide.Pass, ""},
		"an incident on few requests is luck":        {served(1000, 120, .05), served(100, 20, .05), decide.Pass, ""},
		"worse than an incident still fails":         {served(1000, 200, .05), served(100, 90, .05), decide.Fail, "over the limit"},
		"slower than stable fails":                   {served(1000, 0, .05), served(100, 0, .3), decide.Fail, "candidate's p99"},
		"slower within the same bucket passes":       {served(1000, 0, .06), served(100, 0, .09), decide.Pass, ""},
		"over the absolute limit fails":              {served(1000, 0, .3), served(100, 0, 2), decide.Fail, "over the limit of 500ms"},
		"over the limit like stable passes":          {served(1000, 0, 2), served(100, 0, 2), decide.Pass, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := decide.Compare(limits(), tt.stable, tt.candidate)
			require.Equal(t, tt.want, v.Outcome, v.Reason)
			require.Contains(t, v.Reason, tt.reason)
		})
	}
}

func TestMoreFailuresNeverTurnAFailIntoAPass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stable := served(1000, float64(rapid.IntRange(0, 1000).Draw(t, "stable errors")), .05)
		n := rapid.IntRange(100, 1000).Draw(t, "requests")
		fewer := rapid.IntRange(0, n).Draw(t, "errors")
		more := rapid.IntRange(fewer, n).Draw(t, "more errors")
		if decide.Compare(limits(), stable, served(float64(n), float64(fewer), .05)).Outcome == decide.Fail {
			if got := decide.Compare(limits(), stable, served(float64(n), float64(more), .05)).Outcome; got != decide.Fail {
				t.Fatalf("%d failures fail, %d are %s", fewer, more, got)
			}
		}
	})
}

func TestAddMatchesBucketsByBoundary(t *testing.T) {
	a := decide.Counts{Requests: 3, Errors: 1, Buckets: []decide.Bucket{{UpTo: .1, Count: 1}, {UpTo: 1, Count: 3}}}
	b := decide.Counts{Requests: 2, Buckets: []decide.Bucket{{UpTo: .1, Count: 2}, {UpTo: .5, Count: 2}}}
	want := decide.Counts{Requests: 5, Errors: 1, Buckets: []decide.Bucket{{UpTo: .1, Count: 3}, {UpTo: .5, Count: 2}, {UpTo: 1, Count: 3}}}
	require.Empty(t, cmp.Diff(want, a.Add(b)))
	require.Empty(t, cmp.Diff(want, b.Add(a)))
}

func TestQuantile(t *testing.T) {
	c := decide.Counts{Requests: 100, Buckets: []decide.Bucket{{UpTo: .1, Count: 50}, {UpTo: .2, Count: 90}}}
	require.InDelta(t, .1, c.Quantile(.5), 1e-9)
	require.InDelta(t, .15, c.Quantile(.7), 1e-9)
	require.InDelta(t, .2, c.Quantile(.99), 1e-9, "above the last boundary")
	require.True(t, math.IsNaN(decide.Counts{}.Quantile(.5)))
}
