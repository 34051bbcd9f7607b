// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/metrics/prometheus"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	stable = "httproute-shop-checkout-gw-traefik-gateway-ep-web-0-abc-svc-shop-checkout-80@kubernetesgateway"
	green  = "httproute-shop-checkout-gw-traefik-gateway-ep-web-0-abc-svc-shop-checkout-green-80@kubernetesgateway"
)

// began is a boundary of every tick; tests think in seconds since then.
var began = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

func route() activities.Route {
	return activities.Route{
		Namespace: "shop", Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
		Stable: "checkout", Candidate: "checkout-green", StableDeployment: "checkout", CandidateDeployment: "checkout-green", Port: 80,
	}
}

func analysis(preset string) plan.Analysis {
	return plan.Analysis{
		Source:   plan.Source{Prometheus: &plan.Prometheus{Preset: preset}},
		Interval: plan.Duration(10 * time.Second), WarmUp: plan.Duration(time.Minute), History: plan.Duration(2 * time.Hour),
	}
}

// series is one counter: its labels beside the name and its values by seconds.
type series struct {
	name   string
	labels map[string]string
	values map[int]string
}

func counter(service, code string, values map[int]string) series {
	return series{"traefik_service_requests_total", map[string]string{"service": service, "code": code, "instance": "traefik-1"}, values}
}

func bucket(service, le string, values map[int]string) series {
	return series{"traefik_service_request_duration_seconds_bucket", map[string]string{"service": service, "le": le, "instance": "traefik-1"}, values}
}

func pod(name, code string, values map[int]string) series {
	return series{"http_requests_total", map[string]string{"namespace": "shop", "pod": name, "code": code}, values}
}

// with adds a label.
func (s series) with(label, value string) series {
	s.labels = maps.Clone(s.labels)
	s.labels[label] = value
	return s
}

// every scrapes a counter that grows by a constant, from one second to another.
func every(step, from, to int, perStep float64) map[int]string {
	out := map[int]string{}
	for at, v := from, 0.; at <= to; at, v = at+step, v+perStep {
		out[at] = strconv.FormatFloat(1000+v, 'f', -1, 64)
	}
	return out
}

// server speaks as much of Prometheus' query API as the source uses: it evaluates its selectors, and range
// selectors of them.
type server struct {
	*httptest.Server
	now    int
	has    []series
	past   map[string][]any
	answer func(http.ResponseWriter)
	asked  []string
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.FormValue("query")
		s.asked = append(s.asked, q)
		w.Header().Set("Content-Type", "application/json")
		kind, result := "matrix", []any{}
		switch {
		case s.answer != nil:
			s.answer(w)
			return
		case strings.Contains(q, "group by"):
			result = s.presence(q, r.FormValue("start"))
		case strings.HasSuffix(r.URL.Path, "/query_range"):
			for part, all := range s.past {
				if strings.Contains(q, part) {
					result = append(result, all...)
				}
			}
		case strings.HasPrefix(q, "last_over_time("):
			kind, result = "vector", s.found(q, 300, true)
		default:
			ms, err := strconv.Atoi(regexp.MustCompile(`\[(\d+)ms\]$`).FindStringSubmatch(q)[1])
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			result = s.found(q, ms/1000, false)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": kind, "result": result}})
	}))
	t.Cleanup(s.Close)
	return s
}

var matcher = regexp.MustCompile(`(\w+)(=~|=)"((?:[^"\\]|\\.)*)"`)

