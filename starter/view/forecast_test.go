// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// example is the plan of deploy/example, with something else in the place of its strategy if that is given.
func example(t *testing.T, strategy string) plan.Plan {
	t.Helper()
	text, err := os.ReadFile("../../deploy/example/plan.yaml")
	require.NoError(t, err)
	s := string(text)
	if strategy != "" {
		before, _, _ := strings.Cut(s, "    canary:\n")
		_, after, _ := strings.Cut(s, "  analysis:\n")
		s = before + "    " + strategy + "\n  analysis:\n" + after
	}
	p, err := plan.Load(strings.NewReader(s))
	require.NoError(t, err)
	return p
}

func TestForecasts(t *testing.T) {
	tests := map[string]struct {
		strategy string
		replicas int
	}{
		"forecast-canary":               {"", 6},
		"forecast-unknown-pods":         {"", 0},
		"forecast-canary-checks":        {"canary: {steps: [{weight: 5, hold: 5m}, {weight: 25, hold: 10m, checks: [{name: regression, job: {cronJob: regression-tests}, within: 20m}], gate: {approvers: [ann]}}]}", 6},
		"forecast-blue-green":           {"blueGreen: {preview: {header: {name: X-Preview, value: green}}, gate: {quorum: 2}}", 6},
		"forecast-rolling":              {"rolling: {batches: [1, 50%], checks: [{name: health, url: \"http://checkout.shop/health\"}], gate: {}}", 6},
		"forecast-rolling-unknown-pods": {"rolling: {maxUnavailable: 1}", 0},
		"forecast-chosen":               {"auto: {criticality: high, budget: double}", 6},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := forecast.Of(example(t, tt.strategy), tt.replicas)
			require.NoError(t, err)
			golden(t, name, view.Forecast(f))
		})
	}
}

func TestAForecastTellsTheRulesOfThePlan(t *testing.T) {
	p := example(t, "")
	p.Spec.Analysis.Guards = &plan.Guards{Rules: []plan.Rule{
		{Name: "too-many-failed", When: "candidate.failed > 20 &&\n  candidate.failedShare > 3.0 * stable.failedShare", For: 2, Then: plan.ThenRollback},
		{Name: "slow-start", When: "step.seconds > 60 && candidate.pods < 3", For: 1, Then: plan.ThenHold, DryRun: true},
	}}
	f, err := forecast.Of(p, 6)
	require.NoError(t, err)
	golden(t, "forecast-rules", view.Forecast(f))
}

func TestChoices(t *testing.T) {
	everything := plan.Means{Router: true, Metrics: true}
	golden(t, "choice-plain", view.Choice(plan.Choose(plan.Profile{}, everything), "spec: {}\n"))
	golden(t, "choice-hindered", view.Choice(plan.Choose(plan.Profile{NewFeature: true, Criticality: plan.High}, everything), "spec: {}\n"))
}
