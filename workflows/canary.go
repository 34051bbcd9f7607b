// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// drain is how long the candidate's pods stay after the gateway has sent their traffic elsewhere, for
// requests under way and for connections that have not heard yet.
const drain = 2 * time.Second

// canary is one release by the canary strategy.
type canary struct {
	commands
	in     ReleaseIn
	plan   plan.Canary
	limits plan.Analysis
	status Status

	tracks activities.Tracks
	route  activities.Route
	fence  activities.Fence
	undo   undoStack
	// reference is what stable did when it last served beside the candidate.
	reference decide.Counts
	// cancel ends the way forward.
	cancel workflow.CancelFunc
}

// Canary releases an image in steps: a share of the requests goes to the candidate, is compared with
// stable, and only a pass or a person's approval lets it grow. Whatever ends it before the old track is
// retired is taken back.
//
// A promoted and an undone release return their status. A release that preflight refused, or whose
// undo needs a person, fails with an ApplicationError of type "refused" or "needs-person" that carries
// the status in its details.
func Canary(ctx workflow.Context, in ReleaseIn) (Status, error) {
	c, ctx, err := setup(ctx, in)
	if err != nil {
		return Status{}, err
	}
	return c.run(ctx)
}

func setup(ctx workflow.Context, in ReleaseIn) (*canary, workflow.Context, error) {
	if in.Plan.Spec.Strategy.Canary == nil || in.Plan.Spec.Analysis == nil {
		return nil, nil, temporal.NewNonRetryableApplicationError("the plan has no canary strategy or no analysis", string(Refused), nil)
	}
	c := &canary{
		commands: commands{seen: map[string]bool{}},
		in:       in, plan: *in.Plan.Spec.Strategy.Canary, limits: *in.Plan.Spec.Analysis,
		status: Status{
			ID: in.ID, Service: in.Plan.Metadata.Name, Environment: in.Plan.Metadata.Environment,
			Namespace: in.Plan.Spec.Target.Namespace, Strategy: "canary", Image: in.Image, RequestedBy: in.RequestedBy,
			Phase: Preflight, Started: workflow.Now(ctx), Steps: len(in.Plan.Spec.Strategy.Canary.Steps),
		},
	}
	for _, s := range c.plan.Steps {
		c.status.Track = append(c.status.Track, StepStatus{Weight: s.Weight, Hold: s.Hold, State: Pending})
	}
	if err := c.listen(ctx); err != nil {
		return nil, nil, err
	}
	ctx, c.cancel = workflow.WithCancel(ctx)
	return c, ctx, nil
}

// run is the whole story, with its three ends.
func (c *canary) run(ctx workflow.Context) (Status, error) {
	if err := c.preflight(ctx); err != nil {
		return c.refuse(ctx, err)
	}
	if err := c.forward(ctx); err != nil {
		return c.takeBack(ctx, err)
	}
	if err := c.retire(ctx); err != nil {
		return c.callPerson(ctx, []string{"scale " + c.tracks.Stable + " to zero: " + plain(err)}, "the new version serves everything")
	}
	return c.end(ctx, Promoted, fmt.Sprintf("%s serves everything from %s", c.in.Image, c.tracks.Candidate))
}

// forward goes from an untouched cluster to a candidate that serves everything and has baked.
func (c *canary) forward(ctx workflow.Context) error {
	if err := c.deploy(ctx); err != nil {
		return err
	}
	for i := range c.plan.Steps {
		if c.promoted != nil {
			c.status.Track[i].State = Skipped
			continue
		}
		if err := c.step(ctx, i); err != nil {
			c.status.Track[i].State = Failed
			return err
		}
	}
	if err := c.promote(ctx); err != nil {
		return err
	}
	if err := c.bake(ctx); err != nil {
		return err
	}
	if err := c.settle(ctx); err != nil {
		return err
	}
	// An abort can be accepted in the very task that brings the last result: it still comes first.
	return ctx.Err()
}

// preflight looks at everything the release will need, and changes nothing but the fence.
func (c *canary) preflight(ctx workflow.Context) error {
	if err := c.attributes(ctx,
		ServiceAttribute.ValueSet(c.status.Service), EnvironmentAttribute.ValueSet(c.status.Environment),
		StrategyAttribute.ValueSet(c.status.Strategy), PhaseAttribute.ValueSet(string(Preflight)), WeightAttribute.ValueSet(0),
	); err != nil {
		return err
	}
	c.at(ctx, moment{next: "check the target, the route and the metrics"})
	target := c.in.Plan.Spec.Target
	tracks, err := call(ctx, reading(), "Look at "+target.Namespace+"/"+target.Deployment, cluster.InspectTarget,
		activities.InspectTargetIn{Target: target, Image: c.in.Image})
	if err != nil {
		return err
	}
	c.tracks = tracks
	c.status.Stable, c.status.Candidate = tracks.Stable, tracks.Candidate
	c.route = activities.Route{
		Namespace: target.Namespace, Traffic: c.in.Plan.Spec.Traffic,
		Stable: target.Service, Candidate: tracks.CandidateService, Port: tracks.Port,
	}
	if _, err := call(ctx, reading(), "Look at the route", traffic.InspectRoute, c.route); err != nil {
		return err
	}
	err = do(ctx, reading(), "Check that the metrics know the service", analysis.CheckMetrics,
		activities.WatchIn{Analysis: c.limits, Route: c.route})
	if err != nil {
		return err
	}
	c.fence.Release, err = call(ctx, reading(), "Take the fence", cluster.TakeFence,
		activities.TakeFenceIn{Target: target, ReleaseID: c.in.ID})
	if err != nil {
		return err
	}
	c.note(ctx, "preflight passed: stable is %s, candidate will be %s", tracks.Stable, tracks.Candidate)
	return nil
}

