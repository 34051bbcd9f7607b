// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
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
	q := fmt.Sprintf("last_over_time(%s%s[5m])", p.requests, p.selector(route, stableOf(route)))
	found, err := s.query(ctx, q)
	if err != nil {
		return judge.History{}, err
	}
	if vector, ok := found.(model.Vector); ok && len(vector) == 0 {
		return judge.History{}, fault.New(fault.Invalid, "Prometheus at %s knows no request to %s (looked for %s): is it scraped, and does the service get requests?",
			s.url, p.what(stableOf(route)), q)
	}
	return s.history(ctx, a, p, p.selector(route, stableOf(route)))
}

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
	c := collection{interval: in.Analysis.Interval.D(), warmUp: warmUp, preset: p, now: now, after: in.After}
	if late := now.Add(-stretch); c.after.Before(late) {
		c.after = late.Truncate(c.interval)
	}
	c.from = c.after.Add(-warmUp - time.Minute - c.interval)
	var queries []string
	for i, side := range []side{stableOf(in.Route), candidateOf(in.Route)} {
		if side.service == "" && side.deployment == "" {
			continue
		}
		selector := p.all(in.Route, side)
		queries = append(queries, selector)
		series, err := s.matrix(ctx, fmt.Sprintf("%s[%dms]", selector, now.Sub(c.from).Milliseconds()))
		if err != nil {
			return activities.Reading{}, err
		}
		if err := c.take(i, series); err != nil {
			return activities.Reading{}, err
		}
	}
	out := c.reading()
	out.Queries = queries
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
	slices.SortFunc(matrix, func(a, b *model.SampleStream) int { return compareMetrics(a.Metric, b.Metric) })
	return matrix, nil
}

func compareMetrics(a, b model.Metric) int {
	switch {
	case a.Before(b):
		return -1
	case b.Before(a):
		return 1
	}
	return 0
}
