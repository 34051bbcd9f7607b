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
	s.State, s.Ended = Passed, workflow.Now(ctx)
	if r.promoted != nil {
		s.State = Skipped
		return nil
	}
	r.tell(ctx, plan.StepPassed, passed(*s, r.status))
	return nil
}

// passed is what a step tells once it has passed.
func passed(step StepStatus, s Status) string {
	what := step.Name
	if what == "" {
		what = fmt.Sprintf("%d %%", step.Weight)
	}
	text := fmt.Sprintf("step %d of %d passed: %s", s.Step, s.Steps, what)
	if v := step.Verdict; v != nil {
		text += ": " + v.Reason
	}
	return text
}

// gate asks the people that the plan names.
func (r *release) gate(ctx workflow.Context, g plan.Gate) error {
	return r.ask(ctx, ask{
		Question: Question{Text: asks(g), Approvers: g.Approvers, Quorum: g.Quorum, FourEyes: g.FourEyes},
		within:   g.Within, confirm: g.Confirm,
	})
}

// asks is a gate in words.
func asks(g plan.Gate) string {
	people := fmt.Sprintf("approval by %d of %v", g.Quorum, g.Approvers)
	switch {
	case g.Confirm == nil:
		return people
	case g.Quorum == 0:
		return "a yes of " + g.Confirm.Name()
	}
	return people + ", and a yes of " + g.Confirm.Name()
}

// ask is a question to people; its silence at the deadline is a no.
type ask struct {
	Question
	within plan.Duration
	// confirm is another system that must say yes; nil: none.
	confirm *plan.Confirm
}

func (r *release) ask(ctx workflow.Context, a ask) error {
	q := a.Question
	r.asked++
	q.ID, q.Asked = fmt.Sprintf("%d.%d", r.status.Step, r.asked), workflow.Now(ctx)
	r.status.Asks, r.rejected = &q, nil
	defer func() { r.status.Asks = nil }()
	deadline := workflow.Now(ctx).Add(a.within.D())
	r.note(ctx, "asked: %s", q.Text)
	r.at(ctx, moment{next: q.Text, owner: OwnerPeople, deadline: deadline, atDeadline: "the release is undone"})
	r.tell(ctx, plan.GateWaits, q.Text)
	askCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	confirmed := r.confirmation(askCtx, a.confirm, deadline)
	answered, err := r.guard(ctx, deadline, func() bool { return q.answered() && confirmed() || r.rejected != nil || r.promoted != nil })
	switch {
	case err != nil:
		return err
	case r.rejected != nil:
		return stop("rejected by %s: %s", r.rejected.By, r.rejected.Reason)
	case !answered:
		return stop("nobody answered within %s: %s", a.within, q.Text)
	}
	return nil
}
