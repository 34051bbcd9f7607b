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

const ruled = `
      rules:
        - name: many
          when: candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare
        - {name: slow, when: step.seconds > 60 && candidate.pods < stable.pods, for: 5, then: hold, dryRun: true}
`

func TestRulesHaveDefaults(t *testing.T) {
	p, err := plan.Load(strings.NewReader(strings.TrimSuffix(guardedPlan, "\n") + ruled))
	require.NoError(t, err)
	want := []plan.Rule{
		{Name: "many", When: "candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare", For: 2, Then: plan.ThenRollback},
		{Name: "slow", When: "step.seconds > 60 && candidate.pods < stable.pods", For: 5, Then: plan.ThenHold, DryRun: true},
	}
	require.Equal(t, want, p.Spec.Analysis.Guards.Rules)
	require.Equal(t, want, p.Spec.Analysis.Complete().Guards.Rules)
}

func TestRulesThatCannotBeAreRefusedWithLineAndField(t *testing.T) {
	const at, slow = "spec.analysis.guards.rules", "step.seconds > 60 && candidate.pods < stable.pods"
	many := strings.Repeat("        - {name: a, when: candidate.failed > 1}\n", 9)
	for name, c := range map[string]struct{ replace, with, want string }{
		"a name that nobody knows":  {slow, "candidate.failde > 20", "line 19: " + at + "[1].when: is not a condition: undeclared reference to 'candidate.failde' (did you mean 'candidate.failed'?), at character 10; there are"},
		"no condition":              {slow, "candidate.failed", "line 19: " + at + "[1].when: must give true or false, not double"},
		"half a condition":          {slow, "candidate.failed >", "line 19: " + at + "[1].when: is not a condition: "},
		"a condition of nothing":    {slow, "", "line 19: " + at + "[1].when: must "},
		"a condition that is dear":  {slow, "'" + strings.Repeat("1>step.weight||", 60) + "false'", "line 19: " + at + "[1].when: costs 120, and the limit is 100"},
		"no latency":                {slow, "candidate.slowShare > 0.1", "line 19: " + at + "[1].when: candidate.slowShare is never known: latency is not judged: write spec.analysis.latency"},
		"no limit of latency":       {"    errors:", "    latency: {}\n    errors:", ""},
		"no flapping":               {"flapping: {dryRun: true}", "checks: []", ""},
		"no name":                   {"name: slow", "name: Slow!", "line 19: " + at + "[1].name: must be a DNS label"},
		"two of a name":             {"name: slow", "name: many", "line 19: " + at + "[1].name: must differ from the other rules"},
		"no tick":                   {"for: 5", "for: 0", "line 19: " + at + "[1].for: must be at least 1; to ask it without consequences write dryRun: true"},
		"too many ticks":            {"for: 5", "for: 101", "line 19: " + at + "[1].for: must be from 1 to 100 ticks"},
		"a duration":                {"for: 5", "for: 1m", "line 19: " + at + "[1].for: "},
		"something else to be done": {"then: hold", "then: page", "line 19: " + at + "[1].then: must be rollback or hold"},
		"too many":                  {"        - {name: slow", many + "        - {name: slow", at + ": at most 10 rules"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.TrimSuffix(guardedPlan, "\n") + ruled
			require.Contains(t, text, c.replace)
			_, err := plan.Load(strings.NewReader(strings.Replace(text, c.replace, c.with, 1)))
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestARuleAboutWhatIsNeverKnownIsRefused(t *testing.T) {
	text := strings.TrimSuffix(guardedPlan, "\n") + ruled
	for name, c := range map[string]struct{ replace, with, when, want string }{
		"flapping":          {"flapping: {dryRun: true}", "checks: []", "stable.flaps > 1", "stable.flaps is never known: write flapping: {}"},
		"an absolute limit": {"    errors:", "    latency: {}\n    errors:", "stable.overSLOShare > 0.1", "stable.overSLOShare is never known: write spec.analysis.latency.slo.p99"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, text, c.replace)
			text := strings.Replace(strings.Replace(text, c.replace, c.with, 1), "step.seconds > 60 && candidate.pods < stable.pods", c.when, 1)
			_, err := plan.Load(strings.NewReader(text))
			require.ErrorContains(t, err, "spec.analysis.guards.rules[1].when: "+c.want)
		})
	}
}

func TestARuleAboutPodsIsForARollingReleaseToo(t *testing.T) {
	const steps = "canary: {steps: [{weight: 5}]}"
	text := strings.TrimSuffix(guardedPlan, "\n") + ruled
	require.Contains(t, text, steps)
	p, err := plan.Load(strings.NewReader(strings.Replace(text, steps, "rolling: {}", 1)))
	require.NoError(t, err)
	require.Contains(t, p.Spec.Analysis.Guards.Rules[1].When, "candidate.pods < stable.pods")
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
