// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// rolling is one release by the rolling strategy.
type rolling struct {
	*release
	plan plan.Rolling
	// batches are the numbers of new pods after each one; the last is all of them.
	batches []int
}

// Rolling replaces the pods of the workload itself, batch by batch. After each batch the rollout is held
// while it is watched, checked and, after the first one, perhaps approved. Both versions answer behind one
// Service meanwhile, so the service as a whole is compared with what it did before. Whatever ends the release
// before its bake is over brings back the revision that ran before.
//
// It returns and fails as [Canary] does.
func Rolling(ctx workflow.Context, in ReleaseIn) (Status, error) {
	p := in.Plan.Spec.Strategy.Rolling
	if p == nil || in.Plan.Spec.Analysis == nil {
		return Status{}, unplanned(plan.StrategyRolling)
	}
	r, ctx, err := prepare(ctx, in, plan.StrategyRolling, tempo(in.Plan.Spec.Strategy))
	if err != nil {
		return Status{}, err
	}
	r.checked = p.Checks
	s := &rolling{release: r, plan: *p}
	return s.run(ctx)
}

// run is the whole story, with its three ends.
func (r *rolling) run(ctx workflow.Context) (Status, error) {
	if err := r.preflight(ctx); err != nil {
		return r.refuse(ctx, err)
	}
	if err := r.forward(ctx); err != nil {
		return r.takeBack(ctx, err)
	}
	return r.conclude(ctx)
}

// preflight counts the batches in pods.
func (r *rolling) preflight(ctx workflow.Context) error {
	err := r.survey(ctx, activities.InspectRolloutIn{Target: r.in.Plan.Spec.Target, Image: r.in.Image})
	if err != nil {
		return err
	}
	size := r.rolls.Size
	r.batches = decide.Batches(r.plan.Batches, size)
	for i, n := range r.batches {
		s := StepStatus{Name: fmt.Sprintf("batch %d of %d: %d of %d pods", i+1, len(r.batches), n, size), Weight: percent(n, size), Hold: r.plan.Soak}
		var gate *plan.Gate
		if i == 0 {
			gate = r.plan.Gate
		}
		if n == size {
			s.Hold = 0 // the bake follows
		}
		r.step(s, gate)
	}
	r.note(ctx, "preflight passed: %s runs revision %d; batches of %v of %d pods, at most %d above and %d missing",
		r.status.Stable, r.rolls.Present.Number, r.batches, size, r.rolls.above, r.rolls.missing)
	return nil
}

// forward goes from an untouched workload to one that runs the new version everywhere and has baked.
func (r *rolling) forward(ctx workflow.Context) error {
	before := r.measure(ctx, "the first batch")
	if err := r.remember(ctx, before, "the first batch"); err != nil {
		return err
	}
	if err := r.climb(ctx); err != nil {
		return err
	}
	if err := r.bake(ctx); err != nil {
		return err
	}
	// An abort can be accepted in the very task that brings the last result: it still comes first.
	return ctx.Err()
}

// climb takes the batches one after the other. A person who has seen enough sends it to the last one.
func (r *rolling) climb(ctx workflow.Context) error {
	if err := r.enter(ctx, Stepping); err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	r.guardJobs()
	r.guardRollout()
	for i := range r.batches {
		if r.promoted != nil && i < len(r.batches)-1 {
			r.status.Track[i].State = Skipped
			continue
		}
		if err := r.batch(ctx, i); err != nil {
			r.status.Track[i].State = Failed
			return err
		}
	}
	return nil
}

// batch rolls, watches, checks and asks.
func (r *rolling) batch(ctx workflow.Context, i int) error {
	s := &r.status.Track[i]
	r.status.Step, s.State, s.Started = i+1, Shifting, workflow.Now(ctx)
	if err := r.raise(ctx, r.batches[i]); err != nil {
		return err
	}
	s.State = Watching
	if r.rolls.held {
		err := r.judge(ctx, judgement{what: fmt.Sprintf("batch %d", i+1), hold: r.plan.Soak.D(), weight: r.status.Weight, verdict: &s.Verdict})
		if err != nil {
			return err
		}
	}
	if err := r.checkAll(ctx, r.plan.Checks); err != nil {
		return err
	}
	return r.pass(ctx, s, r.gates[i])
}
