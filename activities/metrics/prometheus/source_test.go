// SPDX-License-Identifier: Apache-2.0

package prometheus_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
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
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	requests = "traefik_service_requests_total"
	buckets  = "traefik_service_request_duration_seconds_bucket"
	stable   = "httproute-shop-checkout-gw-traefik-gateway-ep-web-0-abc-svc-shop-checkout-80@kubernetesgateway"
	green    = "httproute-shop-checkout-gw-traefik-gateway-ep-web-0-abc-svc-shop-checkout-green-80@kubernetesgateway"
)

var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

func route() activities.Route {
	return activities.Route{
		Namespace: "shop", Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
		Stable: "checkout", Candidate: "checkout-green", Port: 80,
	}
}

// series is one counter: its labels and its value, as Prometheus writes it.
type series struct {
	name, service, more, value string
}

// server speaks as much of Prometheus' query API as the source uses: it evaluates the selectors of name
// and service.
type server struct {
	*httptest.Server
	has    []series
	answer func(http.ResponseWriter)
	asked  []string
}

func serve(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/query" {
			http.NotFound(w, r)
			return
		}
		q := r.FormValue("query")
		s.asked = append(s.asked, q)
		w.Header().Set("Content-Type", "application/json")
		if s.answer != nil {
			s.answer(w)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": s.vector(q)}})
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) vector(q string) []any {
	unquote := func(re string) *regexp.Regexp {
		m := regexp.MustCompile(re).FindStringSubmatch(q)
		if m == nil {
			return regexp.MustCompile("^" + regexp.QuoteMeta(requests) + "$")
		}
		return regexp.MustCompile("^(?:" + strings.ReplaceAll(m[1], `\\`, `\`) + ")$")
	}
	name, service := unquote(`__name__=~"([^"]*)"`), unquote(`service=~"([^"]*)"`)
	out := []any{}
	for _, one := range s.has {
		if !name.MatchString(one.name) || !service.MatchString(one.service) {
			continue
		}
		labels := map[string]string{"__name__": one.name, "service": one.service, "instance": "traefik-1"}
		for pair := range strings.SplitSeq(one.more, ",") {
			k, v, _ := strings.Cut(pair, "=")
			labels[k] = v
		}
		out = append(out, map[string]any{"metric": labels, "value": []any{float64(now.Unix()), one.value}})
	}
	return out
}

func (s *server) source(t *testing.T) *prometheus.Source {
	t.Helper()
	client, err := api.NewClient(api.Config{Address: s.URL})
	require.NoError(t, err)
	return prometheus.New(v1.NewAPI(client), s.URL, func() time.Time { return now })
}

func TestGrowthIsCountedOnce(t *testing.T) {
	tests := map[string]struct {
		before, after []series
		want          activities.Sample
	}{
		"both tracks grow": {
			[]series{{requests, stable, "code=200", "100"}, {requests, green, "code=200", "10"}, {requests, green, "code=500", "1"}},
			[]series{{requests, stable, "code=200", "190"}, {requests, green, "code=200", "19"}, {requests, green, "code=500", "2"}},
			activities.Sample{Stable: decide.Counts{Requests: 90}, Candidate: decide.Counts{Requests: 10, Errors: 1}},
		},
		"nothing happens": {
			[]series{{requests, stable, "code=200", "100"}}, []series{{requests, stable, "code=200", "100"}}, activities.Sample{},
		},
		"a gateway begins again at zero": {
			[]series{{requests, stable, "code=200", "100"}},
			[]series{{requests, stable, "code=200", "7"}},
			activities.Sample{Stable: decide.Counts{Requests: 7}},
		},
		"a series that appears counts whole": {
			[]series{{requests, stable, "code=200", "100"}},
			[]series{{requests, stable, "code=200", "100"}, {requests, stable, "code=503", "4"}, {requests, green, "code=200", "6"}},
			activities.Sample{Stable: decide.Counts{Requests: 4, Errors: 4}, Candidate: decide.Counts{Requests: 6}},
		},
		"the first series of all counts whole": {
			nil, []series{{requests, green, "code=200", "6"}}, activities.Sample{Candidate: decide.Counts{Requests: 6}},
		},
		"a client that went away is no failure, a gateway without an answer is": {
			[]series{{requests, green, "code=200", "0"}, {requests, green, "code=499", "0"}, {requests, green, "code=0", "0"}},
			[]series{{requests, green, "code=200", "6"}, {requests, green, "code=499", "2"}, {requests, green, "code=0", "1"}},
			activities.Sample{Candidate: decide.Counts{Requests: 9, Errors: 1}},
		},
		"buckets of several codes are summed, in order and without infinity": {
			[]series{{buckets, green, "code=200,le=0.3", "0"}},
			[]series{
				{buckets, green, "code=200,le=1.2", "9"},
				{buckets, green, "code=200,le=0.3", "5"},
				{buckets, green, "code=500,le=0.3", "2"},
				{buckets, green, "code=200,le=+Inf", "9"},
				{buckets, green, "code=500,le=1.2", "2"},
			},
			activities.Sample{Candidate: decide.Counts{Buckets: []decide.Bucket{{UpTo: .3, Count: 7}, {UpTo: 1.2, Count: 11}}}},
		},
		"requests of testers come by a route of their own and do not count": {
			nil,
			[]series{
				{requests, strings.Replace(green, "httproute-shop-checkout-", "httproute-shop-checkout-preview-", 1), "code=500", "9"},
				{requests, green, "code=200", "6"},
			},
			activities.Sample{Candidate: decide.Counts{Requests: 6}},
		},
		"other services and other routes are not ours": {
			nil,
			[]series{
				{requests, strings.Replace(stable, "svc-shop-checkout-80", "svc-shop-cart-80", 1), "code=200", "9"},
				{requests, strings.Replace(stable, "httproute-shop-checkout-", "httproute-shop-cart-", 1), "code=200", "9"},
			},
			activities.Sample{},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			source := s.source(t)
			s.has = tt.before
			first, position, err := source.Read(context.Background(), plan.Analysis{}, route(), nil)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(activities.Sample{}, first), "the first look only sets the mark")
			s.has = tt.after
			got, position, err := source.Read(context.Background(), plan.Analysis{}, route(), position)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got))
			again, _, err := source.Read(context.Background(), plan.Analysis{}, route(), position)
			require.NoError(t, err)
			require.Zero(t, again.Stable.Requests+again.Candidate.Requests, "every request counts once")
		})
	}
}

func TestASeriesThatWasAwayIsNotCountedTwice(t *testing.T) {
	s := serve(t)
	source := s.source(t)
	var position activities.Position
	var sum float64
	for _, has := range [][]series{
		{{requests, green, "code=200", "10"}}, {{requests, green, "code=200", "20"}}, nil, {{requests, green, "code=200", "25"}},
	} {
		s.has = has
		sample, next, err := source.Read(context.Background(), plan.Analysis{}, route(), position)
		require.NoError(t, err)
		sum, position = sum+sample.Candidate.Requests, next
	}
	require.InDelta(t, 15, sum, 0)
}

func TestAReadThatFailsKeepsItsPosition(t *testing.T) {
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
			before := activities.Position{"a": 1}
			sample, position, err := s.source(t).Read(context.Background(), plan.Analysis{}, route(), before)
			require.ErrorContains(t, err, "query Prometheus at "+s.URL)
			require.Empty(t, cmp.Diff(before, position))
			require.Empty(t, cmp.Diff(activities.Sample{}, sample))
		})
	}
}

func TestCheckWantsAStableThatWasSeen(t *testing.T) {
	s := serve(t)
	source := s.source(t)
	err := source.Check(context.Background(), plan.Analysis{}, route())
	require.Equal(t, fault.Invalid, fault.Of(err))
	require.ErrorContains(t, err, "knows no request to Service shop/checkout")
	s.has = []series{{requests, green, "code=200", "1"}}
	require.Error(t, source.Check(context.Background(), plan.Analysis{}, route()), "the candidate is not stable")
	s.has = []series{{requests, stable, "code=200", "1"}}
	require.NoError(t, source.Check(context.Background(), plan.Analysis{}, route()))
	s.Close()
	err = source.Check(context.Background(), plan.Analysis{}, route())
	require.False(t, fault.Final(err), "a server that is away is asked again")
}
