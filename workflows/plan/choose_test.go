// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/plan"
)

var everything = plan.Means{Router: true, Metrics: true}

func TestChooseAppliesTheComparisonTable(t *testing.T) {
	tests := map[string]struct {
		profile plan.Profile
		means   plan.Means
		want    string
		because string
	}{
		"nothing said":                       {plan.Profile{}, everything, "canary", "confidence is medium"},
		"confident":                          {plan.Profile{Confidence: plan.High, Budget: plan.Double}, everything, "canary", "confidence is high"},
		"critical, and twice the pods paid":  {plan.Profile{Criticality: plan.High, Budget: plan.Double}, everything, "blueGreen", "criticality is high"},
		"critical on a normal budget":        {plan.Profile{Criticality: plan.High}, everything, "canary", "confidence is medium"},
		"critical on a tight budget":         {plan.Profile{Criticality: plan.High, Budget: plan.Tight}, everything, "rolling", "budget is tight"},
		"tight budget":                       {plan.Profile{Budget: plan.Tight, Confidence: plan.High}, everything, "rolling", "budget is tight"},
		"unsure, and twice the pods paid":    {plan.Profile{Confidence: plan.Low, Budget: plan.Double}, everything, "blueGreen", "confidence is low"},
		"unsure on a normal budget":          {plan.Profile{Confidence: plan.Low}, everything, "canary", "confidence is low"},
		"new feature":                        {plan.Profile{NewFeature: true}, everything, "canary", "confidence is medium"},
		"new feature of a critical system":   {plan.Profile{NewFeature: true, Criticality: plan.High, Budget: plan.Double}, everything, "blueGreen", "criticality is high"},
		"quiet":                              {plan.Profile{Quiet: true}, everything, "rolling", "rolling is what is left"},
		"quiet, and twice the pods paid":     {plan.Profile{Quiet: true, Budget: plan.Double}, everything, "blueGreen", "blueGreen comes next"},
		"no router":                          {plan.Profile{}, plan.Means{Metrics: true}, "rolling", "rolling is what is left"},
		"no router, and twice the pods paid": {plan.Profile{Budget: plan.Double}, plan.Means{}, "blueGreen", "blueGreen comes next"},
		"no second track":                    {plan.Profile{Budget: plan.Double, Criticality: plan.High}, plan.Means{Router: true, Metrics: true, OneTrack: "why"}, "rolling", "rolling is what is left"},
		"no metrics":                         {plan.Profile{}, plan.Means{Router: true}, "rolling", "rolling is what is left"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := plan.Choose(tt.profile, tt.means)
			require.Equal(t, tt.want, c.Strategy)
			require.Contains(t, c.Reasons[len(c.Reasons)-1], tt.because)
		})
	}
}

func TestAChoiceSaysWhatStoodInTheWay(t *testing.T) {
	got := plan.Choose(plan.Profile{NewFeature: true, Criticality: plan.High, Budget: plan.Tight}, plan.Means{})
	require.Empty(t, cmp.Diff(plan.Choice{
		Strategy: "rolling",
		Profile:  plan.Profile{Criticality: plan.High, Budget: plan.Tight, Confidence: plan.Medium, NewFeature: true},
		Reasons: []string{
			"there is a new feature: featureFlag shows it to some users, apart from the deployment. Not possible here: Slipway cannot carry out featureFlag yet",
			"criticality is high: blueGreen is for critical systems, its way back is instant. Not possible here: blueGreen's cost is high, twice the pods, which a tight budget does not pay",
			"budget is tight: rolling needs the fewest extra pods",
		},
		Advice: []string{
			"put the new feature behind a flag of your own and deploy it switched off",
			"for a critical system this is second best: risk medium, way back slow; a double budget would allow blueGreen",
		},
		Rejected: []plan.Rejection{
			{Strategy: "featureFlag", Why: "Slipway cannot carry out featureFlag yet"},
			{Strategy: "blueGreen", Why: "blueGreen's cost is high, twice the pods, which a tight budget does not pay"},
			{Strategy: "canary", Why: "canary's cost is medium, which a tight budget does not pay"},
		},
	}, got))
}

func profiles() *rapid.Generator[plan.Profile] {
	return rapid.Custom(func(t *rapid.T) plan.Profile {
		levels := rapid.SampledFrom([]plan.Level{"", plan.Low, plan.Medium, plan.High})
		return plan.Profile{
			Criticality: levels.Draw(t, "criticality"), Confidence: levels.Draw(t, "confidence"),
			Budget:     rapid.SampledFrom([]plan.Budget{"", plan.Tight, plan.Normal, plan.Double}).Draw(t, "budget"),
			NewFeature: rapid.Bool().Draw(t, "new feature"), Quiet: rapid.Bool().Draw(t, "quiet"),
		}
	})
}

