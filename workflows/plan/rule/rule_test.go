// SPDX-License-Identifier: Apache-2.0

package rule_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan/rule"
)

func TestConditions(t *testing.T) {
	for text, want := range map[string]string{
		"candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare": "",
		"candidate.failed > 20 && candidate.failedShare > 3 * stable.failedShare":   "",
		"step.seconds > 60 ? candidate.requests / 2 > 10 : !(stable.flaps <= 1)":    "",
		"candidate.pods == 3.0 || candidate.pods - stable.pods < -1":                "",
		"":                       "must not be empty; write a condition such as",
		" \n":                    "must not be empty",
		"candidate.failed":       "must give true or false, not double: compare it with something",
		"candidate.failde > 20":  "is not a condition: undeclared reference to 'candidate.failde' (did you mean 'candidate.failed'?), at character 10; there are arithmetic, comparisons, &&, ||, ! and ?:, and the names step.weight, step.seconds, and of candidate and stable each: requests, failed",
		"candidate.failed > 20)": "is not a condition: extraneous input ')'",
		"candidate.failed >":     "at character 19",
		"candidate.failed > 20 &&\n  latency > 3.0":             "undeclared reference to 'latency', at line 2, character 3 of it",
		"candidate.pods == 3":                                   "at character 16; a number that is compared by == has a decimal point: 25.0",
		"true":                                                  "is always the same: use one of the names",
		"1 > 2 || 'a' == 'b'":                                   "is always the same",
		"candidate > 2.0":                                       "undeclared reference to 'candidate'",
		"now() > candidate.failed":                              "undeclared reference to 'now'",
		"[1, 2].exists(x, x > candidate.failed)":                "undeclared reference to",
		"candidate.failed in [1.0]":                             "undeclared reference to '@in'",
		"'aaa'.matches('(a+)+') && step.weight > 1":             "undeclared reference to 'matches'",
		strings.Repeat("candidate.failed > 1 || ", 50) + "true": "must be at most 1000 characters",
		strings.Repeat("1>step.weight||", 60) + "false":         "costs 120, and the limit is 100: about one for each name and operator; write two rules",
	} {
		_, err := rule.Compile(text)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}

func TestAnswers(t *testing.T) {
	known := map[string]float64{
		"candidate.failed": 24, "candidate.failedShare": .04, "candidate.requests": 600, "stable.failed": 0, "step.weight": 25,
	}
	unknown := map[string]string{"stable.failedShare": "stable had no requests in this step"}
	for text, want := range map[string]rule.Answer{
		"candidate.failed > 20 && candidate.failedShare > 0.03": {Met: true, Saw: "candidate.failed = 24, candidate.failedShare = 0.04"},
		"candidate.failed > 30":                                 {Saw: "candidate.failed = 24"},
		"candidate.failed / 5 > 4.7 && 5 / 2 > 2":               {Met: true, Saw: "candidate.failed = 24"},
		"candidate.failedShare > 3.0 * stable.failedShare":      {Unsure: "stable.failedShare is not known: stable had no requests in this step", Saw: "candidate.failedShare = 0.04"},
		"stable.failedShare > 0.1 && candidate.failed > 30":     {Saw: "candidate.failed = 24"},
		"stable.failedShare > 0.1 || candidate.failed > 20":     {Met: true, Saw: "candidate.failed = 24"},
		"!(stable.failedShare < 0.1)":                           {Unsure: "stable.failedShare is not known: stable had no requests in this step"},
		"candidate.pods > 1":                                    {Unsure: "candidate.pods is not known"},
		"candidate.failed / stable.failed > 3":                  {Unsure: "it divides by zero; a > 3.0 * b asks the same as a / b > 3.0, and needs no division", Saw: "candidate.failed = 24, stable.failed = 0"},
		"stable.failed / stable.failed != 1.0":                  {Unsure: "it divides by zero; a > 3.0 * b asks the same as a / b > 3.0, and needs no division", Saw: "stable.failed = 0"},
		"stable.failed > 0 && candidate.failed/stable.failed>3": {Saw: "stable.failed = 0, candidate.failed = 24"},
		"candidate.failed * 1e308 > 1":                          {Unsure: "it computes what is no number", Saw: "candidate.failed = 24"},
		"candidate.failed > -9223372036854775808 - 1":           {Met: true, Saw: "candidate.failed = 24"},
	} {
		t.Run(text, func(t *testing.T) {
			r, err := rule.Compile(text)
			require.NoError(t, err)
			require.Equal(t, want, r.Ask(known, unknown))
			require.Equal(t, want, r.Ask(known, unknown), "the same again")
		})
	}
}

func TestANumberThatIsNoneIsNotKnown(t *testing.T) {
	r, err := rule.Compile("candidate.failedShare < 0.5 || true")
	require.NoError(t, err)
	zero := 0.
	require.True(t, r.Ask(map[string]float64{"candidate.failedShare": zero / zero}, nil).Met, "whatever it is")
	r, err = rule.Compile("candidate.failedShare < 0.5")
	require.NoError(t, err)
	require.Equal(t, "candidate.failedShare is not known", r.Ask(map[string]float64{"candidate.failedShare": zero / zero}, nil).Unsure)
}

func TestWhatAConditionNeeds(t *testing.T) {
	r, err := rule.Compile("candidate.flaps > 1.0 && candidate.overSLOShare > 0.1")
	require.NoError(t, err)
	for what, want := range map[string]string{
		rule.NeedsFlapping: "candidate.flaps", "something else": "", rule.NeedsLatency: "candidate.overSLOShare", rule.NeedsSLO: "candidate.overSLOShare",
	} {
		name, ok := r.Needs(what)
		require.Equal(t, want, name)
		require.Equal(t, want != "", ok)
	}
}

func TestEveryNameIsDocumentedWithItsUnitAndRange(t *testing.T) {
	text, err := os.ReadFile("../../../docs/analysis.md")
	require.NoError(t, err)
	for _, n := range rule.Names() {
		name := n.Name
		if track, own, _ := strings.Cut(n.Name, "."); track == rule.Candidate || track == rule.Stable {
			name = "…." + own
		}
		require.Contains(t, strings.Split(string(text), "\n"), "| `"+name+"` | "+n.Unit+" | "+n.Range+" | "+n.Means+" |")
	}
}

func FuzzConditionsThatAreAcceptedAreAnswered(f *testing.F) {
	for _, text := range []string{
		"candidate.failed > 20 && candidate.failedShare > 3.0 * stable.failedShare", "step.weight / candidate.pods == 0.5 || !(1 < 2)",
		"step.seconds > 1 ? stable.flaps >= 2 : -candidate.failed < 1u", "[step.weight] == [1.0]", "{'a': step.weight}.a > 1.0",
	} {
		f.Add(text, 0., 5.)
	}
	f.Fuzz(func(t *testing.T, text string, a, b float64) {
		r, err := rule.Compile(text)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		known, unknown := map[string]float64{}, map[string]string{}
		for i, n := range rule.Names() {
			switch i % 3 {
			case 0:
				known[n.Name] = a
			case 1:
				known[n.Name] = b
			default:
				unknown[n.Name] = "nobody has looked"
			}
		}
		answer := r.Ask(known, unknown)
		require.False(t, answer.Met && answer.Unsure != "", "what is not known is not met")
		require.Equal(t, answer, r.Ask(known, unknown))
		require.NotContains(t, answer.Unsure, "cost limit", "what is too dear is refused when it is read")
		require.NotContains(t, answer.Unsure, "internal error")
	})
}
