// SPDX-License-Identifier: Apache-2.0

package decide

import "math"

// Counts is what one track did in some time: requests, failures, and how many took at most as long as
// each latency boundary.
type Counts struct {
	Requests float64 `json:"requests"`
	Errors   float64 `json:"errors"`
	// Buckets are cumulative, in rising order of UpTo, all finite: requests slower than the last one are
	// in Requests alone.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket counts the requests that took at most UpTo seconds.
type Bucket struct {
	UpTo  float64 `json:"upTo"`
	Count float64 `json:"count"`
}

// Add sums two counts. Buckets are matched by boundary; one that only one side knows is kept.
func (c Counts) Add(o Counts) Counts {
	sum := Counts{Requests: c.Requests + o.Requests, Errors: c.Errors + o.Errors}
	i, j := 0, 0
	for i < len(c.Buckets) || j < len(o.Buckets) {
		switch {
		case j == len(o.Buckets) || i < len(c.Buckets) && c.Buckets[i].UpTo < o.Buckets[j].UpTo:
			sum.Buckets = append(sum.Buckets, c.Buckets[i])
			i++
		case i == len(c.Buckets) || o.Buckets[j].UpTo < c.Buckets[i].UpTo:
			sum.Buckets = append(sum.Buckets, o.Buckets[j])
			j++
		default:
			sum.Buckets = append(sum.Buckets, Bucket{UpTo: c.Buckets[i].UpTo, Count: c.Buckets[i].Count + o.Buckets[j].Count})
			i, j = i+1, j+1
		}
	}
	return sum
}

// ErrorRate is the share of failed requests, 0 to 1; NaN without requests.
func (c Counts) ErrorRate() float64 { return c.Errors / c.Requests }

// Quantile estimates the q-quantile of the latency in seconds by linear interpolation inside its
// bucket, as PromQL's histogram_quantile does: a rank above the last boundary is that boundary. NaN
// when there are no buckets or no requests.
func (c Counts) Quantile(q float64) float64 {
	if len(c.Buckets) == 0 || c.Requests == 0 {
		return math.NaN()
	}
	rank := q * c.Requests
	lower, below := 0.0, 0.0
	for _, b := range c.Buckets {
		if b.Count >= rank && b.Count > below {
			return lower + (b.UpTo-lower)*(rank-below)/(b.Count-below)
		}
		lower, below = b.UpTo, b.Count
	}
	return lower
}
