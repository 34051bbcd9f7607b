// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// blueGreen is one release by the blue-green strategy.
type blueGreen struct {
	*release
	plan plan.BlueGreen
}

// The steps of a blue-green release before its switch.
const (
	stepPreview  = "preview"
	stepApproval = "approval"
)

// BlueGreen makes the new version at full size beside the old one, tests it where nobody is sent to it,
// and switches everybody over in one write. The old track stays warm through the bake, so the way back
// is one write too.
//
// It returns and fails as [Canary] does.
func BlueGreen(ctx workflow.Context, in ReleaseIn) (Status, error) {
	p := in.Plan.Spec.Strategy.BlueGreen
	if p == nil || in.Plan.Spec.Analysis == nil {
		return Status{}, unplanned(plan.StrategyBlueGreen)
	}
	r, ctx, err := prepare(ctx, in, plan.StrategyBlueGreen, tempo(in.Plan.Spec.Strategy))
	if err != nil {
		return Status{}, err
	}
	if p.Preview != nil {
		r.step(StepStatus{Name: stepPreview}, nil)
		r.checked = p.Preview.Checks
		if p.Preview.Header != nil {
			r.testers = &plan.Testers{Header: p.Preview.Header}
		}
	}
	if p.Gate != nil {
		r.step(StepStatus{Name: stepApproval}, p.Gate)
	}
	b := &blueGreen{release: r, plan: *p}
	return b.run(ctx)
}

// run is the whole story, with its three ends.
func (b *blueGreen) run(ctx workflow.Context) (Status, error) {
	if err := b.preflight(ctx); err != nil {
		return b.refuse(ctx, err)
	}
	if err := b.forward(ctx); err != nil {
		return b.takeBack(ctx, err)
	}
	return b.finish(ctx)
}

// forward goes from an untouched cluster to a candidate that serves everything and has baked.
func (b *blueGreen) forward(ctx workflow.Context) error {
	before := b.measure(ctx, "the switch")
	if err := b.deploy(ctx); err != nil {
		return err
	}
	if err := b.preview(ctx); err != nil {
		return err
	}
	if err := b.remember(ctx, before, "the switch"); err != nil { // first, so that an approval waits for nothing
		return err
	}
	if err := b.approve(ctx); err != nil {
		return err
	}
	if err := b.turn(ctx); err != nil {
		return err
	}
	if err := b.bake(ctx); err != nil {
		return err
	}
	return b.settle(ctx)
}

// preview tests the candidate through its own door.
func (b *blueGreen) preview(ctx workflow.Context) error {
	p := b.plan.Preview
	if p == nil {
		return nil
	}
	if err := b.enter(ctx, Stepping); err != nil {
		return err
	}
	s := b.status.at(stepPreview)
	b.status.Step, s.State, s.Started = 1, Watching, workflow.Now(ctx)
	err := b.test(ctx, p)
	if err != nil {
		s.State = Failed
		return err
	}
	return b.pass(ctx, s, nil)
}

func (b *blueGreen) test(ctx workflow.Context, p *plan.Preview) error {
	if err := b.openPreview(ctx); err != nil {
		return err
	}
	b.guardJobs()
	if err := b.checkAll(ctx, p.Checks); err != nil {
		return err
	}
	if p.Load != nil && b.promoted == nil {
		return b.load(ctx, *p.Load)
	}
	return nil
}

func (b *blueGreen) load(ctx workflow.Context, l plan.LoadTest) error {
	b.at(ctx, moment{
		next:     fmt.Sprintf("%s stands %d requests/s for %s", b.tracks.Candidate, l.Rate, l.For),
		deadline: workflow.Now(ctx).Add(l.For.D() + time.Minute), atDeadline: "the release is undone",
	})
	result, err := call(ctx, waiting(l.For.D()), fmt.Sprintf("Send %d requests/s", l.Rate), checks.ApplyLoad, activities.ApplyLoadIn{Load: l})
	if err != nil {
		return err
	}
	if !result.Passed {
		return stop("load failed: %s", result.Reason)
	}
	b.note(ctx, "load passed: %s", result.Reason)
	return nil
}

// approve asks the people that the plan names, with the switch before them.
func (b *blueGreen) approve(ctx workflow.Context) error {
	if b.plan.Gate == nil {
		return nil
	}
	s := b.status.at(stepApproval)
	b.status.Step = b.status.Steps
	if b.promoted != nil {
		s.State = Skipped
		return nil
	}
	s.Started = workflow.Now(ctx)
	if err := b.pass(ctx, s, b.plan.Gate); err != nil {
		s.State = Failed
		return err
	}
	return nil
}

// turn sends everybody to the candidate, with the door for testers closed behind them.
func (b *blueGreen) turn(ctx workflow.Context) error {
	if err := b.closePreview(ctx); err != nil {
		return err
	}
	return b.promote(ctx)
}
