// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// scrape reads what targets expose, in Prometheus' text format, as a scraper would every five seconds. The values of
// each line change once, between two scrapes. The comment "# label: value" begins another target.
func scrape(t *testing.T, file string) []series {
	t.Helper()
	text, err := os.ReadFile("testdata/" + file + ".txt")
	require.NoError(t, err)
	var all []series
	begins := regexp.MustCompile(`(?m)^# (pod|instance): (.+)$`)
	targets := begins.FindAllStringSubmatchIndex(string(text), -1)
	for i, at := range targets {
		label, value, end := string(text[at[2]:at[3]]), string(text[at[4]:at[5]]), len(text)
		if i+1 < len(targets) {
			end = targets[i+1][0]
		}
		body := string(text[at[1]:end])
		before := expose(t, regexp.MustCompile(` -> .*`).ReplaceAllString(body, ""))
		after := expose(t, regexp.MustCompile(` \S+ -> `).ReplaceAllString(body, " "))
		require.Len(t, after, len(before))
		for name, sample := range before {
			require.Contains(t, after, name)
			all = append(all, change(sample, after[name]).with(label, value))
		}
	}
	return all
}

// expose are the samples of a text that a target exposes, by their series.
func expose(t *testing.T, text string) map[string]*model.Sample {
	t.Helper()
	out := map[string]*model.Sample{}
	d := expfmt.SampleDecoder{Dec: expfmt.NewDecoder(bytes.NewBufferString(text), expfmt.NewFormat(expfmt.TypeTextPlain)), Opts: &expfmt.DecodeOptions{}}
	for {
		var some model.Vector
		if err := d.Decode(&some); err != nil {
			require.ErrorIs(t, err, io.EOF)
			return out
		}
		for _, one := range some {
			out[one.Metric.String()] = one
		}
	}
}

func change(before, after *model.Sample) series {
	s := series{string(before.Metric[model.MetricNameLabel]), map[string]string{}, map[int]string{}}
	for name, value := range before.Metric {
		if name != model.MetricNameLabel && value != "" { // Prometheus drops empty labels
			s.labels[string(name)] = string(value)
		}
	}
	for at := -600; at <= 60; at += 5 {
		s.values[at] = before.Value.String()
		if at > 0 {
			s.values[at] = after.Value.String()
		}
	}
	return s
}

func timed(c decide.Counts, all, fast, slow float64) decide.Counts {
	c.Timed, c.Buckets = all, []decide.Bucket{{UpTo: .1, Count: fast}, {UpTo: 1, Count: slow}}
	return c
}

func TestPresetsCountWhatGatewaysAndMeshesExpose(t *testing.T) {
	front := route()
	front.Traffic = plan.Traffic{Ingress: &plan.Ingress{Name: "front"}}
	for preset, c := range map[string]struct {
		route             activities.Route
		stable, candidate decide.Counts
		pods              int
	}{
		plan.PresetIstio:   {route(), timed(requests(92, 2), 90, 80, 88), requests(10, 1), 1},
		plan.PresetNGINX:   {front, requests(92, 2), timed(requests(10, 1), 9, 7, 8), 0},
		plan.PresetContour: {route(), requests(92, 2), timed(requests(10, 1), 9, 7, 8), 0},
	} {
		t.Run(preset, func(t *testing.T) {
			s := serve(t)
			s.has, s.now = scrape(t, preset), 15
			got, err := s.source(t).Read(context.Background(), activities.ReadIn{
				Analysis: analysis(preset), Route: c.route, After: began, Boundaries: []float64{.1, 1},
			})
			require.NoError(t, err)
			require.Len(t, got.Ticks, 1)
			want := tick(10, c.stable, c.candidate)
			want.StablePods, want.CandidatePods = c.pods, c.pods
			if c.pods > 0 {
				want.Routed = [2]float64{}
			}
			require.Empty(t, cmp.Diff(want, got.Ticks[0]))
		})
	}
}

func owned(pod string) plan.Analysis {
	a := analysis("")
	a.Source.Prometheus = &plan.Prometheus{Queries: &plan.Queries{
		Requests: `rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}`, Failures: `rpcs_total{namespace="{{ namespace }}",pod=~"{{pods}}",result=~"internal|lost"}`,
		Durations: `rpc_ms{namespace="{{namespace}}",pod=~"{{pods}}"}`, Unit: plan.Duration(time.Millisecond), Pod: pod,
	}}
	return a
}

func rpc(pod, result string, values map[int]string) series {
	return series{"rpcs_total", map[string]string{"namespace": "shop", "pod": pod, "result": result, "instance": "of " + pod}, values}
}