// deploy makes the candidate track and waits until all its pods are ready. It gets no traffic yet.
func (c *canary) deploy(ctx workflow.Context) error {
	if err := c.enter(ctx, Deploying); err != nil {
		return err
	}
	target, t := c.in.Plan.Spec.Target, c.tracks
	within := c.plan.ReadyWithin.D()
	deadline := workflow.Now(ctx).Add(within)
	c.at(ctx, moment{next: "all pods of " + t.Candidate + " become ready", deadline: deadline, atDeadline: "the release is undone"})
	c.undo.push(compensation{name: "retire " + t.Candidate, run: c.removeCandidate})
	err := do(ctx, creating(), "Deploy "+t.Candidate, cluster.DeployCandidate,
		activities.DeployCandidateIn{Write: c.write(), Target: target, Tracks: t, Image: c.in.Image})
	if err != nil {
		return err
	}
	c.note(ctx, "deployed %s", t.Candidate)
	ready, err := call(ctx, waiting(within), "Wait until "+t.Candidate+" is ready", cluster.AwaitReady, activities.AwaitReadyIn{
		Namespace: target.Namespace, Deployment: t.Candidate, Image: c.in.Image, Replicas: t.Replicas, Deadline: deadline,
	})
	if err != nil {
		return err
	}
	if !ready.Ready {
		return stop("%s was not ready within %s: %s", t.Candidate, c.plan.ReadyWithin, ready.Reason)
	}
	c.note(ctx, "%s is ready with %d pods", t.Candidate, t.Replicas)
	return c.rest(ctx)
}

// promote gives the candidate every request: those of the gateway first, then those of callers inside
// the cluster. The old track stays warm.
func (c *canary) promote(ctx workflow.Context) error {
	if err := c.enter(ctx, Promoting); err != nil {
		return err
	}
	if err := c.shift(ctx, 100); err != nil {
		return err
	}
	c.undo.push(compensation{name: "point Service " + c.route.Stable + " back at " + c.tracks.Stable, frees: true, run: func(ctx workflow.Context) error {
		return c.pointService(ctx, undoing(), c.tracks.StableSelector)
	}})
	return c.pointService(ctx, writing(), c.tracks.CandidateSelector)
}

// bake watches the candidate alone, with the old track warm behind it.
func (c *canary) bake(ctx workflow.Context) error {
	if err := c.enter(ctx, Baking); err != nil {
		return err
	}
	c.promoted = nil
	if err := c.judge(ctx, judgement{what: "the bake", hold: c.plan.Bake.D(), weight: 100}); err != nil {
		return err
	}
	return c.rest(ctx)
}

// settle leaves the route as it was found: the root Service alone, which now selects the new version.
func (c *canary) settle(ctx workflow.Context) error {
	c.at(ctx, moment{next: "take the second backend out of the route"})
	err := do(ctx, writing(), "Leave the route with Service "+c.route.Stable+" alone", traffic.SetTrafficWeight,
		activities.SetTrafficWeightIn{Write: c.write(), Route: c.route, Weight: 0})
	if err != nil {
		return err
	}
	if err := c.settled(ctx, 0); err != nil {
		return err
	}
	return c.rest(ctx)
}

// retire takes the old track out of service. From here on an undo is refused.
func (c *canary) retire(ctx workflow.Context) error {
	if err := c.enter(ctx, Retiring); err != nil {
		return err
	}
	c.at(ctx, moment{next: "scale " + c.tracks.Stable + " to zero"})
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return do(ctx, undoing(), "Retire "+c.tracks.Stable, cluster.RetireTrack, activities.RetireTrackIn{
		Write: c.write(), Namespace: c.status.Namespace, Deployment: c.tracks.Stable,
	})
}

// end writes the last line of the story.
func (c *canary) end(ctx workflow.Context, p Phase, outcome string) (Status, error) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	c.status.Ended, c.status.Outcome = workflow.Now(ctx), outcome
	c.note(ctx, "%s: %s", p, outcome)
	err := c.enter(ctx, p)
	c.at(ctx, moment{next: "nothing: the release has ended"})
	return c.status, err
}

// write is the identity of the next mutation.
func (c *canary) write() activities.Write {
	c.fence.Step++
	return activities.Write{ReleaseID: c.in.ID, Fence: c.fence}
}
