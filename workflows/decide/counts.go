// SPDX-License-Identifier: Apache-2.0

package decide

import "math"

// Counts is what one track did in some time: requests, failures, and how many took at most as long as
// each latency boundary.
type Counts struct {
	Requests float64 `json:"requests"`
	Errors   float64 `json:"errors"`
	// Timed are the requests that the buckets count; a failed one may have no duration.
	Timed float64 `json:"timed,omitempty"`
	// Buckets are cumulative, in rising order of UpTo, all finite: requests slower than the last one are
	// in Timed alone.
	Buckets []Bucket `json:"buckets,omitempty"`
}

// Bucket counts the requests that took at most UpTo seconds.
type Bucket struct {
	UpTo  float64 `json:"upTo"`
	Count float64 `json:"count"`
}

// Add sums two counts. Of the buckets those remain whose boundary both know, since a sum over one side alone
// would be a wrong one; a side without any requests of its own knows all.
func (c Counts) Add(o Counts) Counts {
	sum := Counts{Requests: c.Requests + o.Requests, Errors: c.Errors + o.Errors, Timed: c.Timed + o.Timed}
	switch {
	case c.Timed == 0 && len(c.Buckets) == 0:
		sum.Buckets = o.Buckets
		return sum
	case o.Timed == 0 && len(o.Buckets) == 0:
		sum.Buckets = c.Buckets
		return sum
	}
	for i, j := 0, 0; i < len(c.Buckets) && j < len(o.Buckets); {
		switch a, b := c.Buckets[i], o.Buckets[j]; {
		case a.UpTo < b.UpTo:
			i++
		case b.UpTo < a.UpTo:
			j++
		default:
			sum.Buckets = append(sum.Buckets, Bucket{UpTo: a.UpTo, Count: a.Count + b.Count})
			i, j = i+1, j+1
		}
	}
	return sum
}

// ErrorRate is the share of failed requests, 0 to 1; NaN without requests.
func (c Counts) ErrorRate() float64 { return c.Errors / c.Requests }

// Slower is how many requests took longer than a boundary, in seconds; false where there is no such boundary.
func (c Counts) Slower(boundary float64) (float64, bool) {
	for i := range c.Buckets {
		if c.Buckets[i].UpTo == boundary {
			return math.Max(0, c.Timed-c.Buckets[i].Count), true
		}
	}
	return 0, false
}
