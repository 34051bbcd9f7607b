// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// pass ends a step that was judged well: its gate asks, if it has one.
func (r *release) pass(ctx workflow.Context, s *StepStatus, g *plan.Gate) error {
	if g != nil && r.promoted == nil {
		s.State = Asking
		if err := r.gate(ctx, *g); err != nil {
			return err
		}
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	s.State = Passed
	if r.promoted != nil {
		s.State = Skipped
	}
	return nil
}

// gate asks the people that the plan names.
func (r *release) gate(ctx workflow.Context, g plan.Gate) error {
	return r.ask(ctx, ask{
		text:     fmt.Sprintf("approval by %d of %v", g.Quorum, g.Approvers),
		question: question{approvers: g.Approvers, quorum: g.Quorum}, within: g.Within,
	})
}

// ask is a question to people; its silence at the deadline is a no.
type ask struct {
	question
	text   string
	within plan.Duration
}

func (r *release) ask(ctx workflow.Context, a ask) error {
	q := a.question
	r.question = &q
	defer func() { r.question = nil }()
	deadline := workflow.Now(ctx).Add(a.within.D())
	r.note(ctx, "asked: %s", a.text)
	r.at(ctx, moment{next: a.text, owner: OwnerPeople, deadline: deadline, atDeadline: "the release is undone"})
	answered, err := r.guard(ctx, deadline, func() bool { return q.answered() || r.promoted != nil })
	if err == nil && !answered {
		return stop("nobody answered within %s: %s", a.within, a.text)
	}
	return err
}
