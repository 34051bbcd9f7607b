// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// levelled are the levels of the ticks that end after 10 and 20 s, where each track has these series.
func levelled(t *testing.T, stableSeries, candidateSeries []any) []judge.Level {
	t.Helper()
	s := serve(t)
	s.has = []series{counter(stable, "200", every(5, -60, 60, 50)), counter(green, "200", every(5, -60, 60, 10))}
	s.past = map[string][]any{`~"checkout-[a-z`: stableSeries, `~"checkout-green-[a-z`: candidateSeries}
	s.now = 25
	a := analysis(plan.PresetTraefik)
	a.Guards = &plan.Guards{Saturation: []plan.Saturation{{Name: "memory", Query: `max(memory{pod=~"{{pods}}"})`, Limit: .9}}}
	got, err := s.source(t).Read(context.Background(), activities.ReadIn{Analysis: a, Route: route(), After: began})
	require.NoError(t, err)
	require.Len(t, got.Ticks, 2)
	for _, tick := range got.Ticks {
		require.Len(t, tick.Levels, 1)
	}
	return []judge.Level{got.Ticks[0].Levels[0], got.Ticks[1].Levels[0]}
}

// measured are values at the ends of ticks.
func measured(values ...string) any {
	var all []any
	for i, v := range values {
		all = append(all, []any{began.Add(time.Duration(i+1) * 10 * time.Second).Unix(), v})
	}
	return map[string]any{"metric": map[string]string{}, "values": all}
}

func TestLevelsAreReadAtTheEndsOfTicks(t *testing.T) {
	got := levelled(t, []any{measured("0.5", "0.6")}, []any{measured("0.7", "0.8")})
	require.Empty(t, cmp.Diff([]judge.Level{{Stable: new(.5), Candidate: new(.7)}, {Stable: new(.6), Candidate: new(.8)}}, got))
}

func TestALevelThatIsNoNumberIsNone(t *testing.T) {
	const why = `max(memory{pod=~"checkout-green-[a-z0-9]{1,10}-[a-z0-9]{5}"})`
	for name, c := range map[string]struct {
		series []any
		want   string
	}{
		"no series":      {nil, why + " gives no number"},
		"not a number":   {[]any{measured("NaN", "NaN")}, why + " gives no number"},
		"infinite":       {[]any{measured("+Inf", "-Inf")}, why + " gives no number"},
		"several series": {[]any{measured("0.7", "0.8"), measured("0.7", "0.8")}, why + " gives 2 series, and must give one number: write max(…) around it"},
	} {
		t.Run(name, func(t *testing.T) {
			for i, l := range levelled(t, []any{measured("0.5", "0.5")}, c.series) {
				require.Nil(t, l.Candidate, fmt.Sprint(i))
				require.InDelta(t, .5, *l.Stable, 0, "what is known of stable stays known")
				require.Equal(t, c.want, l.Why)
			}
		})
	}
}
