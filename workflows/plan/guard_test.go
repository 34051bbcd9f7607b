// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

const guardedPlan = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
  traffic: {gatewayAPI: {route: checkout}}
  strategy: {canary: {steps: [{weight: 5}]}}
  analysis:
    source: {prometheus: {preset: traefik}}
    errors: {dryRun: true}
    guards:
      restarts: {limit: 5}
      flapping: {dryRun: true}
      saturation:
        - {name: memory, query: 'max(memory_bytes{namespace="{{namespace}}",pod=~"{{pods}}"})', limit: 0.9}
`

func TestGuardsHaveDefaults(t *testing.T) {
	p, err := plan.Load(strings.NewReader(guardedPlan))
	require.NoError(t, err)
	g, minute := p.Spec.Analysis.Guards, plan.Duration(time.Minute)
	require.Equal(t, plan.Times{Limit: 5, Within: 10 * minute, Tolerate: 2}, *g.Restarts)
	require.Equal(t, plan.Times{Limit: 1, Within: 30 * minute, Tolerate: 2}, *g.OOMKills)
	require.Equal(t, plan.Times{Limit: 5, Within: 10 * minute, Tolerate: 2, DryRun: true}, *g.Flapping)
	require.True(t, p.Spec.Analysis.Errors.DryRun)
	require.Empty(t, p.Validate())
}

func TestGuardsThatCannotBeAreRefusedWithLineAndField(t *testing.T) {
	const at = "spec.analysis.guards"
	for name, c := range map[string]struct{ replace, with, want string }{
		"a limit of nothing":       {"{limit: 5}", "{limit: 0}", "line 12: " + at + ".restarts.limit: must be at least 1; to watch it without consequences write dryRun: true"},
		"a negative limit":         {"{limit: 5}", "{limit: -1}", "line 12: " + at + ".restarts.limit: must be from 1 to 10000"},
		"a window of a second":     {"{limit: 5}", "{within: 1s}", "line 12: " + at + ".restarts.within: must be from 1m to 6h"},
		"less than stable":         {"{limit: 5}", "{tolerate: 0.5x}", "line 12: " + at + ".restarts.tolerate: must be at least 1x"},
		"a level without a name":   {"name: memory", "name: ''", "line 15: " + at + ".saturation[0].name: must be a DNS label"},
		"two levels of a name":     {"limit: 0.9}\n", "limit: 0.9}\n        - {name: memory, query: 'max(a{pod=~\"{{pods}}\"})', limit: 1}\n", "line 16: " + at + ".saturation[1].name: must differ from the other levels"},
		"a level of many":          {"max(", "(", "line 15: " + at + ".saturation[0].query: must give one number for a track"},
		"a limit that is none":     {"limit: 0.9}", "limit: .nan}", "line 15: " + at + ".saturation[0].limit: must be a number"},
		"a check of nowhere":       {"flapping: {dryRun: true}", "checks: [{name: orders, url: orders}]", "line 13: " + at + ".checks[0].url: must be a whole address"},
		"a check all the time":     {"flapping: {dryRun: true}", "checks: [{name: orders, url: 'http://orders/', every: 1s}]", "line 13: " + at + ".checks[0].every: must be from 10s to 10m"},
		"a check that never fails": {"flapping: {dryRun: true}", "checks: [{name: orders, url: 'http://orders/', failures: 0}]", "line 13: " + at + ".checks[0].failures: must be at least 1"},
		"a guard nobody knows":     {"restarts:", "crashes:", "crashes"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, guardedPlan, c.replace)
			_, err := plan.Load(strings.NewReader(strings.Replace(guardedPlan, c.replace, c.with, 1)))
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestGuardsWithoutAJudgeAreRefused(t *testing.T) {
	before, _, _ := strings.Cut(short, "  analysis:")
	text := strings.Replace(before, "{gatewayAPI: {route: checkout}}", "{istio: {virtualService: checkout}}", 1)
	_, err := plan.Load(strings.NewReader(text + "  analysis: {guards: {restarts: {limit: 2}}}\n"))
	require.ErrorContains(t, err, "spec.analysis.guards: stand beside the judge: name spec.analysis.source too")
	p, err := plan.Load(strings.NewReader(text))
	require.NoError(t, err)
	require.Nil(t, p.Spec.Analysis.Guards)
}