func took(pod, le string, values map[int]string) series {
	return series{"rpc_ms_bucket", map[string]string{"namespace": "shop", "pod": pod, "le": le, "instance": "of " + pod}, values}
}

const old, young = "checkout-6d4cf56db6-abcde", "checkout-green-77f7c-klmno"

func (s *server) own(t *testing.T, a plan.Analysis, now, after int) (activities.Reading, error) {
	t.Helper()
	s.now = now
	return s.source(t).Read(context.Background(), activities.ReadIn{
		Analysis: a, Route: route(), After: began.Add(time.Duration(after) * time.Second), Boundaries: []float64{.1, 1},
	})
}

func TestOwnQueriesCountWhatNoPresetKnows(t *testing.T) {
	s := serve(t)
	s.has = []series{
		rpc(old, "ok", every(5, -600, 60, 50)), rpc(old, "denied", every(5, -600, 60, 5)), rpc(old, "internal", every(5, -600, 60, 1)),
		rpc(young, "ok", every(5, -600, 60, 9)), rpc(young, "lost", map[int]string{5: "3", 10: "3", 15: "3"}),
		rpc("checkout-api-6d4cf56db6-abcde", "lost", every(5, -600, 60, 9)),
		took(old, "100", every(5, -600, 60, 40)), took(old, "1000.0", every(5, -600, 60, 55)), took(old, "+Inf", every(5, -600, 60, 56)),
	}
	got, err := s.own(t, owned("pod"), 15, 0)
	require.NoError(t, err)
	require.Len(t, got.Ticks, 1)
	want := tick(10, timed(requests(112, 2), 112, 80, 110), requests(21, 3))
	want.StablePods, want.CandidatePods, want.Routed = 1, 1, [2]float64{}
	require.Empty(t, cmp.Diff(want, got.Ticks[0]))
	require.Contains(t, strings.Join(got.Queries, "\n"), `rpcs_total{namespace="shop",pod=~"checkout-green-[a-z0-9]{1,10}-[a-z0-9]{5}",result=~"internal|lost"}`, "the record has what was asked")
}

func TestOwnQueriesNeedNotTellPodsApart(t *testing.T) {
	s := serve(t)
	a := owned("")
	a.Source.Prometheus.Queries.Requests = `shop:rpcs{track="{{track}}"}`
	a.Source.Prometheus.Queries.Failures = `shop:rpcs_lost{track="{{track}}"}`
	rule := func(name, track string, perStep float64) series {
		return series{name, map[string]string{"track": track}, every(5, -60, 60, perStep)}
	}
	s.has = []series{rule("shop:rpcs", "stable", 50), rule("shop:rpcs", "candidate", 10), rule("shop:rpcs_lost", "candidate", 1)}
	got, err := s.own(t, a, 15, 0)
	require.NoError(t, err)
	require.Len(t, got.Ticks, 1)
	want := tick(10, requests(100, 0), requests(20, 2))
	want.Routed = [2]float64{}
	require.Empty(t, cmp.Diff(want, got.Ticks[0]))
}

func TestFailuresThatAreNoPartOfTheRequestsAreNotBelieved(t *testing.T) {
	s := serve(t)
	a := owned("pod")
	a.Source.Prometheus.Queries.Requests = `rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}",result="internal"}`
	a.Source.Prometheus.Queries.Failures = `rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}`
	s.has = []series{rpc(old, "ok", every(5, -600, 60, 50)), rpc(old, "internal", every(5, -600, 60, 1))}
	got, err := s.own(t, a, 15, 0)
	require.NoError(t, err)
	require.Len(t, got.Ticks, 1)
	require.Contains(t, got.Ticks[0].Gap, "failures counts more than requests")
}

func TestOwnSeriesWithoutTheLabelOfTheirPodAreRefused(t *testing.T) {
	s := serve(t)
	s.has = []series{rpc(old, "ok", every(5, -600, 60, 50))}
	_, err := s.own(t, owned("kubernetes_pod"), 15, 0)
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, "has no label kubernetes_pod, by which its source is told")
}

func TestCheckSaysWhichOwnQueryFoundNothing(t *testing.T) {
	s := serve(t)
	_, err := s.source(t).Check(context.Background(), owned("pod"), route())
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, `knows no request to Deployment shop/checkout (looked for last_over_time(rpcs_total{namespace="shop",pod=~"checkout-[a-z0-9]{1,10}-[a-z0-9]{5}"}[300000ms])`)
}
