// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// StrategyRollback is how a status names a rollback; a plan cannot ask for it.
const StrategyRollback = "rollback"

// RollbackWorkflow is the name of the workflow that carries one out.
const RollbackWorkflow = "Rollback"

// rollbackBake is how long the version that is left behind stays warm: long enough to see that the
// earlier one still runs, short enough to free the lane for the fix.
const rollbackBake = plan.Duration(time.Minute)

// rollback takes a finished release back.
type rollback struct{ *release }

// Rollback brings an earlier image back after its successor was promoted: onto the idle track, at full
// size, and everybody is sent to it in one write once its pods are ready. It needs neither metrics nor
// approvals nor a registry that still has the tag; only the pods are watched.
//
// It returns and fails as [Canary] does: a rollback that does not become ready changes nothing for users.
func Rollback(ctx workflow.Context, in ReleaseIn) (Status, error) {
	if in.Plan.Spec.Analysis == nil || in.Plan.Spec.Strategy.Rolling != nil { // that has RolloutUndo
		return Status{}, unplanned(StrategyRollback)
	}
	p := tempo(in.Plan.Spec.Strategy)
	p.bake = rollbackBake
	r, ctx, err := prepare(ctx, in, StrategyRollback, p)
	if err != nil {
		return Status{}, err
	}
	r.limits.Source, r.restore = plan.Source{}, true
	b := &rollback{release: r}
	return b.run(ctx)
}

// run is the whole story, with its three ends.
func (b *rollback) run(ctx workflow.Context) (Status, error) {
	if err := b.preflight(ctx); err != nil {
		return b.refuse(ctx, err)
	}
	if err := b.forward(ctx); err != nil {
		return b.takeBack(ctx, err)
	}
	return b.finish(ctx)
}

func (b *rollback) forward(ctx workflow.Context) error {
	if err := b.deploy(ctx); err != nil {
		return err
	}
	if err := b.promote(ctx); err != nil {
		return err
	}
	if err := b.bake(ctx); err != nil {
		return err
	}
	return b.settle(ctx)
}
