// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Answers are what other systems said about the candidate at one moment.
type Answers struct {
	At time.Time `json:"at"`
	// All by the place of their checks in the plan; those that were not asked are missing.
	All map[int]Answer `json:"all"`
}

// Answer of one system.
type Answer struct {
	Passed bool `json:"passed,omitempty"`
	// Silent says that there was none.
	Silent bool `json:"silent,omitempty"`
	// Says in plain words what it was.
	Says string `json:"says"`
}

// AnswerRun is what one check has come to.
type AnswerRun struct {
	// At is when it was asked last.
	At time.Time `json:"at,omitzero"`
	// Failed and Silent are how many times in a row it has failed, or got no answer.
	Failed int    `json:"failed,omitempty"`
	Silent int    `json:"silent,omitempty"`
	Says   string `json:"says,omitempty"`
}

// Hear takes answers into account.
func (s *State) Hear(p *Settings, a Answers) {
	if len(s.Guard.Answers) != len(p.checks) {
		s.Guard.Answers = make([]AnswerRun, len(p.checks))
	}
	for i, answer := range a.All {
		if i < 0 || i >= len(p.checks) || !a.At.After(s.Guard.Answers[i].At) {
			continue
		}
		run := &s.Guard.Answers[i]
		run.At, run.Says = a.At, answer.Says
		switch {
		case answer.Silent:
			run.Silent++
		case answer.Passed:
			run.Failed, run.Silent = 0, 0
		default:
			run.Failed, run.Silent = run.Failed+1, 0
		}
	}
}

// Due reports whether a check of the plan is to be asked, by its place.
func (w *Watched) Due(i int, every time.Duration, now time.Time) bool {
	return i >= len(w.Answers) || now.Sub(w.Answers[i].At) >= every
}

// found judges what a check has come to. There is no stable that it could be compared with.
func (r *AnswerRun) found(q *plan.Inquiry) (Kind, string) {
	switch {
	case r.Failed >= q.Failures:
		return Catastrophe, fmt.Sprintf("check %s failed %s in a row: %s", q.Name, often(r.Failed), r.Says)
	case r.Silent >= blindLooks:
		return Blind, fmt.Sprintf("check %s got no answer %s in a row: %s", q.Name, often(r.Silent), r.Says)
	case r.Failed > 0:
		return Suspicious, fmt.Sprintf("check %s failed: %s", q.Name, r.Says)
	}
	return Advance, ""
}
