// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
)

// Level is how much there is of something: low, medium or high.
type Level string

// The levels.
const (
	Low    Level = "low"
	Medium Level = "medium"
	High   Level = "high"
)

// Budget is what a release may cost in extra pods. Each word pays for one row of the table's costs.
type Budget string

// The budgets, from the smallest.
const (
	// Tight has room for a few extra pods: cost low.
	Tight Budget = "tight"
	// Normal has room for more of them while a release watches: cost medium.
	Normal Budget = "normal"
	// Double has room for everything twice: cost high.
	Double Budget = "double"
)

// Profile is what the choice of a strategy rests on. What is left out is medium, normal or false.
type Profile struct {
	// Criticality of the service: low, medium or high, as for payment and login; default medium.
	Criticality Level `json:"criticality,omitempty" jsonschema:"enum=low,enum=medium,enum=high"`
	// Budget for extra pods: tight (a few), normal (more while a release watches) or double (everything
	// twice); default normal.
	Budget Budget `json:"budget,omitempty" jsonschema:"enum=tight,enum=normal,enum=double"`
	// Confidence in the change: low, medium or high; default medium.
	Confidence Level `json:"confidence,omitempty" jsonschema:"enum=low,enum=medium,enum=high"`
	// NewFeature is true when the change brings a feature that users have not seen yet.
	NewFeature bool `json:"newFeature,omitempty"`
	// Quiet is true when there are too few requests to compare two versions by: in one hold, fewer than
	// analysis.minRequests on the candidate.
	Quiet bool `json:"quiet,omitempty"`
}

// Means is what a choice has at hand beside the profile; a plan says it by its traffic and analysis.
type Means struct {
	// Router knows weights: without one, everybody is sent over at once.
	Router bool
	// Metrics tell how the two versions do.
	Metrics bool
	// OneTrack says why there can be no second track beside the first; empty where there can.
	OneTrack string
}

// Choice is a strategy with the reasons for it and against the others.
type Choice struct {
	// Strategy is the name of the chosen one.
	Strategy string `json:"strategy"`
	// Profile that it was chosen for, complete.
	Profile Profile `json:"profile"`
	// Reasons in the order in which they were weighed; the last one decided.
	Reasons []string `json:"reasons"`
	// Advice is what to do besides.
	Advice []string `json:"advice,omitempty"`
	// Rejected are the other strategies.
	Rejected []Rejection `json:"rejected,omitempty"`
}

// Rejection says why a strategy was not chosen.
type Rejection struct {
	Strategy string `json:"strategy"`
	Why      string `json:"why"`
}

// wish is a strategy that something speaks for.
type wish struct{ strategy, because string }

// Choose applies the comparison of the strategies (docs/strategies.md, "Which strategy"):
//
//	strategy     risk      way back  cost    chosen for
//	featureFlag  very low  instant   low     testing a new feature
//	blueGreen    low       instant   high    critical systems
//	rolling      medium    slow      low     budget constraints
//	canary       low       fast      medium  confidence in the change
//
// What the profile says is weighed in the order of these rows, and the first strategy that something
// speaks for and that nothing stands in the way of is the one. In the way stand a cost above the budget, a
// missing router or missing numbers (canary), and that Slipway cannot carry a strategy out yet
// (featureFlag). Nothing ever stands in the way of rolling, so there is always exactly one choice.
func Choose(p Profile, m Means) Choice {
	p.fill()
	c := Choice{Profile: p}
	blocked := map[string]bool{}
	for _, w := range p.wishes() {
		if blocked[w.strategy] {
			continue
		}
		obstacle := p.obstacle(w.strategy, m)
		if obstacle == "" {
			c.Strategy, c.Reasons = w.strategy, append(c.Reasons, w.because)
			break
		}
		blocked[w.strategy] = true
		c.Reasons = append(c.Reasons, fmt.Sprintf("%s. Not possible here: %s", w.because, obstacle))
	}
	c.Advice = p.advice(c.Strategy)
	c.reject(m)
	return c
}

// wishes are the rows of the table that hold, first the one that weighs most. The last ones always hold.
func (p Profile) wishes() []wish {
	rows := []struct {
		holds bool
		wish
	}{
		{p.NewFeature, wish{StrategyFeatureFlag, "there is a new feature: featureFlag shows it to some users, apart from the deployment"}},
		{p.Criticality == High, wish{StrategyBlueGreen, "criticality is high: blueGreen is for critical systems, its way back is instant"}},
		{p.Budget == Tight, wish{StrategyRolling, "budget is tight: rolling needs the fewest extra pods"}},
		{p.Confidence == Low, wish{StrategyBlueGreen, "confidence is low: blueGreen is tested in full before any user is sent to it"}},
		{true, wish{StrategyCanary, fmt.Sprintf("confidence is %s: canary lets few users try the change first, and compares", p.Confidence)}},
		{true, wish{StrategyBlueGreen, "blueGreen comes next, with a risk as low"}},
		{true, wish{StrategyRolling, "rolling is what is left: it needs no router, no numbers and few pods"}},
	}
	var out []wish
	for _, r := range rows {
		if r.holds {
			out = append(out, r.wish)
		}
	}
	return out
}