// found are the series that a selector matches, with their samples of the last seconds.
func (s *server) found(q string, last int, newest bool) []any {
	out := []any{}
	name := regexp.MustCompile(`([a-z_:]+)\{`).FindStringSubmatch(q)
	for _, one := range s.has {
		ok := name == nil || one.name == name[1]
		for _, m := range matcher.FindAllStringSubmatch(q, -1) {
			value := one.labels[m[1]]
			if m[1] == "__name__" {
				value = one.name
			}
			ok = ok && regexp.MustCompile("^(?:"+strings.ReplaceAll(m[3], `\\`, `\`)+")$").MatchString(value)
		}
		var values []any
		form := "value"
		for at := s.now - last + 1; at <= s.now; at++ {
			v, has := one.values[at]
			if !has {
				continue
			}
			var sample any = v
			if strings.HasPrefix(v, "{") {
				sample, form = json.RawMessage(v), "histogram"
			}
			values = append(values, []any{began.Add(time.Duration(at) * time.Second).Unix(), sample})
		}
		if !ok || len(values) == 0 {
			continue
		}
		labels := maps.Clone(one.labels)
		labels["__name__"] = one.name
		entry := map[string]any{"metric": labels, form + "s": values}
		if newest {
			entry = map[string]any{"metric": labels, form: values[len(values)-1]}
		}
		out = append(out, entry)
	}
	return out
}

// presence are the pods that were there at each tick from a moment on.
func (s *server) presence(q, from string) []any {
	start, err := strconv.ParseFloat(from, 64)
	if err != nil {
		return nil
	}
	seen := map[string]int64{}
	for part := range strings.SplitSeq(q, " or ") {
		selector := regexp.MustCompile(`[a-z_:]+\{.*\}`).FindString(part)
		for _, one := range s.found(selector, s.now+3600, false) {
			entry := one.(map[string]any)
			labels := entry["metric"].(map[string]string)
			first := entry["values"].([]any)[0].([]any)[0].(int64)
			if before, has := seen[labels["pod"]]; !has || first < before {
				seen[labels["pod"]] = first
			}
		}
	}
	out := []any{}
	for pod, first := range seen {
		var values []any
		for at := int64(start); at <= began.Unix()+int64(s.now); at += 10 {
			if at >= first {
				values = append(values, []any{at, "1"})
			}
		}
		if len(values) > 0 {
			out = append(out, map[string]any{"metric": map[string]string{"pod": pod}, "values": values})
		}
	}
	return out
}

func (s *server) source(t *testing.T) *prometheus.Source {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: s.URL})
	require.NoError(t, err)
	return prometheus.New(v1.NewAPI(client), s.URL, func() time.Time { return began.Add(time.Duration(s.now) * time.Second) })
}

// read asks at a second for what came after another one.
func (s *server) read(t *testing.T, preset string, now, after int) activities.Reading {
	t.Helper()
	s.now = now
	got, err := s.source(t).Read(context.Background(), activities.ReadIn{
		Analysis: analysis(preset), Route: route(), After: began.Add(time.Duration(after) * time.Second), Boundaries: []float64{.1, 1},
	})
	require.NoError(t, err)
	return got
}

func requests(n, errs float64) decide.Counts { return decide.Counts{Requests: n, Errors: errs} }

func tick(end int, stable, candidate decide.Counts) judge.Tick {
	return judge.Tick{
		End: began.Add(time.Duration(end) * time.Second), Stable: stable, Candidate: candidate,
		Routed: [2]float64{stable.Requests, candidate.Requests},
	}
}

func TestEverySecondIsCountedOnce(t *testing.T) {
	tests := map[string]struct {
		has  []series
		want judge.Tick
	}{
		"both tracks grow": {
			[]series{counter(stable, "200", every(5, -60, 60, 50)), counter(green, "200", every(5, -60, 60, 10)), counter(green, "500", every(5, -60, 60, 1))},
			tick(10, requests(100, 0), requests(22, 2)),
		},
		"a scrape between two boundaries counts for both, by time": {
			[]series{counter(stable, "200", every(4, -61, 60, 40))}, tick(10, requests(100, 0), requests(0, 0)),
		},
		"nothing happens": {
			[]series{counter(stable, "200", every(5, -60, 60, 0))}, tick(10, requests(0, 0), requests(0, 0)),
		},
		"a gateway begins again at zero": {
			[]series{counter(stable, "200", map[int]string{-5: "80", 0: "90", 5: "100", 10: "7", 15: "7"})}, tick(10, requests(17, 0), requests(0, 0)),
		},
		"a series that appears counts whole": {
			[]series{counter(stable, "200", every(5, -60, 60, 0)), counter(stable, "503", map[int]string{5: "4", 10: "4", 15: "4"}), counter(green, "200", map[int]string{10: "6", 15: "6"})},
			tick(10, requests(4, 4), requests(6, 0)),
		},
		"a gateway that appears counts from what it has": {
			[]series{counter(stable, "200", map[int]string{5: "4000", 10: "4010", 15: "4010"})}, tick(10, requests(10, 0), requests(0, 0)),
		},
		"a server that answers 499 has not failed": {
			[]series{counter(stable, "499", every(5, -60, 60, 50))}, tick(10, requests(100, 0), requests(0, 0)),
		},
		"a target that is scraped by two jobs counts once": {
			[]series{
				counter(stable, "200", every(5, -60, 60, 50)).with("job", "a"), counter(stable, "200", every(5, -60, 60, 50)).with("job", "b"),
			}, tick(10, requests(100, 0), requests(0, 0)),
		},
		"two gateways are added up": {
			[]series{counter(stable, "200", every(5, -60, 60, 50)), counter(stable, "200", every(5, -58, 60, 50)).with("instance", "traefik-2")},
			tick(10, requests(200, 0), requests(0, 0)),
		},
		"latency is counted by boundary": {
			[]series{
				counter(green, "200", every(5, -60, 60, 10)), bucket(green, "0.1", every(5, -60, 60, 8)),
				bucket(green, "1.0", every(5, -60, 60, 9)), bucket(green, "5", every(5, -60, 60, 10)), bucket(green, "+Inf", every(5, -60, 60, 10)),
			},
			tick(10, requests(0, 0), decide.Counts{Requests: 20, Timed: 20, Buckets: []decide.Bucket{{UpTo: .1, Count: 16}, {UpTo: 1, Count: 18}}}),
		},
		"other services, summaries and unknown series do not count": {
			[]series{
				counter(stable, "200", every(5, -60, 60, 50)), counter("something-else@file", "200", every(5, -60, 60, 50)), bucket(stable, "", every(5, -60, 60, 5)),
			}, tick(10, requests(100, 0), requests(0, 0)),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.has = tt.has
			got := s.read(t, plan.PresetTraefik, 15, 0)
			require.Len(t, got.Ticks, 1)
			require.Empty(t, cmp.Diff(tt.want, got.Ticks[0]))
		})
	}
}

func TestLooksAtAnyMomentsSeeTheSameTicks(t *testing.T) {
	s := serve(t)
	s.has = []series{counter(stable, "200", every(4, -61, 200, 40)), counter(green, "500", every(4, 19, 200, 4))}
	whole := s.read(t, plan.PresetTraefik, 100, 0).Ticks
	require.GreaterOrEqual(t, len(whole), 9)
	var parts []judge.Tick
	after := 0
	for now := range 101 {
		got := s.read(t, plan.PresetTraefik, now, after)
		parts = append(parts, got.Ticks...)
		after += 10 * len(got.Ticks)
		require.True(t, got.Next.After(began.Add(time.Duration(now)*time.Second)), "it is never asked to look at once")
	}
	require.Empty(t, cmp.Diff(whole, parts))
}

func TestTheNextLookComesAfterTheScrapeThatCompletesTheTick(t *testing.T) {
	regular := counter(stable, "200", every(5, -58, 7, 50)) // at 2 s, 7 s, 12 s
	later := counter(stable, "200", every(5, -56, 4, 50)).with("instance", "traefik-2")
	dead := counter(stable, "200", every(5, -59, -39, 50)).with("instance", "traefik-3")
	tests := map[string]struct {
		has  []series
		want time.Duration
	}{
		"one target":                   {[]series{regular}, 12500 * time.Millisecond},
		"the later one of two":         {[]series{regular, later}, 14500 * time.Millisecond},
		"one that has ended":           {[]series{regular, dead}, 12500 * time.Millisecond},
		"none that is known: the next": {nil, 15500 * time.Millisecond},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.has = tt.has
			got := s.read(t, plan.PresetTraefik, 8, 0)
			require.Empty(t, got.Ticks)
			require.Equal(t, tt.want, got.Next.Sub(began))
		})
	}
}

func TestATickWaitsForEveryTargetThatLives(t *testing.T) {
	s := serve(t)
	one, two := counter(stable, "200", every(5, -60, 60, 50)), counter(stable, "200", every(5, -58, 7, 50)).with("instance", "traefik-2")
	s.has = []series{one, two}
	require.Empty(t, s.read(t, plan.PresetTraefik, 11, 0).Ticks, "one was not scraped after the end of the tick")
	require.Len(t, s.read(t, plan.PresetTraefik, 22, 0).Ticks, 2, "it is gone")
	require.Empty(t, s.read(t, plan.PresetTraefik, 9, 0).Ticks, "the tick is not over")
}

func TestAPrometheusWithoutNumbersTellsOfNoRequests(t *testing.T) {
	s := serve(t)
	require.Empty(t, s.read(t, plan.PresetTraefik, 12, 0).Ticks)
	got := s.read(t, plan.PresetTraefik, 60, 0).Ticks
	require.NotEmpty(t, got)
	require.Empty(t, cmp.Diff(tick(10, requests(0, 0), requests(0, 0)), got[0]))
}

func TestNumbersThatCannotBeAreAGap(t *testing.T) {
	for name, values := range map[string]map[int]string{
		"not a number": {-5: "1", 0: "NaN", 5: "3", 10: "4", 15: "5"},
		"infinite":     {-5: "1", 0: "2", 5: "+Inf", 10: "4", 15: "5"},
		"negative":     {-5: "1", 0: "2", 5: "-3", 10: "4", 15: "5"},
		"huge":         {-5: "1", 0: "2", 5: "1e300", 10: "4", 15: "5"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.has = []series{counter(stable, "200", values)}
			got := s.read(t, plan.PresetTraefik, 15, 0).Ticks
			require.Len(t, got, 1)
			require.Contains(t, got[0].Gap, "impossible value")
		})
	}
}

func TestScrapesThatAreTooSeldomAreSaid(t *testing.T) {
	s := serve(t)
	s.has = []series{counter(stable, "200", every(30, -60, 90, 300))}
	got := s.read(t, plan.PresetTraefik, 65, 0).Ticks
	require.NotEmpty(t, got)
	require.Contains(t, got[0].Gap, "Prometheus scrapes every 30s, which is longer than the interval of 10s")
}

func TestMissedScrapesAreAGapAndWhatCameMeanwhileIsNotLost(t *testing.T) {
	s := serve(t)
	values := every(5, -60, 200, 50)
	for at := 15; at < 60; at += 5 {
		delete(values, at) // Prometheus restarts
	}
	s.has = []series{counter(stable, "200", values)}
	sum := 0.
	for i, tick := range s.read(t, plan.PresetTraefik, 110, 0).Ticks {
		sum += tick.Stable.Requests
		require.Equal(t, i >= 1 && i <= 5, tick.Gap != "", "tick %d: %s", i, tick.Gap)
	}
	require.InDelta(t, 1100, sum, 1e-6)
}

func TestYoungPodsAreLeftOutOnBothSides(t *testing.T) {
	s := serve(t)
	s.has = []series{
		pod("checkout-6d4cf56db6-abcde", "200", every(5, -600, 200, 50)),
		pod("checkout-6d4cf56db6-fghij", "200", every(5, -5, 200, 50)), // scaled up
		pod("checkout-green-77f7c-klmno", "200", every(5, -50, 200, 10)),
		pod("checkout-api-6d4cf56db6-abcde", "200", every(5, -600, 200, 50)), // somebody else's
	}
	got := s.read(t, plan.PresetApp, 115, 0).Ticks
	require.Len(t, got, 11)
	for i, want := range []struct {
		pods      [2]int
		candidate float64
	}{{[2]int{1, 0}, 0}, {[2]int{1, 1}, 20}, {[2]int{1, 1}, 20}, {[2]int{1, 1}, 20}, {[2]int{1, 1}, 20}, {[2]int{1, 1}, 20}, {[2]int{2, 1}, 20}} {
		require.Equal(t, want.pods, [2]int{got[i].StablePods, got[i].CandidatePods}, "tick %d", i)
		require.InDelta(t, want.candidate, got[i].Candidate.Requests, 1e-9, "tick %d", i)
		require.Zero(t, got[i].Routed, "pods count requests from everywhere")
	}
}

func TestHistoryTellsTheDispersionOfPods(t *testing.T) {
	s := serve(t)
	s.has = []series{pod("checkout-6d4cf56db6-abcde", "200", every(5, -600, 200, 50))}
	s.past = map[string][]any{}
	windows := func(labels map[string]string, n float64) any {
		var values []any
		for i := range 12 {
			values = append(values, []any{began.Add(time.Duration(i-11) * 10 * time.Minute).Unix(), fmt.Sprint(n)})
		}
		return map[string]any{"metric": labels, "values": values}
	}
	for i := range 4 {
		name := map[string]string{"pod": fmt.Sprintf("checkout-6d4cf56db6-abcd%d", i)}
		slow := map[string]string{"pod": name["pod"], "le": "0.1"}
		all := map[string]string{"pod": name["pod"], "le": "+Inf"}
		s.past[`{5}"}[600000ms]`] = append(s.past[`{5}"}[600000ms]`], windows(name, 1000))
		s.past[`0"}[600000ms]`] = append(s.past[`0"}[600000ms]`], windows(name, 2))
		s.past["_bucket"] = append(s.past["_bucket"], windows(slow, 950), windows(all, 1000))
	}
	got, err := s.source(t).Check(context.Background(), analysis(plan.PresetApp), route())
	require.NoError(t, err)
	require.Equal(t, 4, got.Pods)
	require.InDelta(t, 96, got.Errors.Bad, 1e-6)
	require.InDelta(t, 1, got.Errors.Phi, 1e-6)
	require.Len(t, got.Slow, 1)
	require.InDelta(t, .1, got.Slow[0].UpTo, 1e-9)
	require.InDelta(t, 2400, got.Slow[0].Bad, 1e-6)
}

func TestAReadThatFailsSaysWhy(t *testing.T) {
	answers := map[string]func(http.ResponseWriter){
		"the server is broken": func(w http.ResponseWriter) { http.Error(w, "out of memory", http.StatusInternalServerError) },
		"the query is refused": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"status":"error","errorType":"bad_data","error":"parse error"}`))
		},
		"the answer is not Prometheus'": func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>login</html>")) },
		"the answer is a number": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`))
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			s.answer = answer
			_, err := s.source(t).Read(context.Background(), activities.ReadIn{Analysis: analysis(plan.PresetTraefik), Route: route(), After: began})
			require.ErrorContains(t, err, "query Prometheus at "+s.URL)
		})
	}
}

func TestCheckWantsAStableThatWasSeen(t *testing.T) {
	s := serve(t)
	source := s.source(t)
	_, err := source.Check(context.Background(), analysis(plan.PresetTraefik), route())
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, "knows no request to Service shop/checkout (looked for ")
	require.ErrorContains(t, err, "is the gateway scraped, and does the service get requests?")
	s.has = []series{counter(green, "200", map[int]string{0: "1"})}
	_, err = source.Check(context.Background(), analysis(plan.PresetTraefik), route())
	require.Error(t, err, "the candidate is not stable")
	s.has = []series{counter(stable, "200", map[int]string{0: "1"})}
	_, err = source.Check(context.Background(), analysis(plan.PresetTraefik), route())
	require.NoError(t, err)
	s.Close()
	_, err = source.Check(context.Background(), analysis(plan.PresetTraefik), route())
	require.False(t, fault.Final(err), "a server that is away is asked again")
}

func TestAClockThatJumpsCountsNothingTwiceAndInventsNothing(t *testing.T) {
	s := serve(t)
	s.has = []series{counter(stable, "200", every(5, -60, 25, 50)), counter(green, "200", every(5, -60, 25, 10))}
	sum := func(r activities.Reading) (out decide.Counts) {
		for _, tick := range r.Ticks {
			out = out.Add(tick.Stable)
		}
		return out
	}
	require.Equal(t, requests(100, 0), sum(s.read(t, plan.PresetTraefik, 15, 0)))

	ahead := s.read(t, plan.PresetTraefik, 130, 10)
	require.Equal(t, began.Add(130*time.Second), ahead.Ticks[len(ahead.Ticks)-1].End)
	require.Equal(t, requests(150, 0), sum(ahead), "what is stored until second 25, and nothing for the time after it")

	s.has = []series{counter(stable, "200", every(5, -60, 60, 50)), counter(green, "200", every(5, -60, 60, 10))}
	back := s.read(t, plan.PresetTraefik, 45, 130)
	require.Empty(t, back.Ticks, "every second is judged once")
	require.True(t, back.Next.After(began.Add(45*time.Second)))

	s.has = []series{counter(stable, "200", every(5, -60, 180, 50)), counter(green, "200", every(5, -60, 180, 10))}
	require.Equal(t, requests(100, 0), sum(s.read(t, plan.PresetTraefik, 145, 130)))
}
