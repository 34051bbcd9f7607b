// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// canary is one release by the canary strategy.
type canary struct {
	*release
	plan plan.Canary
	// sizes are the candidate's pods at each step.
	sizes []int32
}

// Canary releases an image in steps: a share of the requests goes to the candidate, is compared with
// stable, and only a pass or a person's approval lets it grow. Whatever ends it before the old track is
// retired is taken back.
//
// A promoted and an undone release return their status. A release that preflight refused, or whose
// undo needs a person, fails with an ApplicationError of type "refused" or "needs-person" that carries
// the status in its details.
func Canary(ctx workflow.Context, in ReleaseIn) (Status, error) {
	p, uncounted := in.Plan.Spec.Strategy.Canary, in.Plan.Spec.Traffic.Uncounted()
	if a := in.Plan.Spec.Analysis; p == nil || a == nil || a.Source.Prometheus == nil && !uncounted {
		return Status{}, unplanned(plan.StrategyCanary)
	}
	r, ctx, err := prepare(ctx, in, plan.StrategyCanary, tempo(in.Plan.Spec.Strategy))
	if err != nil {
		return Status{}, err
	}
	if m := p.Mirror; m != nil {
		r.step(StepStatus{Name: stepMirror, Hold: m.Hold}, nil)
	}
	r.testers, r.sticky, r.mirror, r.checked = p.Testers, p.Sticky, p.Mirror, slices.Clone(p.Checks)
	for _, s := range p.Steps {
		r.step(StepStatus{Weight: s.Weight, Hold: s.Hold}, s.Gate)
		r.checked = append(r.checked, s.Checks...)
	}
	c := &canary{release: r, plan: *p}
	c.plan.Steps = slices.Clone(p.Steps)
	return c.run(ctx)
}

// run is the whole story, with its three ends.
func (c *canary) run(ctx workflow.Context) (Status, error) {
	if err := c.check(ctx); err != nil {
		return c.refuse(ctx, err)
	}
	if err := c.forward(ctx); err != nil {
		return c.takeBack(ctx, err)
	}
	return c.finish(ctx)
}

// check is the preflight, and what this number of pods makes of the plan's weights.
func (c *canary) check(ctx workflow.Context) error {
	if err := c.preflight(ctx); err != nil {
		return err
	}
	stable := int(c.tracks.Replicas)
	if c.in.Plan.Spec.Traffic.Replicas != nil {
		return c.split(ctx, stable)
	}
	copies := 0
	if m := c.plan.Mirror; m != nil {
		copies = m.Percent
	}
	for _, s := range c.plan.Steps {
		size := stable
		if c.plan.Sizing == plan.SizingWeight {
			size = decide.Enough(max(s.Weight, copies), stable) // it is not made smaller after the copies
		}
		c.sizes = append(c.sizes, int32(size)) //nolint:gosec // never more than stable has, which is an int32
	}
	return nil
}

// split makes the steps those that whole pods can make: from here on every weight is the real one.
func (c *canary) split(ctx workflow.Context, stable int) error {
	if a := c.tracks.Autoscaler; a != "" {
		return stop("HorizontalPodAutoscaler %s scales %s, and with traffic.replicas the number of pods is the weight: it would change it; "+
			"name a router in spec.traffic, or release by blueGreen with service: {}", a, c.in.Plan.Spec.Target.Deployment)
	}
	weights := c.plan.Weights()
	pods, err := decide.Split(weights, stable)
	if err != nil {
		return err
	}
	for i, n := range pods {
		weight := decide.Ratio(n, stable)
		c.note(ctx, "step %d: %d %% is %d of %d pods (%d %%)", i+1, weights[i], n, n+stable, weight)
		c.plan.Steps[i].Weight, c.track(i).Weight = weight, weight
		c.sizes = append(c.sizes, int32(n)) //nolint:gosec // never more than stable has, which is an int32
	}
	return nil
}

// forward goes from an untouched cluster to a candidate that serves everything and has baked.
func (c *canary) forward(ctx workflow.Context) error {
	if err := c.deploySized(ctx, c.sizes[0]); err != nil {
		return err
	}
	if err := c.openPreview(ctx); err != nil {
		return err
	}
	c.guardJobs()
	if err := c.checkAll(ctx, c.plan.Checks); err != nil {
		return err
	}
	if err := c.rehearse(ctx); err != nil {
		return err
	}
	if err := c.climb(ctx); err != nil {
		return err
	}
	if err := c.takeOver(ctx); err != nil {
		return err
	}
	if err := c.bake(ctx); err != nil {
		return err
	}
	return c.settle(ctx)
}

// climb takes the steps one after the other, until a person says that it is enough.
func (c *canary) climb(ctx workflow.Context) error {
	c.status.Phase = Stepping // searched for from the moment of the first weight
	for i := range c.plan.Steps {
		if c.promoted != nil {
			c.track(i).State = Skipped
			continue
		}
		if err := c.rise(ctx, i); err != nil {
			c.track(i).State = Failed
			return err
		}
	}
	return nil
}

// before is how many steps there are before the first weight.
func (c *canary) before() int { return len(c.status.Track) - len(c.plan.Steps) }

// track is how the status shows a step of the plan.
func (c *canary) track(i int) *StepStatus { return &c.status.Track[c.before()+i] }

// rise sizes, shifts, verifies, judges, checks and asks: one step.
func (c *canary) rise(ctx workflow.Context, i int) error {
	s, p := c.track(i), c.plan.Steps[i]
	c.status.Step = c.before() + i + 1
	s.State, s.Started = Shifting, workflow.Now(ctx)
	if err := c.grow(ctx, c.sizes[i]); err != nil {
		return err
	}
	if err := c.shift(ctx, p.Weight); err != nil {
		return err
	}
	s.State = Watching
	if err := c.judge(ctx, judgement{what: fmt.Sprintf("step %d", c.status.Step), hold: p.Hold.D(), weight: c.status.Weight, verdict: &s.Verdict}); err != nil {
		return err
	}
	if err := c.checkAll(ctx, p.Checks); err != nil {
		return err
	}
	return c.pass(ctx, s, p.Gate)
}

// takeOver gives the candidate every request, at its full size. Testers no longer need a door of their own.
func (c *canary) takeOver(ctx workflow.Context) error {
	if err := c.promote(ctx); err != nil {
		return err
	}
	return c.closePreview(ctx)
}
