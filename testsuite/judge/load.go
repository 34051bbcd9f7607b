// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/metrics/prometheus"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The releases that one worker watches at once, and the pods of each track.
const (
	watches = 1000
	pods    = 10
)

// answers is a Prometheus that has one answer for each track, so that its own cost is next to nothing.
type answers [3][]byte

// URL implements api.Client.
func (answers) URL(ep string, _ map[string]string) *url.URL { return &url.URL{Path: ep} }

// Do implements api.Client.
func (a answers) Do(_ context.Context, r *http.Request) (*http.Response, []byte, error) {
	text := ""
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, nil, err
		}
		text = string(body)
	}
	side := 0
	switch {
	case strings.Contains(text, "group+by"):
		side = 2
	case strings.Contains(text, "green"):
		side = 1
	}
	return &http.Response{StatusCode: http.StatusOK}, a[side], nil
}

// answer is what Prometheus says about a track of ten pods, each with three status codes and the boundaries that are
// judged, scraped
// every ten seconds for as long as one look reads back.
func answer(name string, at time.Time, boundaries []float64) []byte {
	var b bytes.Buffer
	b.WriteString(`{"status":"success","data":{"resultType":"matrix","result":[`)
	first := true
	series := func(labels string, scale int) {
		if !first {
			b.WriteByte(',')
		}
		first = false
		fmt.Fprintf(&b, `{"metric":{%s},"values":[`, labels)
		for i := range 7 {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `[%.3f,"%d"]`, float64(at.Add(time.Duration(i-6)*interval).UnixMilli())/1000, 100_000+scale*i)
		}
		b.WriteString("]}")
	}
	for pod := range pods {
		common := fmt.Sprintf(`"namespace":"shop","pod":"%s-6d4cf56db6-abc%02d","job":"pods","instance":"10.0.0.%d:8080"`, name, pod, pod)
		for i, code := range []string{"200", "404", "500"} {
			series(fmt.Sprintf(`"__name__":"http_requests_total","code":"%s",%s`, code, common), 50-20*i)
		}
		for i, le := range append(strings.Fields(strings.Trim(fmt.Sprint(boundaries), "[]")), "+Inf") {
			series(fmt.Sprintf(`"__name__":"http_request_duration_seconds_bucket","le":"%s",%s`, le, common), 5*i)
		}
	}
	b.WriteString("]}}")
	return b.Bytes()
}

// presence is what Prometheus says about which pods there were, a warm-up back.
func presence(at time.Time) []byte {
	var all []string
	for _, name := range []string{"checkout", "checkout-green"} {
		for pod := range pods {
			var values []string
			for i := range 14 {
				values = append(values, fmt.Sprintf(`[%d,"1"]`, at.Add(time.Duration(i-13)*interval).Unix()))
			}
			all = append(all, fmt.Sprintf(`{"metric":{"pod":"%s-6d4cf56db6-abc%02d"},"values":[%s]}`, name, pod, strings.Join(values, ",")))
		}
	}
	return []byte(`{"status":"success","data":{"resultType":"matrix","result":[` + strings.Join(all, ",") + `]}}`)
}

// thousand measures the processor time of a tick of a thousand watches: reading the numbers and judging them.
func thousand(r *report) error {
	at := start().Add(10 * time.Minute)
	a := analysis()
	a.Source.Prometheus, a.WarmUp = &plan.Prometheus{Preset: plan.PresetApp}, plan.Duration(2*time.Minute)
	in := activities.ReadIn{
		Analysis: a, After: at.Add(-interval),
		Route: activities.Route{Namespace: "shop", StableDeployment: "checkout", CandidateDeployment: "checkout-green"},
	}
	rel := world{rate: 50, errors: .005, times: 1}.begin(1, 1)
	const n = 200
	j := rel.judge(a)
	in.Boundaries = j.settings.Boundaries()
	prometheusOf := answers{answer("checkout", at, in.Boundaries), answer("checkout-green", at, in.Boundaries), presence(at)}
	source := prometheus.New(v1.NewAPI(prometheusOf), "canned", func() time.Time { return at })
	before := processorTime()
	for range n {
		reading, err := source.Read(context.Background(), in)
		if err != nil {
			return err
		}
		for _, t := range reading.Ticks {
			j.look(t, 10)
		}
	}
	each := (processorTime() - before) / n
	cores := each.Seconds() * watches / tickSeconds
	r.say("One look of one watch, %d pods on each track: %s of processor time; %d watches with a tick of %s take %.2f cores.\n",
		pods, each.Round(time.Microsecond), watches, interval, cores)
	r.atMost(fmt.Sprintf("cores for %d watches", watches), cores, 1, 0)
	return nil
}
