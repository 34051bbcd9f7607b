// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// counted is a plan that counts by queries of its own.
const counted = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
  traffic: {istio: {virtualService: checkout}}
  strategy: {canary: {steps: [{weight: 5}]}}
  analysis:
    source:
      prometheus:
        queries:
          requests: rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}
          failures: rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}",code=~"Internal|Unavailable"}
          durations: rpc_seconds{namespace="{{namespace}}",pod=~"{{pods}}"}
          pod: pod
    latency: {}
`

func TestAPlanMayCountByQueriesOfItsOwn(t *testing.T) {
	p, err := plan.Load(strings.NewReader(counted))
	require.NoError(t, err)
	q := p.Spec.Analysis.Source.Prometheus.Queries
	require.Equal(t, plan.Duration(time.Second), q.Unit)
	require.True(t, p.Spec.Analysis.Source.Prometheus.ByPod())
	require.Empty(t, p.Validate())
}

func TestQueriesThatCannotCountAreRefusedWithLineAndField(t *testing.T) {
	const at = "spec.analysis.source.prometheus"
	for name, c := range map[string]struct{ replace, with, want string }{
		"a preset and queries":         {"prometheus:\n", "prometheus:\n        preset: app\n", "line 11: " + at + ": name a preset or write queries, not both"},
		"neither":                      {counted[strings.Index(counted, "prometheus:"):strings.Index(counted, "    latency")], "prometheus: {}\n", "line 10: " + at + ": name a preset, such as traefik, or write queries of your own"},
		"a rate":                       {"requests: rpcs_total{namespace=\"{{namespace}}\",pod=~\"{{pods}}\"}", "requests: rate(rpcs_total{pod=~\"{{pods}}\"}[5m])", "line 12: " + at + ".queries.requests: write the counter itself, without rate()"},
		"no PromQL":                    {`code=~"Internal|Unavailable"`, `code=~Internal`, "line 13: " + at + `.queries.failures: is not PromQL: unexpected identifier "Internal" in label matching, expected string, at character`},
		"both tracks at once":          {`requests: rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}"}`, `requests: rpcs_total{namespace="{{namespace}}"}`, "line 12: " + at + ".queries.requests: must name the track"},
		"no failures":                  {`          failures: rpcs_total{namespace="{{namespace}}",pod=~"{{pods}}",code=~"Internal|Unavailable"}` + "\n", "", "line 12: " + at + ".queries.failures: must not be empty"},
		"a bucket in place of its all": {"durations: rpc_seconds{", "durations: rpc_seconds_bucket{", "line 14: " + at + ".queries.durations: names the histogram itself: write rpc_seconds"},
		"latency without a histogram":  {`          durations: rpc_seconds{namespace="{{namespace}}",pod=~"{{pods}}"}` + "\n", "", at + ".queries.durations: must be there where latency is judged"},
		"a label that is none":         {"pod: pod", "pod: the pod", "line 15: " + at + `.queries.pod: must be the name of a label, not "the pod"`},
		"an ingress preset for a mesh": {counted[strings.Index(counted, "prometheus:"):strings.Index(counted, "    latency")], "prometheus: {preset: nginx}\n", "line 10: " + at + ".preset: counts by backend what traffic.ingress sends, which this plan has not; write preset: app"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, counted, c.replace)
			_, err := plan.Load(strings.NewReader(strings.Replace(counted, c.replace, c.with, 1)))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAMeshIsCountedByItsOwnPreset(t *testing.T) {
	before, _, _ := strings.Cut(counted, "prometheus:")
	text := before + "prometheus: {preset: istio}\n"
	p, err := plan.Load(strings.NewReader(text))
	require.NoError(t, err)
	require.True(t, p.Spec.Analysis.Source.Prometheus.ByPod())
}
