// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/rule"
)

// ruled are limits with one rule.
func ruled(r plan.Rule) plan.Analysis {
	r.Name, r.When = "many", "candidate.failed >\n  20"
	a := limits()
	a.Guards = &plan.Guards{Flapping: &plan.Times{}, Rules: []plan.Rule{r}}
	return a.Complete()
}

func TestWhatRulesSayBecomesAVerdict(t *testing.T) {
	met, not, unsure := Ruling{Met: true, Saw: "candidate.failed = 24"}, Ruling{}, Ruling{Unsure: "it divides by zero"}
	hold, dry := plan.Rule{Then: plan.ThenHold}, plan.Rule{DryRun: true}
	for name, c := range map[string]struct {
		rule   plan.Rule
		said   []Ruling
		want   Kind
		reason string
	}{
		"never met":                       {plan.Rule{}, []Ruling{not, not, not}, Advance, "Proven"},
		"met once":                        {plan.Rule{}, []Ruling{not, met}, Suspicious, "rule many is met: candidate.failed > 20 (candidate.failed = 24), in 1 tick of 2 that take the candidate back"},
		"met twice":                       {plan.Rule{}, []Ruling{met, met}, Catastrophe, "rule many is met: candidate.failed > 20 (candidate.failed = 24), 2 ticks in a row"},
		"once is enough":                  {plan.Rule{For: 1}, []Ruling{met}, Catastrophe, "(candidate.failed = 24), 1 tick in a row"},
		"two of three":                    {plan.Rule{For: 3}, []Ruling{met, met}, Suspicious, "in 2 ticks of 3"},
		"not met in between":              {plan.Rule{}, []Ruling{met, not, met}, Suspicious, "in 1 tick of 2"},
		"no longer met":                   {plan.Rule{For: 3}, []Ruling{met, met, not}, Advance, "Proven"},
		"no answer":                       {plan.Rule{}, []Ruling{unsure, unsure}, Advance, "Proven"},
		"no answer for long":              {plan.Rule{}, []Ruling{met, unsure, unsure, unsure}, Blind, "rule many could not be answered for 3 ticks: it divides by zero"},
		"no answer is not met":            {plan.Rule{}, []Ruling{met, unsure}, Suspicious, "in 1 tick of 2"},
		"met around no answer":            {plan.Rule{}, []Ruling{met, unsure, met}, Catastrophe, "2 ticks in a row"},
		"an answer after none":            {plan.Rule{}, []Ruling{unsure, unsure, not, unsure}, Advance, "Proven"},
		"to hold, met once":               {hold, []Ruling{met}, Advance, "Proven"},
		"to hold, met twice":              {hold, []Ruling{met, met}, Suspicious, "rule many is met: candidate.failed > 20 (candidate.failed = 24)"},
		"to hold, met for long":           {hold, slices.Repeat([]Ruling{met}, 50), Suspicious, "rule many is met"},
		"to hold, then no answer":         {hold, []Ruling{met, met, unsure}, Suspicious, "rule many is met"},
		"to hold, no longer met":          {hold, []Ruling{met, met, not}, Advance, "Proven"},
		"in dry run":                      {dry, []Ruling{met, met}, Advance, "In dry run, deciding nothing: would have rolled back, since rule many is met"},
		"in dry run, met once":            {dry, []Ruling{met}, Advance, "In dry run, deciding nothing: would have held, since rule many is met"},
		"in dry run, no answer for long":  {dry, []Ruling{unsure, unsure, unsure}, Advance, "would have held, since rule many could not be answered"},
		"in dry run, to hold, met twice":  {plan.Rule{DryRun: true, Then: plan.ThenHold}, []Ruling{met, met}, Advance, "would have held, since rule many is met"},
		"in dry run, nothing to speak of": {dry, []Ruling{not}, Advance, "Proven"},
	} {
		t.Run(name, func(t *testing.T) {
			course := good(ruled(c.rule))
			for n, one := range c.said {
				said := Rulings{At: began().Add(time.Duration(n+1) * time.Hour), All: []Ruling{one, met}}
				course.s.Rule(&course.p, said)
				course.s.Rule(&course.p, said) // a worker that died has written it twice
			}
			f := course.s.Find(&course.p)
			require.Equal(t, c.want, f.Kind, course.s.Explain(&course.p, f))
			require.Contains(t, course.s.Verdict(&course.p, f).Reason, c.reason)
			require.True(t, course.s.Sound(&course.p))
		})
	}
}

func TestARuleBeginsAnewAtANewWeight(t *testing.T) {
	course := good(ruled(plan.Rule{}))
	course.s.Rule(&course.p, Rulings{At: began(), All: []Ruling{{Met: true}}})
	same := Begin(&course.p, course.s, 10, course.s.At)
	require.Equal(t, 1, same.Guard.Rules[0].Met)
	next := Begin(&course.p, course.s, 50, course.s.At)
	require.Empty(t, next.Guard.Rules)
}

