// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"fmt"
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
func (s *Source) Check(ctx context.Context, _ plan.Analysis, route activities.Route) error {
	stable := traefikSelector(route, route.Stable)
	// One scrape that was missed does not make a service unknown.
	found, err := s.query(ctx, fmt.Sprintf("last_over_time(%s%s[5m])", traefikRequests, stable))
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return fault.New(fault.Invalid, "Prometheus at %s knows no request to Service %s/%s (looked for %s%s): is the gateway scraped, and does the service get requests?",
			s.url, route.Namespace, route.Stable, traefikRequests, stable)
	}
	return nil
}

// Read returns the growth of both backends' counters since position.
func (s *Source) Read(ctx context.Context, _ plan.Analysis, route activities.Route, position activities.Position) (activities.Sample, activities.Position, error) {
	var sample activities.Sample
	next := activities.Position{}
	for _, side := range []struct {
		service string
		counts  *decide.Counts
	}{{route.Stable, &sample.Stable}, {route.Candidate, &sample.Candidate}} {
		series, err := s.query(ctx, fmt.Sprintf("{__name__=~%q,%s", traefikRequests+"|"+traefikBuckets, traefikSelector(route, side.service)[1:]))
		if err != nil {
			return activities.Sample{}, position, err
		}
		for _, one := range series {
			name, value := one.Metric.String(), float64(one.Value)
			next[name] = value
			if position != nil {
				count(side.counts, one.Metric, growth(position, name, value))
			}
		}
	}
	for name, value := range position {
		if _, ok := next[name]; !ok {
			next[name] = value
		}
	}
	return sample, next, nil
}

// growth of a counter: a smaller value than before means that it began again at zero.
func growth(position activities.Position, name string, value float64) float64 {
	if before := position[name]; value >= before {
		return value - before
	}
	return value
}

// count adds the growth of one series where it belongs.
func count(c *decide.Counts, metric model.Metric, n float64) {
	if metric[model.MetricNameLabel] == traefikRequests {
		c.Requests += n
		if strings.HasPrefix(string(metric["code"]), "5") || metric["code"] == "0" {
			c.Errors += n
		}
		return
	}
	upTo, err := strconv.ParseFloat(string(metric["le"]), 64)
	if err != nil || math.IsInf(upTo, 1) {
		return
	}
	i, found := slices.BinarySearchFunc(c.Buckets, upTo, func(b decide.Bucket, v float64) int {
		switch {
		case b.UpTo < v:
			return -1
		case b.UpTo > v:
			return 1
		}
		return 0
	})
	if !found {
		c.Buckets = slices.Insert(c.Buckets, i, decide.Bucket{UpTo: upTo})
	}
	c.Buckets[i].Count += n
}

func (s *Source) query(ctx context.Context, q string) (model.Vector, error) {
	value, _, _, err := s.api.Query(ctx, q, s.now(), v1.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("query Prometheus at %s: %w", s.url, err)
	}
	vector, ok := value.(model.Vector)
	if !ok {
		return nil, fault.New(fault.Invalid, "query Prometheus at %s: answer is a %s, not a vector", s.url, value.Type())
	}
	return vector, nil
}
