// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// native is a native histogram as Prometheus answers it: what is in each bucket, by its upper bound, in rising order.
func native(buckets ...[2]float64) string {
	var all []string
	lower, count := 0., 0.
	for _, b := range buckets {
		all = append(all, fmt.Sprintf(`[0, "%v", "%v", "%v"]`, lower, b[0], b[1]))
		lower, count = b[0], count+b[1]
	}
	return fmt.Sprintf(`{"count": "%v", "sum": "0", "buckets": [%s]}`, count, strings.Join(all, ", "))
}

// times is a native histogram of the gateway.
func times(values map[int]string) series {
	return series{"traefik_service_request_duration_seconds", map[string]string{"service": stable, "instance": "traefik-1"}, values}
}

func TestNativeHistogramsAreCountedAsClassicOnesAre(t *testing.T) {
	steady := map[int]string{}
	for at := -60; at <= 60; at += 5 {
		n := float64(at+60) / 5
		steady[at] = native([2]float64{.1, 40 * n}, [2]float64{1, 8 * n}, [2]float64{4, 2 * n})
	}
	coarser := map[int]string{
		0:  native([2]float64{.05, 30}, [2]float64{.1, 10}, [2]float64{.5, 5}, [2]float64{1, 3}, [2]float64{4, 2}),
		5:  native([2]float64{.1, 80}, [2]float64{1, 16}, [2]float64{4, 4}),
		10: native([2]float64{.1, 120}, [2]float64{1, 24}, [2]float64{4, 6}),
		15: native([2]float64{.1, 160}, [2]float64{1, 32}, [2]float64{4, 8}),
	}
	again := map[int]string{0: steady[0], 5: native([2]float64{.1, 30}, [2]float64{1, 5}), 10: native([2]float64{.1, 80}, [2]float64{1, 16}, [2]float64{4, 4}), 15: native([2]float64{.1, 80}, [2]float64{1, 16}, [2]float64{4, 4})}
	classic := []series{bucket(stable, "0.1", every(5, -60, 60, 40)), bucket(stable, "1.0", every(5, -60, 60, 48)), bucket(stable, "+Inf", every(5, -60, 60, 50))}
	for name, has := range map[string][]series{
		"classic alone":            classic,
		"native alone":             {times(steady)},
		"both forms":               append([]series{times(steady)}, classic...),
		"coarser from a moment on": {times(coarser)},
		"begun again at zero":      {times(again)},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.has = append([]series{counter(stable, "200", every(5, -60, 60, 50))}, has...)
			got := s.read(t, plan.PresetTraefik, 15, 0).Ticks
			require.Len(t, got, 1)
			want := timed(requests(100, 0), 100, 80, 96)
			judged := got[0].Stable
			judged.Buckets = judged.Buckets[:2] // a native one has bounds above those that are judged
			require.Empty(t, cmp.Diff(want, judged))
		})
	}
}

func TestTheHistoryOfAHistogramInBothFormsCountsOnce(t *testing.T) {
	pods := map[string]string{"pod": "checkout-6d4cf56db6-abcde"}
	of := func(le string) map[string]string { return map[string]string{"pod": pods["pod"], "le": le} }
	windows := func(labels map[string]string, form, n string) any {
		var values []any
		for i := range 12 {
			var sample any = n
			if form == "histograms" {
				sample = json.RawMessage(n)
			}
			values = append(values, []any{began.Add(time.Duration(i-11) * 10 * time.Minute).Unix(), sample})
		}
		return map[string]any{"metric": labels, form: values}
	}
	classic := []any{windows(of("0.1"), "values", "950"), windows(of("+Inf"), "values", "1000")}
	whole := []any{windows(pods, "histograms", native([2]float64{.1, 950}, [2]float64{4, 50}))}
	for name, past := range map[string]map[string][]any{
		"classic alone": {"_bucket": classic},
		"native alone":  {"seconds{": whole},
		"both forms":    {"_bucket": classic, "seconds{": whole},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.has = []series{pod(pods["pod"], "200", every(5, -600, 200, 50))}
			past["total{"] = []any{windows(pods, "values", "1000")}
			s.past = past
			got, err := s.source(t).Check(context.Background(), analysis(plan.PresetApp), route())
			require.NoError(t, err)
			require.InDelta(t, 12000, got.Timed, 1e-6)
			require.NotEmpty(t, got.Slow)
			require.InDelta(t, .1, got.Slow[0].UpTo, 1e-9)
			require.InDelta(t, 600, got.Slow[0].Bad, 1e-6)
		})
	}
}
