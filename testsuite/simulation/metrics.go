// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"math"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// metrics is Prometheus at a site.
type metrics struct{ *site }

// Check implements activities.Source.
func (m metrics) Check(ctx context.Context, a plan.Analysis, route activities.Route) (judge.History, error) {
	m.needless()
	return through(ctx, m.site, deed{op: world.Check}, func() (judge.History, error) { return world.Metrics{World: m.world}.Check(ctx, a, route) })
}

// Read implements activities.Source.
func (m metrics) Read(ctx context.Context, in activities.ReadIn) (activities.Reading, error) {
	m.needless()
	out, err := through(ctx, m.site, deed{op: world.Measure}, func() (activities.Reading, error) { return world.Metrics{World: m.world}.Read(ctx, in) })
	if err != nil {
		return activities.Reading{}, err
	}
	switch m.air() {
	case Empty, Stale:
		out.Ticks = nil
	case NaN:
		none := decide.Counts{Requests: math.NaN(), Errors: math.NaN()}
		for i := range out.Ticks {
			out.Ticks[i].Stable, out.Ticks[i].Candidate = none, none
		}
	case Gone, Half, Conflicts, Throttled, Heavy:
	}
	return out, nil
}

// needless flags a way back that asks Prometheus.
func (m metrics) needless() {
	if m.oracle.way.undoes {
		m.oracle.violate("I16", "a way back needs metrics")
	}
}

// air is the weather of the numbers.
func (m metrics) air() Weather {
	for _, spell := range m.scenario.Spells {
		if now := m.now().Sub(m.oracle.began); spell.Metrics && now >= spell.From && now < spell.From+spell.For {
			return spell.Weather
		}
	}
	return ""
}
