// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// windows are how many the history is cut into: six hours are twelve of half an hour.
const windows = 12

// pastQuery is one question about the past, and what its answer is.
type pastQuery struct {
	expr string
	take func(*decide.Counts, model.Metric, float64)
}

// history looks at what stable did in windows of the past. increase() may be off by a scrape at the edges of a
// window, which does not matter over a whole one.
func (s *Source) history(ctx context.Context, a plan.Analysis, p preset, route activities.Route) (judge.History, error) {
	long := (a.History.D() / windows).Truncate(time.Second)
	h := past{at: map[int64]judge.Window{}, source: p.source(), unit: p.unit}
	now, by := s.now(), "sum by ("+string(p.source())
	grown := func(selector string) string { return "(increase(" + query.Over(selector, long.Milliseconds()) + "))" }
	side := stableOf(route)
	asked := []pastQuery{
		{by + ") " + grown(p.all(route, side)), func(c *decide.Counts, _ model.Metric, n float64) { c.Requests = n }},
		{by + ") " + grown(p.failed(route, side)), func(c *decide.Counts, _ model.Metric, n float64) { c.Errors = n }},
	}
	if timed := p.timed(route, side); timed != "" {
		name := query.Name(timed)
		asked = append(asked, pastQuery{by + ", le) " + grown(name+"_bucket"+strings.TrimPrefix(timed, name)), h.bucket}, pastQuery{by + ") " + grown(timed), nil})
	}
	for _, q := range asked {
		matrix, err := s.past(ctx, q.expr, v1.Range{Start: now.Add(-a.History.D() + long), End: now, Step: long})
		if err != nil {
			return judge.History{}, err
		}
		h.take(matrix, q.take)
	}
	p99 := 0.
	if a.Latency != nil && a.Latency.SLO != nil {
		p99 = a.Latency.SLO.P99.D().Seconds()
	}
	return h.survey(p.pod != "", p99), nil
}

// past evaluates a query at the steps of a range.
func (s *Source) past(ctx context.Context, q string, at v1.Range) (model.Matrix, error) {
	value, _, _, err := s.api.QueryRange(ctx, q, at, v1.WithTimeout(timeout))
	if err != nil {
		return nil, fmt.Errorf("query Prometheus at %s: %w", s.url, err)
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fault.New(fault.Invalid, "query Prometheus at %s: answer is a %s, not a matrix", s.url, value.Type())
	}
	return matrix, nil
}

// past are the windows by the moment of their end.
type past struct {
	at     map[int64]judge.Window
	source model.LabelName
	unit   float64
}

func (h *past) take(all model.Matrix, add func(*decide.Counts, model.Metric, float64)) {
	for _, series := range all {
		pod := string(series.Metric[h.source])
		for _, v := range series.Values {
			if value := float64(v.Value); add != nil && value >= 0 && !math.IsInf(value, 0) {
				h.change(int64(v.Timestamp), pod, func(c *decide.Counts) { add(c, series.Metric, value) })
			}
		}
		for _, v := range series.Histograms {
			h.change(int64(v.Timestamp), pod, func(c *decide.Counts) {
				if c.Timed > 0 {
					return // its classic form, which was asked for before, has told it
				}
				c.Timed = float64(v.Histogram.Count)
				for _, b := range v.Histogram.Buckets {
					c.Buckets = addBucket(c.Buckets, float64(b.Upper)*h.unit, below(v.Histogram, float64(b.Upper)))
				}
			})
		}
	}
}

func (h *past) change(at int64, pod string, change func(*decide.Counts)) {
	if h.at[at] == nil {
		h.at[at] = judge.Window{}
	}
	c := h.at[at][pod]
	change(&c)
	h.at[at][pod] = c
}

func (h *past) bucket(c *decide.Counts, m model.Metric, n float64) {
	switch upTo, err := strconv.ParseFloat(string(m[model.BucketLabel]), 64); {
	case err != nil:
	case math.IsInf(upTo, 1):
		c.Timed = n
	default:
		c.Buckets = addBucket(c.Buckets, upTo*h.unit, n)
	}
}

// survey leaves the pods out where what is told apart are gateways.
func (h *past) survey(byPod bool, p99 float64) judge.History {
	var all []judge.Window
	var total decide.Counts
	for _, w := range sorted(h.at) {
		for _, pod := range sorted(w) {
			total = total.Add(pod)
		}
		if byPod {
			all = append(all, w)
		}
	}
	return judge.Survey(all, total, p99)
}

// sorted are the values of a map in the order of its keys: sums of the same numbers are the same to the last bit.
func sorted[K cmp.Ordered, V any](m map[K]V) []V {
	out := make([]V, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, m[k])
	}
	return out
}
