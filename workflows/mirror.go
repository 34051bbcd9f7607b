// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// stepMirror is the step of a canary before its first weight.
const stepMirror = "mirror"

// rehearse lets the candidate prove itself by copies of requests, whose answers nobody gets, where the plan asks for
// that. Only a candidate that has passed gets requests of its own.
func (c *canary) rehearse(ctx workflow.Context) error {
	if c.mirror == nil {
		return nil
	}
	s := c.status.at(stepMirror)
	c.status.Step = 1
	if c.promoted != nil {
		s.State = Skipped
		return nil
	}
	s.State, s.Started = Shifting, workflow.Now(ctx)
	err := c.prove(ctx, s)
	if err != nil {
		s.State = Failed
		return err
	}
	return c.pass(ctx, s, nil)
}

// prove copies, judges, and copies no more: no request is copied while the candidate gets some of its own.
func (c *canary) prove(ctx workflow.Context, s *StepStatus) error {
	if err := c.enter(ctx, Stepping); err != nil {
		return err
	}
	if err := c.beginMirror(ctx, *c.mirror); err != nil {
		return err
	}
	s.State = Watching
	err := c.judge(ctx, judgement{what: "the mirror", hold: c.mirror.Hold.D(), weight: c.mirror.Share(), verdict: &s.Verdict})
	if err != nil {
		return err
	}
	return c.endMirror(ctx, waiting(c.pace.settle.D()))
}

// beginMirror sends the candidate copies, and waits until the router does.
func (r *release) beginMirror(ctx workflow.Context, m plan.Mirror) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	within := r.pace.settle
	what := fmt.Sprintf("copies of %d %% of requests go to %s", m.Percent, r.tracks.Candidate)
	r.at(ctx, moment{next: what, deadline: workflow.Now(ctx).Add(within.D()), atDeadline: "the release is undone"})
	r.mirrored = true
	// It frees: where the candidate is gone, some routers fail the requests that they are to copy to it.
	r.undo.push(compensation{name: "copy no more requests", frees: true, run: r.unmirror})
	s, err := call(ctx, opening(within.D()+r.pace.ready.D()), fmt.Sprintf("Copy %d %% of requests to %s", m.Percent, r.tracks.Candidate), traffic.MirrorTraffic,
		activities.MirrorIn{
			Write: r.write(), Route: r.route, Percent: m.Percent, Safe: &r.safe, Within: within,
			Ready: r.able(ctx, r.tracks.Candidate, r.size),
		})
	r.created = workflow.Now(ctx)
	switch {
	case err != nil:
		return err
	case s.Unready:
		return stop("no requests were copied to %s, because it was not ready for them within %s: %s", r.tracks.Candidate, r.pace.ready, s.Reason)
	case !s.Settled:
		return stop("the router did not copy requests within %s: %s", within, s.Reason)
	}
	r.copying = &m
	r.note(ctx, "%s; nobody gets its answers", what)
	return nil
}

// endMirror leaves the router without copies, and waits until it makes none.
func (r *release) endMirror(ctx workflow.Context, p policy) error {
	within, otherwise := r.pace.settle, "the release is undone"
	if r.status.Phase == Undoing {
		otherwise = "a person is asked"
	}
	r.at(ctx, moment{next: "the router copies no more requests", deadline: workflow.Now(ctx).Add(within.D()), atDeadline: otherwise})
	s, err := call(ctx, p, "Copy no more requests", traffic.MirrorTraffic, activities.MirrorIn{Write: r.write(), Route: r.route, Within: within})
	if err != nil {
		return err
	}
	if !s.Settled {
		return stop("the router did not end copying requests within %s: %s", within, s.Reason)
	}
	if r.copying != nil {
		r.note(ctx, "no more copies go to %s", r.tracks.Candidate)
	}
	r.copying = nil
	r.evidence.Weight = 0 // what copies have shown is no step of the weights, whatever share it was
	return nil
}

// unmirror ends the copies at once, and sweeps once more when no attempt to begin them can take effect any more.
func (r *release) unmirror(ctx workflow.Context) error {
	within := r.pace.settle.D()
	if err := r.endMirror(ctx, restoring(within)); err != nil {
		return err
	}
	before := workflow.Now(ctx)
	if err := r.landed(ctx); err != nil || workflow.Now(ctx).Equal(before) {
		return err
	}
	return r.endMirror(ctx, restoring(within))
}

// visible is the share of all answered requests that the candidate answers now, in percent.
func (r *release) visible() int {
	if m := r.copying; m != nil {
		return m.Share()
	}
	return r.status.Weight
}

// judgedBy is what a candidate of this weight is judged by.
func (r *release) judgedBy(weight int) string {
	if r.copying != nil {
		return "copies"
	}
	return fmt.Sprintf("%d %%", weight)
}

// place is where a candidate of this weight is judged.
func (r *release) place(weight int) string {
	if m := r.copying; m != nil {
		return fmt.Sprintf("by copies of %d %% of requests", m.Percent)
	}
	return fmt.Sprintf("at %d %%", weight)
}
