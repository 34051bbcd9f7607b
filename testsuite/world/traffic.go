// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"slices"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// rate is the number of requests per second that callers make.
const rate = 50

// badShare is the share of requests that a bad candidate fails.
const badShare = 0.2

// Metrics is the world as an activities.Source.
type Metrics struct{ *World }

var (
	_ activities.Router = (*World)(nil)
	_ activities.Source = Metrics{}
)

// Read implements activities.Router.
func (w *World) Read(_ context.Context, _ activities.Route) (int, error) {
	if err := w.enter(ReadRoute); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state.Weight, nil
}

// Set implements activities.Router.
func (w *World) Set(_ context.Context, in activities.SetTrafficWeightIn) error {
	if err := w.enter(SetWeight); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp("the route", in.Write); err != nil {
		return err
	}
	switch {
	case in.Weight < 0 || in.Weight > 100:
		w.violate("weight %d", in.Weight)
	case in.Weight > 0 && !w.ready(Candidate):
		w.violate("%d %% of requests sent to %s, which is not ready", in.Weight, Candidate)
	case in.Weight < 100 && !w.ready(w.state.Serving):
		w.violate("%d %% of requests sent to %s, which is not ready", 100-in.Weight, w.state.Serving)
	}
	if in.Weight == w.state.Weight {
		return nil
	}
	w.state.Weight, w.shifted = in.Weight, w.time()
	if in.Weight == 100 {
		w.full = w.shifted
	}
	w.did("weight %d %%", in.Weight)
	return nil
}

// Verify implements activities.Router.
func (w *World) Verify(_ context.Context, _ activities.Route, weight int) (activities.Settled, error) {
	if err := w.enter(Verify); err != nil {
		return activities.Settled{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.SettleAfter < 0 || slices.Contains(w.SettleRefused, weight) || weight != w.state.Weight || w.time().Sub(w.shifted) < w.SettleAfter {
		return activities.Settled{Reason: "gateway: has not looked at the present route yet"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// Check implements activities.Source.
func (m Metrics) Check(context.Context, plan.Analysis, activities.Route) error { return m.enter(Check) }

// at is the one entry of a position: seconds since the beginning.
const at = "at"

// Read implements activities.Source.
func (m Metrics) Read(
	_ context.Context, _ plan.Analysis, _ activities.Route, position activities.Position,
) (activities.Sample, activities.Position, error) {
	w := m.World
	if err := w.enter(Measure); err != nil {
		return activities.Sample{}, position, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.elapsed().Seconds()
	next := activities.Position{at: now}
	if position == nil || w.QuietFrom > 0 && w.elapsed() > w.QuietFrom {
		return activities.Sample{}, next, nil
	}
	all := (now - position[at]) * rate
	share := float64(w.state.Weight) / 100
	return activities.Sample{
		Stable:    requests(all*(1-share), 0),
		Candidate: requests(all*share, w.badness()),
	}, next, nil
}

// badness is the share of requests that the candidate fails now.
func (w *World) badness() float64 {
	if w.BadFromWeight > 0 && w.state.Weight >= w.BadFromWeight || w.BadFrom > 0 && w.elapsed() > w.BadFrom {
		return badShare
	}
	return 0
}

// requests are n that took at most 50 ms, of which a share failed.
func requests(n, bad float64) decide.Counts {
	return decide.Counts{Requests: n, Errors: n * bad, Buckets: []decide.Bucket{{UpTo: .05, Count: n}, {UpTo: .5, Count: n}}}
}
