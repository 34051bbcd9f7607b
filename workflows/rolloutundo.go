// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// StrategyRolloutUndo is how a status names an undo of a rollout; a plan cannot ask for it.
const StrategyRolloutUndo = "rolloutUndo"

// RolloutUndoWorkflow is the name of the workflow that carries one out.
const RolloutUndoWorkflow = "RolloutUndo"

// rolloutUndo takes a finished rollout back, or one that was left half way.
type rolloutUndo struct {
	*release
	revision int64
}

// RolloutUndo brings a former revision of a workload back, with the meaning of `kubectl rollout undo`: the pod
// template of that revision, as it was. A revision that does not exist is refused before anything is touched.
// It waits until all pods run it; if they do not become ready, it brings the present revision back.
//
// It needs neither metrics nor approvals, and it restores the settings that a release has left behind which
// was ended by force. It returns and fails as [Canary] does.
func RolloutUndo(ctx workflow.Context, in UndoIn) (Status, error) {
	if in.Plan.Spec.Strategy.Rolling == nil || in.Plan.Spec.Analysis == nil {
		return Status{}, unplanned(plan.StrategyRolling)
	}
	p := tempo(in.Plan.Spec.Strategy)
	p.bake = 0 // what comes back has been watched before
	r, ctx, err := prepare(ctx, ReleaseIn{ID: in.ID, Plan: in.Plan, PlanHash: in.PlanHash, RequestedBy: in.RequestedBy}, StrategyRolloutUndo, p)
	if err != nil {
		return Status{}, err
	}
	r.limits.Source = plan.Source{}
	u := &rolloutUndo{release: r, revision: in.Revision}
	return u.run(ctx)
}

// run is the whole story, with its three ends.
func (u *rolloutUndo) run(ctx workflow.Context) (Status, error) {
	if err := u.preflight(ctx); err != nil {
		return u.refuse(ctx, err)
	}
	if err := u.forward(ctx); err != nil {
		return u.takeBack(ctx, err)
	}
	return u.conclude(ctx)
}

// preflight finds the revision.
func (u *rolloutUndo) preflight(ctx workflow.Context) error {
	err := u.survey(ctx, activities.InspectRolloutIn{Target: u.in.Plan.Spec.Target, Revision: u.revision})
	if err != nil {
		return err
	}
	to := u.rolls.To
	u.in.Image, u.status.Image = to.Image, to.Image
	u.step(StepStatus{Name: fmt.Sprintf("revision %d", to.Number), Weight: 100}, nil)
	u.note(ctx, "preflight passed: %s goes from revision %d back to %d", u.status.Stable, u.rolls.Present.Number, to.Number)
	return nil
}

// forward gives every pod the former revision.
func (u *rolloutUndo) forward(ctx workflow.Context) error {
	if err := u.enter(ctx, Stepping); err != nil {
		return err
	}
	u.guardRollout()
	s := &u.status.Track[0]
	u.status.Step, s.State, s.Started = 1, Shifting, workflow.Now(ctx)
	u.status.MaxWeight = 100
	in := u.rollIn()
	in.Revision = u.rolls.To.Name
	_, err := u.rolled(ctx, waiting(u.pace.ready.D()), in, fmt.Sprintf("all pods of %s run revision %d", u.status.Stable, u.rolls.To.Number))
	if err != nil {
		s.State = Failed
		return err
	}
	if err := u.weighed(ctx, 100); err != nil {
		return err
	}
	if err := u.pass(ctx, s, nil); err != nil {
		return err
	}
	return ctx.Err()
}
