// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Entry is one line of the record of a release: exactly one of its last six fields is set. A watch that was
// taken over by another worker has said twice how it began, and may have written ticks twice; the second time
// counts for nothing.
type Entry struct {
	// Release that it belongs to.
	Release string `json:"release"`
	// At is when it was written, by the worker's clock.
	At      time.Time       `json:"at"`
	Watch   *Watch          `json:"watch,omitempty"`
	Tick    *Judged         `json:"tick,omitempty"`
	Look    *Look           `json:"look,omitempty"`
	Answers *Answers        `json:"answers,omitempty"`
	Rules   *Rulings        `json:"rules,omitempty"`
	Verdict *decide.Verdict `json:"verdict,omitempty"`
}

// Watch is how one watch began: all that its judgement depends on, beside the ticks.
type Watch struct {
	Analysis plan.Analysis `json:"analysis"`
	History  History       `json:"history,omitzero"`
	Weight   int           `json:"weight"`
	Start    time.Time     `json:"start"`
	// Alone says that stable did not serve beside the candidate, Reference what it did before.
	Alone     bool          `json:"alone,omitempty"`
	Reference decide.Counts `json:"reference,omitzero"`
	// State that it began with.
	State State `json:"state,omitzero"`
	// Queries that were asked of the source, for whoever wants to ask again.
	Queries []string `json:"queries,omitempty"`
}

// Settings of the watch.
func (w *Watch) Settings() Settings {
	p := New(w.Analysis, w.History)
	if w.Alone {
		p = p.Against(w.Reference)
	}
	return p
}

// goesOn reports whether w is the watch before, of which whoever has taken it over says again how it began.
func (w *Watch) goesOn(before *Watch) bool {
	return before != nil && w.Weight == before.Weight && w.Start.Equal(before.Start)
}

// Judged is a tick and what was found after it.
type Judged struct {
	Tick
	Evidence    float64 `json:"evidence"`
	Certificate float64 `json:"certificate,omitempty"`
	Says        string  `json:"says,omitempty"`
}

// Replayed is one watch of a record, judged again.
type Replayed struct {
	Weight int `json:"weight"`
	// Then is the verdict that was given; nil where the watch was ended by other means.
	Then *decide.Verdict `json:"then,omitempty"`
	// Now is the verdict by the other settings, at the tick that ended at At: the first that fails, or the last.
	Now decide.Verdict `json:"now"`
	At  time.Time      `json:"at"`
	// Ticks that were judged.
	Ticks int `json:"ticks"`
}

// Replay judges a record again, in the order of its lines, with settings that change has changed. It judges what
// happened: a release that was rolled back has no ticks after that, whatever the other settings would have done.
//
// Rules that are as they were are taken at their word; where change has changed one, all are read anew, and asked.
func Replay(entries []Entry, change func(*plan.Analysis) error, read func([]plan.Rule) Rules) ([]Replayed, error) {
	var out []Replayed
	var p Settings
	var s State
	var others Rules // nil: nothing has changed
	var began *Watch
	for i, e := range entries {
		switch {
		case e.Watch != nil && e.Watch.goesOn(began):
		case e.Watch != nil:
			began = e.Watch
			w := *e.Watch
			before := New(w.Analysis, w.History).rules
			if err := change(&w.Analysis); err != nil {
				return nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			p = w.Settings()
			if others = nil; !slices.Equal(before, p.rules) {
				others = read(p.rules)
			}
			if len(s.Steps) == 0 { // the record begins in the middle
				s = w.State
			}
			s = Begin(&p, s, w.Weight, w.Start)
			out = append(out, Replayed{Weight: w.Weight})
		case len(out) == 0:
			return nil, fmt.Errorf("line %d: the record does not begin with a watch", i+1)
		case e.Tick != nil:
			if r := &out[len(out)-1]; r.Now.Outcome != decide.Fail {
				s.Add(&p, e.Tick.Tick)
				r.Ticks++
				if sight, due := s.See(&p); due && others != nil {
					s.Rule(&p, Rulings{At: s.At, Sight: sight, All: others.Ask(sight)})
				}
				r.judge(&p, &s, e.Tick.End)
			}
		case e.Look != nil:
			if r := &out[len(out)-1]; r.Now.Outcome != decide.Fail {
				s.Look(&p, *e.Look)
				r.judge(&p, &s, e.Look.At)
			}
		case e.Answers != nil:
			if r := &out[len(out)-1]; r.Now.Outcome != decide.Fail {
				s.Hear(&p, *e.Answers)
				r.judge(&p, &s, e.Answers.At)
			}
		case e.Rules != nil:
			if r := &out[len(out)-1]; r.Now.Outcome != decide.Fail && others == nil {
				s.Rule(&p, *e.Rules)
				r.judge(&p, &s, e.Rules.At)
			}
		case e.Verdict != nil:
			out[len(out)-1].Then = e.Verdict
		}
	}
	return out, nil
}

func (r *Replayed) judge(p *Settings, s *State, at time.Time) {
	r.Now, r.At = s.Verdict(p, s.Find(p)), at
}
