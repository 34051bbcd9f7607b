// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/rule"
)

// Sight is what the rules of a plan see at the end of a tick.
type Sight struct {
	// Known are numbers, by the names of [rule.Names].
	Known map[string]float64 `json:"known"`
	// Unknown says why the others are not.
	Unknown map[string]string `json:"unknown,omitempty"`
}

// Rulings are what the rules of a plan said at the end of a tick, in its order. The judge asks none itself: it is told.
type Rulings struct {
	At    time.Time `json:"at"`
	Sight Sight     `json:"sight"`
	All   []Ruling  `json:"all"`
}

// Ruling of one rule.
type Ruling struct {
	Met bool `json:"met,omitempty"`
	// Unsure says why there is none; empty: there is one.
	Unsure string `json:"unsure,omitempty"`
	// Saw are the numbers in it, in plain words.
	Saw string `json:"saw,omitempty"`
}

// Rules of a plan can be asked.
type Rules interface {
	// Ask gives one ruling for each. The same sight gives the same rulings.
	Ask(Sight) []Ruling
}

// RuleRun is what one rule has come to.
type RuleRun struct {
	// At is the end of the tick in which it was asked last.
	At time.Time `json:"at,omitzero"`
	// Met and Unsure are in how many ticks in a row it was met, or had no answer.
	Met    int    `json:"met,omitempty"`
	Unsure int    `json:"unsure,omitempty"`
	Saw    string `json:"saw,omitempty"`
	Why    string `json:"why,omitempty"`
}

// See is what the rules see after a tick was added; false where nobody is to be asked: there are no rules, or the step
// warms up.
func (s *State) See(p *Settings) (Sight, bool) {
	if len(p.rules) == 0 || s.At.Add(-p.Interval).Before(s.Since.Add(p.WarmUp)) {
		return Sight{}, false
	}
	out := Sight{Known: map[string]float64{}, Unknown: map[string]string{}}
	if s.Gap != "" { // nothing is known of this tick
		for _, n := range rule.Names() {
			out.Unknown[n.Name] = s.Gap
		}
		return out, true
	}
	out.know(rule.StepWeight, float64(s.Weight))
	out.know(rule.StepSeconds, s.At.Sub(s.Since).Seconds())
	for side, track := range [...]string{rule.Stable, rule.Candidate} {
		s.seeRequests(p, &out, track)
		s.seeSlow(p, &out, track, rule.SlowShare, func(m *Metric) bool { return m.certify })
		s.seeSlow(p, &out, track, rule.OverSLOShare, func(m *Metric) bool { return m.slo })
		s.seePods(p, &out, track, side)
	}
	return out, true
}

func (s *Sight) know(name string, v float64) { s.Known[name] = v }

// share is one of so many.
func (s *Sight) share(name string, bad, of float64, why string) {
	if of > 0 {
		s.Known[name] = bad / of
		return
	}
	s.Unknown[name] = why
}

// counted are the requests of a track by a metric: those of this step, or what stable did before where it does not
// serve.
func (s *State) counted(p *Settings, track string, m int) (bad, of float64) {
	if track == rule.Stable && p.alone {
		return p.Metrics[m].count(&p.reference)
	}
	o := s.Steps[len(s.Steps)-1].Sums[m].outcome()
	if track == rule.Stable {
		return o.y, o.nb
	}
	return o.x, o.nc
}

func (s *State) seeRequests(p *Settings, out *Sight, track string) {
	bad, of := s.counted(p, track, 0)
	why := track + " had no requests in this step"
	if track == rule.Stable && p.alone {
		why = "stable does not serve beside the candidate, and what it did before is not known"
		if of == 0 {
			out.Unknown[rule.Of(track, rule.Requests)], out.Unknown[rule.Of(track, rule.Failed)] = why, why
			out.Unknown[rule.Of(track, rule.FailedShare)] = why
			return
		}
	}
	out.know(rule.Of(track, rule.Requests), of)
	out.know(rule.Of(track, rule.Failed), bad)
	out.share(rule.Of(track, rule.FailedShare), bad, of, why)
}

// seeSlow is the share of slow requests by the first boundary that is the one.
func (s *State) seeSlow(p *Settings, out *Sight, track, name string, is func(*Metric) bool) {
	for m := range p.Metrics {
		if p.Metrics[m].UpTo > 0 && is(&p.Metrics[m]) {
			bad, of := s.counted(p, track, m)
			out.share(rule.Of(track, name), bad, of, track+" had no timed requests with that boundary")
			return
		}
	}
	out.Unknown[rule.Of(track, name)] = "the histogram has no boundary for it that is judged"
}

func (s *State) seePods(p *Settings, out *Sight, track string, side int) {
	w := &s.Guard
	names := [happenings]string{restarts: rule.Restarts, kills: rule.OOMKills, losses: rule.Flaps}
	why := ""
	switch {
	case w.Misses >= blindLooks:
		why = "the pods could not be looked at: " + w.Missed
	case w.At.IsZero():
		why = "nobody has looked at the pods"
	}
	if why != "" {
		out.Unknown[rule.Of(track, rule.Pods)] = why
	} else {
		out.know(rule.Of(track, rule.Pods), float64(w.Pods[side].Number))
	}
	for i, name := range names {
		switch {
		case why != "":
			out.Unknown[rule.Of(track, name)] = why
		case p.guards[i].limit == 0:
			out.Unknown[rule.Of(track, name)] = "its guard is not in the plan"
		default:
			out.know(rule.Of(track, name), float64(w.Times[i][side].sum()))
		}
	}
}

// Rule takes rulings into account.
func (s *State) Rule(p *Settings, r Rulings) {
	if len(s.Guard.Rules) != len(p.rules) {
		s.Guard.Rules = make([]RuleRun, len(p.rules))
	}
	for i := range min(len(r.All), len(p.rules)) {
		run, now := &s.Guard.Rules[i], &r.All[i]
		if !r.At.After(run.At) {
			continue
		}
		run.At, run.Why = r.At, now.Unsure
		switch {
		case now.Unsure != "":
			run.Unsure++
			continue
		case now.Met:
			run.Met, run.Unsure = run.Met+1, 0
		default:
			run.Met, run.Unsure = 0, 0
		}
		run.Saw = now.Saw
	}
}

// found judges what a rule has come to.
func (r *RuleRun) found(q *plan.Rule) (Kind, string) {
	text := fmt.Sprintf("rule %s is met: %s (%s)", q.Name, strings.Join(strings.Fields(q.When), " "), r.Saw)
	switch {
	case r.Unsure >= blindTicks:
		return Blind, fmt.Sprintf("rule %s could not be answered for %d ticks: %s", q.Name, r.Unsure, r.Why)
	case r.Met == 0:
		return Advance, ""
	case r.Met >= q.For && q.Then == plan.ThenHold:
		return Suspicious, text
	case q.Then == plan.ThenHold:
		return Advance, ""
	case r.Met >= q.For && r.Unsure == 0:
		return Catastrophe, fmt.Sprintf("%s, %s in a row", text, ticks(r.Met))
	}
	return Suspicious, fmt.Sprintf("%s, in %s of %d that take the candidate back", text, ticks(r.Met), q.For)
}

func ticks(n int) string {
	if n == 1 {
		return "1 tick"
	}
	return fmt.Sprintf("%d ticks", n)
}