// names that are known, and those that are not.
func (s Sight) names() []string {
	var out []string
	for name := range s.Known {
		out = append(out, name)
	}
	for name := range s.Unknown {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func TestRulesSeeEveryNameOnce(t *testing.T) {
	var want []string
	for _, n := range rule.Names() {
		want = append(want, n.Name)
	}
	slices.Sort(want)
	course := good(ruled(plan.Rule{}))
	seen, due := course.s.See(&course.p)
	require.True(t, due)
	require.Empty(t, cmp.Diff(want, seen.names()))
	course.s.Gap = "a scrape is missing"
	seen, due = course.s.See(&course.p)
	require.True(t, due)
	require.Empty(t, seen.Known, "nothing is known of a tick that is not to be trusted")
	require.Empty(t, cmp.Diff(want, seen.names()))
	require.Equal(t, "a scrape is missing", seen.Unknown["step.weight"])
}

func TestRulesSeeWhatWasCountedInTheStep(t *testing.T) {
	c := begin(ruled(plan.Rule{}), known())
	c.look(0, fine(10, 240), fine(2, .1))
	c.look(.1, fine(10, 240), fine(2, .1).with(2, 2, true))
	c.add(2, served(900, 9, 9), served(100, 50, 50))
	_, due := c.s.See(&c.p)
	require.False(t, due, "the step warms up")
	c.add(4, served(900, 1, 9), served(100, 5, 10))
	seen, due := c.s.See(&c.p)
	require.True(t, due)
	want := map[string]float64{
		"step.weight": 10, "step.seconds": 60,
		"candidate.requests": 400, "candidate.failed": 20, "candidate.failedShare": .05, "candidate.slowShare": .1, "candidate.overSLOShare": .1,
		"candidate.pods": 2, "candidate.restarts": 4, "candidate.oomKills": 4, "candidate.flaps": 0,
		"stable.requests": 3600, "stable.failed": 4, "stable.failedShare": 1. / 900, "stable.slowShare": .01, "stable.overSLOShare": .01,
		"stable.pods": 10, "stable.restarts": 0, "stable.oomKills": 0, "stable.flaps": 0,
	}
	require.Empty(t, cmp.Diff(want, seen.Known))
	require.Empty(t, seen.Unknown)
}

func TestRulesAreToldWhyANumberIsNotKnown(t *testing.T) {
	alone := func(of decide.Counts) func(*course) {
		return func(c *course) { c.p = c.p.Against(of) }
	}
	for name, c := range map[string]struct {
		change    func(*plan.Analysis)
		before    func(*course)
		stable    decide.Counts
		candidate decide.Counts
		number    string
		why       string
	}{
		"no requests of the candidate": {nil, nil, served(900, 1, 9), decide.Counts{}, "candidate.failedShare", "candidate had no requests in this step"},
		"no requests of stable":        {nil, nil, decide.Counts{}, served(100, 0, 0), "stable.failedShare", "stable had no requests in this step"},
		"no histogram of stable":       {nil, nil, counted(900, 1), served(100, 0, 0), "stable.slowShare", "stable had no timed requests with that boundary"},
		"latency is not judged":        {func(a *plan.Analysis) { a.Latency = nil }, nil, served(900, 1, 9), served(100, 0, 0), "candidate.slowShare", "the histogram has no boundary for it that is judged"},
		"nobody watches":               {func(a *plan.Analysis) { a.Guards.Flapping = nil }, nil, served(900, 1, 9), served(100, 0, 0), "candidate.flaps", "its guard is not in the plan"},
		"nobody has looked":            {nil, func(c *course) { c.s.Guard.At = time.Time{} }, served(900, 1, 9), served(100, 0, 0), "candidate.pods", "nobody has looked at the pods"},
		"nobody could look": {nil, func(c *course) {
			for n := range 3 {
				c.s.Look(&c.p, Look{At: began().Add(time.Duration(n+1) * time.Minute), Missed: "no right"})
			}
		}, served(900, 1, 9), served(100, 0, 0), "stable.restarts", "the pods could not be looked at: no right"},
		"stable served never": {nil, alone(decide.Counts{}), decide.Counts{}, served(100, 0, 0), "stable.requests", "stable does not serve beside the candidate, and what it did before is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			a := ruled(plan.Rule{})
			if c.change != nil {
				c.change(&a)
			}
			course := begin(a, known())
			course.look(0, fine(10, 240), fine(2, .1))
			if c.before != nil {
				c.before(course)
			}
			course.add(4, c.stable, c.candidate)
			seen, due := course.s.See(&course.p)
			require.True(t, due)
			require.Equal(t, c.why, seen.Unknown[c.number])
			require.NotContains(t, seen.Known, c.number)
		})
	}
	course := begin(ruled(plan.Rule{}), known())
	alone(served(1000, 5, 20))(course)
	course.add(4, decide.Counts{}, served(100, 0, 0))
	seen, _ := course.s.See(&course.p)
	require.Equal(t, []float64{1000, 5, .005, .02}, []float64{
		seen.Known["stable.requests"], seen.Known["stable.failed"], seen.Known["stable.failedShare"], seen.Known["stable.slowShare"],
	}, "what stable did before stands in for it")
}
