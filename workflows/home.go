// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// returns reports whether the new version is to end on the original Deployment and is not there yet.
func (r *release) returns() bool {
	return r.pace.returns && r.tracks.Candidate != r.in.Plan.Spec.Target.Deployment
}

// goHome ends a release whose new version has baked: it is brought back onto the original Deployment, and
// the candidate track goes. The candidate serves until the original is ready, so no step of this is unsafe
// to stop in; what cannot be done is left to a person.
func (r *release) goHome(ctx workflow.Context) (Status, error) {
	if err := r.moveHome(ctx); err != nil {
		return r.leave(ctx, fmt.Sprintf("bring %s back onto %s and delete %s", r.in.Image, r.tracks.Stable, r.tracks.Candidate), err)
	}
	return r.end(ctx, Promoted, fmt.Sprintf("%s serves everything from %s", r.in.Image, r.tracks.Stable))
}

// moveHome overwrites the old version, so from here on an undo is refused.
func (r *release) moveHome(ctx workflow.Context) error {
	if err := r.enter(ctx, Retiring); err != nil {
		return err
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	t := r.tracks
	r.at(ctx, moment{next: "bring the new version back onto " + t.Stable})
	home := activities.Tracks{
		Stable: t.Candidate, Candidate: t.Stable, CandidateExists: true, CandidateSelector: t.StableSelector, Replicas: t.Replicas,
	}
	// Until the original is ready it is the candidate that a rescue has to keep.
	safe := r.taken()
	// Without snapshots: whoever applies the original again and again writes the names into it that he knows.
	err := do(ctx, undoing(), "Bring the new version back onto "+t.Stable, cluster.DeployCandidate, activities.DeployCandidateIn{
		Write: r.write(), Target: r.in.Plan.Spec.Target, Tracks: home, Image: r.in.Image, Safe: &safe,
	})
	if err != nil {
		return err
	}
	if err := r.ready(ctx, t.Stable, t.Replicas); err != nil {
		return err
	}
	if err := r.switchHome(ctx); err != nil {
		return err
	}
	if err := r.drain(ctx); err != nil {
		return err
	}
	return do(ctx, retiring(), "Retire "+t.Candidate, cluster.RetireTrack, activities.RetireTrackIn{
		Write: r.write(), Namespace: r.status.Namespace, Deployment: t.Candidate, Target: r.in.Plan.Spec.Target, Config: r.config(),
		Was: r.in.Image, Heir: r.heir(t.Stable, t.StableSelector),
		DeleteDeployment: true, DeleteService: t.CandidateService, Finish: r.finished(ctx, activities.EndPromoted),
	})
}

// switchHome points the root Service, which is all that reaches the candidate by now, at the original, and
// waits until the cluster has followed.
func (r *release) switchHome(ctx workflow.Context) error {
	route := r.route
	route.Traffic = plan.Traffic{Service: &plan.Selector{}}
	within := r.pace.settle.D()
	deadline := workflow.Now(ctx).Add(within)
	r.at(ctx, moment{next: "Service " + route.Stable + " reaches " + r.tracks.Stable, deadline: deadline, atDeadline: "a person is asked"})
	s, err := call(ctx, waiting(within+r.pace.ready.D()), "Point Service "+route.Stable+" at "+r.tracks.Stable, traffic.ShiftTraffic, activities.ShiftTrafficIn{
		SetTrafficWeightIn: activities.SetTrafficWeightIn{Write: r.write(), Route: route, Weight: 0}, Deadline: deadline,
		Ready: r.able(ctx, r.tracks.Stable, r.tracks.Replicas), Within: r.pace.settle,
	})
	if err != nil {
		return err
	}
	if !s.Settled {
		return stop("Service %s did not reach %s within %s: %s", route.Stable, r.tracks.Stable, r.pace.settle, s.Reason)
	}
	r.note(ctx, "Service %s selects %v", route.Stable, route.StableSelector)
	return nil
}
