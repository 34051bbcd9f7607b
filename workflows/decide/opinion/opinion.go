// SPDX-License-Identifier: Apache-2.0

// Package opinion asks the rules of a plan what they say of a release, for whoever judges one: the activity that watches a
// step, and the command that judges its record again. Workflow code must not call it; package judge takes what it
// answers, and knows nothing of how.
package opinion

import (
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/rule"
)

// panel are the rules of a plan, in its order.
type panel []seat

// seat is one rule, or why it cannot be read.
type seat struct {
	rule *rule.Rule
	err  error
}

// Read makes rules ready to be asked. One that cannot be read has no opinion, and says why.
func Read(rules []plan.Rule) judge.Rules {
	out := make(panel, 0, len(rules))
	for _, r := range rules {
		read, err := rule.Compile(r.When)
		out = append(out, seat{read, err})
	}
	return out
}

// Ask implements judge.Rules.
func (p panel) Ask(s judge.Sight) []judge.Ruling {
	out := make([]judge.Ruling, 0, len(p))
	for _, one := range p {
		if one.err != nil {
			out = append(out, judge.Ruling{Unsure: one.err.Error()})
			continue
		}
		said := one.rule.Ask(s.Known, s.Unknown)
		out = append(out, judge.Ruling{Met: said.Met, Unsure: said.Unsure, Saw: said.Saw})
	}
	return out
}
