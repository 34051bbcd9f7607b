// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"fmt"
	"math"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// levels adds to ticks what the guards' queries say at their ends, and returns what was asked. A query without an answer
// says why, and spoils nothing else.
func (s *Source) levels(ctx context.Context, in activities.ReadIn, ticks []judge.Tick) []string {
	if in.Analysis.Guards == nil || len(ticks) == 0 {
		return nil
	}
	var asked []string
	for _, g := range in.Analysis.Guards.Saturation {
		for i := range ticks {
			ticks[i].Levels = append(ticks[i].Levels, judge.Level{})
		}
		for _, side := range []side{stableOf(in.Route), candidateOf(in.Route)} {
			if side.service == "" && side.deployment == "" {
				continue
			}
			asked = append(asked, query.Fill(g.Query, track(in.Route, side)))
			values, why := s.level(ctx, asked[len(asked)-1], in, ticks)
			for i := range ticks {
				l := &ticks[i].Levels[len(ticks[i].Levels)-1]
				v, ok := values[ticks[i].End.UnixMilli()]
				switch {
				case !ok && l.Why == "":
					l.Why = why
				case !ok:
				case side.name == stable:
					l.Stable = &v
				default:
					l.Candidate = &v
				}
			}
		}
	}
	return asked
}

// level are the values of one query by the ends of ticks in milliseconds, or why there are none.
func (s *Source) level(ctx context.Context, q string, in activities.ReadIn, ticks []judge.Tick) (map[int64]float64, string) {
	at := v1.Range{Start: ticks[0].End, End: ticks[len(ticks)-1].End, Step: in.Analysis.Interval.D()}
	matrix, err := s.past(ctx, q, at)
	if err != nil {
		return nil, err.Error()
	}
	if len(matrix) > 1 {
		return nil, fmt.Sprintf("%s gives %d series, and must give one number: write max(…) around it", q, len(matrix))
	}
	out := map[int64]float64{}
	for _, series := range matrix {
		for _, v := range series.Values {
			if value := float64(v.Value); !math.IsNaN(value) && !math.IsInf(value, 0) {
				out[int64(v.Timestamp)] = value
			}
		}
	}
	return out, q + " gives no number"
}
