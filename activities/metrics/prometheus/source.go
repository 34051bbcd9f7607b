// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// Source reads one Prometheus server.
type Source struct {
	api v1.API
	url string
	now func() time.Time
}

// New reads the server behind api; url is only for messages.
func New(api v1.API, url string, now func() time.Time) *Source {
	return &Source{api: api, url: url, now: now}
}

var _ activities.Source = (*Source)(nil)

// Check refuses a server that does not answer, and one that has never seen a request to stable.
func (s *Source) Check(ctx context.Context, a plan.Analysis, route activities.Route) (judge.History, error) {
	p, err := presetOf(a)
	if err != nil {
		return judge.History{}, err
	}
	// One scrape that was missed does not make a service unknown.
	q := fmt.Sprintf("last_over_time(%s)", query.Over(p.all(route, stableOf(route)), (5*time.Minute).Milliseconds()))
	found, err := s.query(ctx, q)
	if err != nil {
		return judge.History{}, err
	}
	if vector, ok := found.(model.Vector); ok && len(vector) == 0 {
		return judge.History{}, fault.New(fault.Invalid, "Prometheus at %s knows no request to %s (looked for %s): %s scraped, and does the service get requests?",
			s.url, p.what(route), q, p.targets())
	}
	return s.history(ctx, a, p, route)
}

// reach is how many intervals before a tick samples are read, to see what was there before.
const reach = 4

// stretch bounds how far back one look reads: what was before it was watched by nobody.
const stretch = time.Hour

// Read returns the ticks that are complete: for which every pod that lives was scraped after their end.
func (s *Source) Read(ctx context.Context, in activities.ReadIn) (activities.Reading, error) {
	p, err := presetOf(in.Analysis)
	if err != nil {
		return activities.Reading{}, err
	}
	now, warmUp := s.now(), time.Duration(0)
	if p.pod != "" {
		warmUp = in.Analysis.WarmUp.D()
	}
	if now.Before(in.After) { // this clock has jumped back, or another worker's was ahead
		return activities.Reading{Next: now.Add(in.Analysis.Interval.D())}, nil
	}
	c := collection{interval: in.Analysis.Interval.D(), warmUp: warmUp, preset: p, now: now, after: in.After}
	if late := now.Add(-stretch); c.after.Before(late) {
		c.after = late.Truncate(c.interval)
	}
	c.from = c.after.Add(-reach * c.interval)
	var queries []string
	for i, side := range []side{stableOf(in.Route), candidateOf(in.Route)} {
		if side.service == "" && side.deployment == "" {
			continue
		}
		for _, ask := range p.asks(in.Route, side, in.Boundaries) {
			queries = append(queries, ask.selector)
			series, err := s.matrix(ctx, query.Over(ask.selector, now.Sub(c.from).Milliseconds()))
			if err != nil {
				return activities.Reading{}, err
			}
			if err := c.take(i, ask.role, series); err != nil {
				return activities.Reading{}, err
			}
		}
	}
	if c.warmUp > 0 {
		if c.born, err = s.births(ctx, &c, p, in.Route); err != nil {
			return activities.Reading{}, err
		}
	}
	out := c.reading()
	out.Queries = slices.Concat(queries, s.levels(ctx, in, out.Ticks))
	return out, nil
}

// births are the moments at which pods were first seen, of those that were not there a warm-up before the first
// tick; for the others it is the zero time.
func (s *Source) births(ctx context.Context, c *collection, p preset, route activities.Route) (map[string]time.Time, error) {
	by := fmt.Sprintf("group by (%s) (", p.pod)
	q := by + p.all(route, stableOf(route)) + ") or " + by + p.all(route, candidateOf(route)) + ")"
	from := c.after.Add(-c.warmUp)
	matrix, err := s.past(ctx, q, v1.Range{Start: from, End: c.now, Step: c.interval})
	if err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, series := range matrix {
		if len(series.Values) == 0 {
			continue
		}
		first := series.Values[0].Timestamp.Time()
		if !first.After(from) {
			first = time.Time{}
		}
		out[string(series.Metric[model.LabelName(p.pod)])] = first
	}
	return out, nil
}

// timeout of one query.
const timeout = 5 * time.Second

func (s *Source) query(ctx context.Context, q string) (model.Value, error) {
	value, _, _, err := s.api.Query(ctx, q, s.now(), v1.WithTimeout(timeout))
	if err != nil {
		return nil, fmt.Errorf("query Prometheus at %s: %w", s.url, err)
	}
	return value, nil
}

// matrix asks for the stored samples themselves.
func (s *Source) matrix(ctx context.Context, q string) (model.Matrix, error) {
	value, err := s.query(ctx, q)
	if err != nil {
		return nil, err
	}
	matrix, ok := value.(model.Matrix)
	if !ok {
		return nil, fault.New(fault.Invalid, "query Prometheus at %s: answer is a %s, not a matrix", s.url, value.Type())
	}
	return ordered(matrix), nil
}

// ordered puts series into an order that depends on their labels alone: sums of the same numbers are then the same
// to the last bit.
func ordered(matrix model.Matrix) model.Matrix {
	type entry struct {
		print  model.Fingerprint
		series *model.SampleStream
	}
	all := make([]entry, len(matrix))
	for i, series := range matrix {
		all[i] = entry{series.Metric.FastFingerprint(), series}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.print, b.print) })
	for i := range all {
		matrix[i] = all[i].series
	}
	return matrix
}