// obstacle is what stands in the way of a strategy; empty when nothing does.
func (p Profile) obstacle(strategy string, m Means) string {
	switch strategy {
	case StrategyFeatureFlag:
		return "Slipway cannot carry out featureFlag yet"
	case StrategyBlueGreen:
		switch {
		case p.Budget != Double:
			return fmt.Sprintf("blueGreen's cost is high, twice the pods, which a %s budget does not pay", p.Budget)
		case m.OneTrack != "":
			return "blueGreen needs a second track: " + m.OneTrack
		}
	case StrategyCanary:
		switch {
		case m.OneTrack != "":
			return "canary needs a second track: " + m.OneTrack
		case p.Budget == Tight:
			return "canary's cost is medium, which a tight budget does not pay"
		case !m.Router:
			return "canary needs a router that knows weights (traffic.gatewayAPI)"
		case !m.Metrics:
			return "canary needs numbers to compare by (analysis.source)"
		case p.Quiet:
			return "canary needs enough requests to compare by, and the service is quiet"
		}
	}
	return ""
}

// advice is what makes the chosen strategy as good as it can be for the profile.
func (p Profile) advice(strategy string) []string {
	var out []string
	if p.NewFeature {
		out = append(out, "put the new feature behind a flag of your own and deploy it switched off")
	}
	switch {
	case strategy == StrategyBlueGreen:
		out = append(out, "test the new version before the switch: blueGreen.preview")
	case strategy == StrategyRolling && p.Criticality == High:
		out = append(out, "for a critical system this is second best: risk medium, way back slow; a double budget would allow blueGreen")
	}
	return out
}

// reject names the strategies that were not chosen, in the table's order.
func (c *Choice) reject(m Means) {
	for _, s := range []string{StrategyFeatureFlag, StrategyBlueGreen, StrategyRolling, StrategyCanary} {
		if s == c.Strategy {
			continue
		}
		why := c.Profile.obstacle(s, m)
		if why == "" {
			why = fmt.Sprintf("possible, but more speaks for %s", c.Strategy)
		}
		c.Rejected = append(c.Rejected, Rejection{Strategy: s, Why: why})
	}
}

// Settings are the least that a plan has to write for the choice. The first steps of a canary are those
// of the table's source, 5, 25 and 50 %, held for 10m, or for 20m where confidence is low.
func (c Choice) Settings() Strategy {
	switch c.Strategy {
	case StrategyCanary:
		hold := autoHold
		if c.Profile.Confidence == Low {
			hold = autoHoldUnsure
		}
		return Strategy{Canary: &Canary{Steps: []Step{{Weight: 5, Hold: hold}, {Weight: 25, Hold: hold}, {Weight: 50, Hold: hold}}}}
	case StrategyBlueGreen:
		return Strategy{BlueGreen: &BlueGreen{}}
	}
	return Strategy{Rolling: &Rolling{}}
}

// means are what a plan has at hand.
func (s *Spec) means() Means {
	router, _ := s.Traffic.Router()
	m := Means{Router: router.InFront, Metrics: s.Analysis != nil && s.Analysis.Source.Prometheus != nil}
	switch {
	case s.Target.Kind != KindDeployment:
		m.OneTrack = fmt.Sprintf("that of a %s would be another set of members", s.Target.Kind)
	case s.Traffic == (Traffic{}):
		m.OneTrack = "the plan does not say what sends traffic to it (spec.traffic)"
	}
	return m
}

// resolve puts what auto chooses in its place: with the settings that the plan has for it, else with
// those of the choice.
func (p *Plan) resolve() {
	written := p.Spec.Strategy
	choice := Choose(*written.Auto, p.Spec.means())
	chosen := choice.Settings()
	switch choice.Strategy {
	case StrategyCanary:
		chosen.Canary = prefer(written.Canary, chosen.Canary)
	case StrategyBlueGreen:
		chosen.BlueGreen = prefer(written.BlueGreen, chosen.BlueGreen)
	case StrategyRolling:
		chosen.Rolling = prefer(written.Rolling, chosen.Rolling)
		p.Spec.Traffic.Service = nil // rolling switches no Service
	}
	chosen.Chosen = &choice
	p.Spec.Strategy = chosen
	p.fill()
}

// prefer what was written.
func prefer[T any](written, otherwise *T) *T {
	if written != nil {
		return written
	}
	return otherwise
}

// fill writes the defaults into a profile.
func (p *Profile) fill() {
	or(&p.Criticality, Medium)
	or(&p.Budget, Normal)
	or(&p.Confidence, Medium)
}

// Validate finds words that a profile does not know; what is left out is fine. The problems' fields are
// criticality, budget and confidence.
func (p Profile) Validate() []*Problem {
	var c checker
	c.profile("", p)
	return c.problems
}

func (c *checker) profile(at string, p Profile) {
	p.fill()
	level := func(field string, l Level) {
		c.must(slices.Contains([]Level{Low, Medium, High}, l), at+field, "must be low, medium or high, not %q", l)
	}
	level("criticality", p.Criticality)
	c.must(slices.Contains([]Budget{Tight, Normal, Double}, p.Budget), at+"budget", "must be tight, normal or double, not %q", p.Budget)
	level("confidence", p.Confidence)
}