func means() *rapid.Generator[plan.Means] {
	return rapid.Custom(func(t *rapid.T) plan.Means {
		return plan.Means{
			Router: rapid.Bool().Draw(t, "router"), Metrics: rapid.Bool().Draw(t, "metrics"),
			OneTrack: rapid.SampledFrom([]string{"", "why"}).Draw(t, "one track"),
		}
	})
}

func TestEveryProfileGetsExactlyOneStrategy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, m := profiles().Draw(t, "profile"), means().Draw(t, "means")
		c := plan.Choose(p, m)
		if !slices.Contains([]string{"canary", "blueGreen", "rolling"}, c.Strategy) {
			t.Fatalf("chose %q", c.Strategy)
		}
		if diff := cmp.Diff(c, plan.Choose(p, m)); diff != "" {
			t.Fatalf("chose differently the second time: %s", diff)
		}
		all := []string{c.Strategy}
		for _, r := range c.Rejected {
			all = append(all, r.Strategy)
		}
		slices.Sort(all)
		if diff := cmp.Diff([]string{"blueGreen", "canary", "featureFlag", "rolling"}, all); diff != "" {
			t.Fatalf("not every strategy was weighed: %s", diff)
		}
		if len(c.Reasons) == 0 || slices.Contains(c.Reasons, "") {
			t.Fatal("chose without a reason")
		}
	})
}

func TestAChoiceKeepsWithinItsMeans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, m := profiles().Draw(t, "profile"), means().Draw(t, "means")
		switch c := plan.Choose(p, m); {
		case p.Budget == plan.Tight && c.Strategy != "rolling":
			t.Fatalf("a tight budget pays for %s", c.Strategy)
		case p.Budget != plan.Double && c.Strategy == "blueGreen":
			t.Fatal("blueGreen without a double budget")
		case c.Strategy == "canary" && (!m.Router || !m.Metrics || p.Quiet):
			t.Fatal("a canary that cannot be judged")
		case m.OneTrack != "" && c.Strategy != "rolling":
			t.Fatalf("%s without a second track", c.Strategy)
		case p.Criticality == plan.High && p.Budget == plan.Double && m.OneTrack == "" && c.Strategy != "blueGreen":
			t.Fatalf("a critical system with everything paid by %s", c.Strategy)
		}
	})
}

// TestMoreBudgetIsNeverMoreRisk holds the choice against the table's column of risks.
func TestMoreBudgetIsNeverMoreRisk(t *testing.T) {
	risk := map[string]int{"blueGreen": 1, "canary": 1, "rolling": 2}
	rapid.Check(t, func(t *rapid.T) {
		p, m := profiles().Draw(t, "profile"), means().Draw(t, "means")
		least := 2
		for _, p.Budget = range []plan.Budget{plan.Tight, plan.Normal, plan.Double} {
			got := risk[plan.Choose(p, m).Strategy]
			if got > least {
				t.Fatalf("budget %s chooses more risk than the one below it", p.Budget)
			}
			least = got
		}
	})
}

// auto is the short plan with its strategy left to Slipway, and perhaps settings beside that.
func auto(profile, settings string) string {
	before, _, _ := strings.Cut(short, "    canary:")
	_, after, _ := strings.Cut(short, "  analysis:")
	return before + "    auto: {" + profile + "}\n" + settings + "  analysis:" + after
}

