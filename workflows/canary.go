// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// canary is one release by the canary strategy.
type canary struct {
	*release
	plan plan.Canary
}

// Canary releases an image in steps: a share of the requests goes to the candidate, is compared with
// stable, and only a pass or a person's approval lets it grow. Whatever ends it before the old track is
// retired is taken back.
//
// A promoted and an undone release return their status. A release that preflight refused, or whose
// undo needs a person, fails with an ApplicationError of type "refused" or "needs-person" that carries
// the status in its details.
func Canary(ctx workflow.Context, in ReleaseIn) (Status, error) {
	p := in.Plan.Spec.Strategy.Canary
	if a := in.Plan.Spec.Analysis; p == nil || a == nil || a.Source.Prometheus == nil {
		return Status{}, unplanned(plan.StrategyCanary)
	}
	r, ctx, err := prepare(ctx, in, plan.StrategyCanary, tempo(in.Plan.Spec.Strategy))
	if err != nil {
		return Status{}, err
	}
	for _, s := range p.Steps {
		r.step(StepStatus{Weight: s.Weight, Hold: s.Hold}, s.Gate)
	}
	c := &canary{release: r, plan: *p}
	return c.run(ctx)
}

// run is the whole story, with its three ends.
func (c *canary) run(ctx workflow.Context) (Status, error) {
	if err := c.preflight(ctx); err != nil {
		return c.refuse(ctx, err)
	}
	if err := c.forward(ctx); err != nil {
		return c.takeBack(ctx, err)
	}
	return c.finish(ctx)
}

// forward goes from an untouched cluster to a candidate that serves everything and has baked.
func (c *canary) forward(ctx workflow.Context) error {
	if err := c.deploy(ctx); err != nil {
		return err
	}
	if err := c.climb(ctx); err != nil {
		return err
	}
	if err := c.promote(ctx); err != nil {
		return err
	}
	if err := c.bake(ctx); err != nil {
		return err
	}
	return c.settle(ctx)
}

// climb takes the steps one after the other, until a person says that it is enough.
func (c *canary) climb(ctx workflow.Context) error {
	if err := c.enter(ctx, Stepping); err != nil {
		return err
	}
	for i := range c.plan.Steps {
		if c.promoted != nil {
			c.status.Track[i].State = Skipped
			continue
		}
		if err := c.rise(ctx, i); err != nil {
			c.status.Track[i].State = Failed
			return err
		}
	}
	return nil
}

// rise shifts, verifies, judges and asks: one step.
func (c *canary) rise(ctx workflow.Context, i int) error {
	s, p := &c.status.Track[i], c.plan.Steps[i]
	c.status.Step = i + 1
	s.State, s.Started = Shifting, workflow.Now(ctx)
	if err := c.shift(ctx, p.Weight); err != nil {
		return err
	}
	s.State = Watching
	if err := c.judge(ctx, judgement{what: fmt.Sprintf("step %d", i+1), hold: p.Hold.D(), weight: p.Weight, verdict: &s.Verdict}); err != nil {
		return err
	}
	return c.pass(ctx, s, p.Gate)
}