func TestAutoIsResolvedWhileThePlanIsRead(t *testing.T) {
	const blueGreen = "criticality: high, budget: double"
	hold := func(d time.Duration) []plan.Step {
		return []plan.Step{{Weight: 5, Hold: plan.Duration(d)}, {Weight: 25, Hold: plan.Duration(d)}, {Weight: 50, Hold: plan.Duration(d)}}
	}
	t.Run("to a canary, with everything filled in", func(t *testing.T) {
		s := load(t, auto("", "")).Spec.Strategy
		require.Nil(t, s.Auto)
		require.Equal(t, "canary", s.Name())
		require.Equal(t, &plan.Canary{
			Steps: hold(10 * time.Minute), Sizing: plan.SizingFull, Bake: plan.Duration(time.Hour),
			ReadyWithin: plan.Duration(10 * time.Minute), SettleWithin: plan.Duration(time.Minute), Settle: plan.SettleSwap,
		}, s.Canary)
		require.Equal(t, "canary", s.Chosen.Strategy)
	})
	t.Run("to a slower canary where confidence is low", func(t *testing.T) {
		require.Equal(t, hold(20*time.Minute), load(t, auto("confidence: low", "")).Spec.Strategy.Canary.Steps)
	})
	t.Run("to blue-green, with the settings that stand beside it", func(t *testing.T) {
		settings := "    blueGreen: {bake: 2h}\n    canary: {steps: [{weight: 10}]}\n"
		s := load(t, auto(blueGreen, settings)).Spec.Strategy
		require.Equal(t, "blueGreen", s.Name())
		require.Equal(t, plan.Duration(2*time.Hour), s.BlueGreen.Bake)
		require.Nil(t, s.Canary)
	})
	t.Run("by what the plan has to route and to measure with", func(t *testing.T) {
		text := strings.Replace(auto(blueGreen, ""), "gatewayAPI: {route: checkout}", "service: {}", 1)
		text, _, _ = strings.Cut(text, "  analysis:")
		require.Equal(t, "blueGreen", load(t, text).Spec.Strategy.Name())
	})
	t.Run("to rolling, which switches no Service", func(t *testing.T) {
		text := strings.Replace(auto("budget: tight", "    rolling: {soak: 9m}\n"), "gatewayAPI: {route: checkout}", "service: {}", 1)
		text, _, _ = strings.Cut(text, "  analysis:")
		p := load(t, text)
		require.Equal(t, "rolling", p.Spec.Strategy.Name())
		require.Equal(t, plan.Duration(9*time.Minute), p.Spec.Strategy.Rolling.Soak)
		require.Len(t, p.Spec.Strategy.Rolling.Batches, 3)
		require.Zero(t, p.Spec.Traffic)
	})
	t.Run("to rolling, where there is no second track", func(t *testing.T) {
		text := strings.Replace(auto(blueGreen, ""), "deployment: checkout", "kind: StatefulSet, deployment: checkout", 1)
		s := load(t, text).Spec.Strategy
		require.Equal(t, "rolling", s.Name())
		require.Contains(t, s.Chosen.Reasons[0], "that of a StatefulSet would be another set of members")
		text = strings.Replace(auto(blueGreen, ""), "  traffic: {gatewayAPI: {route: checkout}}\n", "", 1)
		text, _, _ = strings.Cut(text, "  analysis:")
		require.Contains(t, load(t, text).Spec.Strategy.Chosen.Reasons[0], "the plan does not say what sends traffic to it")
	})
	t.Run("by words it knows", func(t *testing.T) {
		for profile, want := range map[string]string{
			"criticality: huge": `line 8: spec.strategy.auto.criticality: must be low, medium or high, not "huge"`,
			"budget: lots":      `line 8: spec.strategy.auto.budget: must be tight, normal or double, not "lots"`,
			"confidence: 90":    `line 8: spec.strategy.auto.confidence: must be low, medium or high, not "90"`,
			"mood: good":        `line 8: spec.strategy.auto.mood: unknown field "mood"`,
		} {
			_, err := plan.Load(strings.NewReader(auto(profile, "")))
			require.ErrorContains(t, err, want)
		}
	})
	t.Run("with settings that are right, also for what is not chosen", func(t *testing.T) {
		_, err := plan.Load(strings.NewReader(auto(blueGreen, "    canary: {steps: [{weight: 100}]}\n")))
		require.ErrorContains(t, err, "line 9: spec.strategy.canary.steps[0].weight")
	})
}

func TestAPlanWithoutAChoiceCannotBeReleased(t *testing.T) {
	p := load(t, short)
	p.Spec.Strategy = plan.Strategy{Auto: &plan.Profile{}}
	problems := p.Validate()
	require.Len(t, problems, 1)
	require.ErrorContains(t, problems[0], "spec.strategy.auto: nothing was chosen yet")
}

func TestWhatWasChosenIsWrittenBySlipwayAlone(t *testing.T) {
	chosen := "    chosen: {strategy: blueGreen, reasons: [mine]}\n"
	_, err := plan.Load(strings.NewReader(auto("", chosen)))
	require.ErrorContains(t, err, "line 9: spec.strategy.chosen: stands beside auto")
	_, err = plan.Load(strings.NewReader(strings.Replace(short, "    canary:\n", chosen+"    canary:\n", 1)))
	require.ErrorContains(t, err, `line 8: spec.strategy.chosen: says "blueGreen", but the plan has another strategy`)
}

// TestEveryProfileMakesAPlanThatCanBeReleased holds for whatever a plan has to route and to measure with.
func TestEveryProfileMakesAPlanThatCanBeReleased(t *testing.T) {
	const target = "deployment: checkout}"
	rapid.Check(t, func(t *rapid.T) {
		p := profiles().Draw(t, "profile")
		profile, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		text := auto(strings.Trim(string(profile), "{}"), "")
		if rapid.Bool().Draw(t, "no metrics") {
			text, _, _ = strings.Cut(text, "  analysis:")
			with := rapid.SampledFrom([]string{"traffic: {gatewayAPI: {route: checkout}}", "traffic: {service: {}}", ""}).Draw(t, "traffic")
			text = strings.Replace(text, "traffic: {gatewayAPI: {route: checkout}}", with, 1)
		}
		kind := rapid.SampledFrom([]string{plan.KindDeployment, plan.KindStatefulSet, plan.KindDaemonSet}).Draw(t, "kind")
		text = strings.Replace(text, target, "kind: "+kind+", "+target, 1)
		loaded, err := plan.Load(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s\n%s", err, text)
		}
		if problems := loaded.Validate(); len(problems) > 0 || loaded.Spec.Strategy.Name() == "" {
			t.Fatalf("%v\n%s", problems, text)
		}
	})
}
