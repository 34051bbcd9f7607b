// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// deploy makes the candidate track as big as stable and waits until all its pods are ready. It gets no
// traffic yet.
func (r *release) deploy(ctx workflow.Context) error { return r.deploySized(ctx, r.tracks.Replicas) }

func (r *release) deploySized(ctx workflow.Context, size int32) error {
	if err := r.enter(ctx, Deploying); err != nil {
		return err
	}
	target, t := r.in.Plan.Spec.Target, r.tracks
	r.at(ctx, moment{next: "make " + t.Candidate})
	r.undo.push(compensation{name: "retire " + t.Candidate, run: r.removeCandidate})
	in := activities.DeployCandidateIn{
		Write: r.write(), Target: target, Tracks: t, Image: r.in.Image, Config: r.config(), Restore: r.restore,
	}
	if size < t.Replicas {
		in.Replicas = size
	}
	err := do(ctx, creating(), "Deploy "+t.Candidate, cluster.DeployCandidate, in)
	r.created = workflow.Now(ctx)
	if err != nil {
		return err
	}
	r.size = size
	r.note(ctx, "deployed %s", t.Candidate)
	if err := r.ready(ctx, t.Candidate, size); err != nil {
		return err
	}
	return r.rest(ctx)
}

// ready waits until all pods of a track, so many at least, run the new version.
func (r *release) ready(ctx workflow.Context, track string, size int32) error {
	within := r.pace.ready.D()
	deadline := workflow.Now(ctx).Add(within)
	otherwise := "the release is undone"
	if r.status.Phase == Retiring {
		otherwise = "a person is asked"
	}
	r.at(ctx, moment{next: "all pods of " + track + " become ready", deadline: deadline, atDeadline: otherwise})
	ready, err := call(ctx, waiting(within), "Wait until "+track+" is ready", cluster.AwaitReady, r.readiness(track, size, deadline))
	if err != nil {
		return err
	}
	if !ready.Ready {
		return stop("%s was not ready within %s: %s", track, r.pace.ready, ready.Reason)
	}
	r.note(ctx, "%s is ready with %s", track, pods(size))
	return nil
}

// matching asks for a candidate that is as large as stable is now: it may have been sized for its weight, and stable
// may have been scaled since the release began.
func (r *release) matching() *activities.ResizeCandidateIn {
	t := r.tracks
	in := activities.ResizeCandidateIn{Target: r.in.Plan.Spec.Target, Stable: t.Stable, Candidate: t.Candidate}
	if t.Autoscaler == "" {
		in.Least = t.Replicas
	}
	return &in
}

// matched learns how large the candidate is now.
func (r *release) matched(ctx workflow.Context, sized *activities.Resized) {
	if sized == nil {
		return
	}
	t := &r.tracks
	switch {
	case !sized.Raised:
		r.size = min(t.Replicas, sized.Replicas)
		return
	case sized.Replicas > t.Replicas:
		r.note(ctx, "%s has been scaled meanwhile: %s gets %s too", t.Stable, t.Candidate, pods(sized.Replicas))
	}
	t.Replicas, r.size = sized.Replicas, sized.Replicas
}

// readiness is the wait for a track's pods.
func (r *release) readiness(track string, size int32, deadline time.Time) activities.AwaitReadyIn {
	return activities.AwaitReadyIn{
		Namespace: r.status.Namespace, Deployment: track, Image: r.in.Image, Replicas: size, Deadline: deadline,
	}
}

func pods(n int32) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// grow gives the candidate the pods that its next weight needs, and waits until they are ready.
func (r *release) grow(ctx workflow.Context, size int32) error {
	if size == r.size {
		return nil
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	within, candidate := r.pace.ready.D(), r.tracks.Candidate
	deadline := workflow.Now(ctx).Add(within)
	r.at(ctx, moment{next: fmt.Sprintf("%s is ready with %s", candidate, pods(size)), deadline: deadline, atDeadline: "the release is undone"})
	ready, err := call(ctx, waiting(within), fmt.Sprintf("Size %s to %s", candidate, pods(size)), cluster.SizeCandidate,
		activities.SizeCandidateIn{Write: r.write(), AwaitReadyIn: r.readiness(candidate, size, deadline)})
	if err != nil {
		return err
	}
	if !ready.Ready {
		return stop("%s was not ready with %s within %s: %s", candidate, pods(size), r.pace.ready, ready.Reason)
	}
	r.size = size
	r.note(ctx, "%s is ready with %s", candidate, pods(size))
	return nil
}

// shift gives the candidate its share and waits until the router serves it. For all of them it gets stable's size first.
func (r *release) shift(ctx workflow.Context, weight int) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	if r.status.MaxWeight == 0 {
		r.undo.push(compensation{name: "send all requests to " + r.tracks.Stable, frees: true, run: r.shiftBack})
	}
	r.status.MaxWeight = max(r.status.MaxWeight, weight)
	next := fmt.Sprintf("the router serves %d %% to %s", weight, r.tracks.Candidate)
	in := activities.ShiftTrafficIn{
		SetTrafficWeightIn: activities.SetTrafficWeightIn{Route: r.route, Weight: weight, Safe: &r.safe},
		Ready:              r.able(ctx, r.tracks.Candidate, r.size),
	}
	if weight == 100 {
		next += fmt.Sprintf(", which has as many pods as %s", r.tracks.Stable)
		in.Size = r.matching()
	}
	weight, err := r.serve(ctx, next, fmt.Sprintf("Shift %d %% to %s", weight, r.tracks.Candidate), in)
	if err != nil {
		return err
	}
	r.status.MaxWeight = max(r.status.MaxWeight, weight)
	r.note(ctx, "shifted %d %% to %s", weight, r.tracks.Candidate)
	return r.weighed(ctx, weight)
}

// able are the pods that a track must have ready at the moment at which it gets more requests: those that it
// was given may have died since. More of them may be on their way.
func (r *release) able(ctx workflow.Context, track string, size int32) *activities.AwaitReadyIn {
	in := r.readiness(track, size, workflow.Now(ctx).Add(r.pace.ready.D()))
	in.Growing = true
	return &in
}

// serve declares a weight on the way forward and waits until the router serves it. Where it finds somebody
// else's edits, a person decides first; a weight that they keep is the one that is returned.
func (r *release) serve(ctx workflow.Context, next, summary string, in activities.ShiftTrafficIn) (int, error) {
	within := r.pace.settle.D()
	if in.Ready != nil {
		within += r.pace.ready.D()
	}
	for {
		in.Write, in.Deadline, in.Within = r.write(), workflow.Now(ctx).Add(r.pace.settle.D()), r.pace.settle
		if in.Size != nil {
			in.Size.Write = in.Write
		}
		r.at(ctx, moment{next: next, deadline: in.Deadline, atDeadline: "the release is undone"})
		if in.Ready != nil {
			in.Ready = r.able(ctx, in.Ready.Deployment, r.size)
		}
		if in.Held = nil; in.Weight > 0 {
			in.Held = r.relied(in.Weight)
		}
		s, err := call(ctx, waiting(within), summary, traffic.ShiftTraffic, in)
		r.matched(ctx, s.Sized)
		switch {
		case err != nil:
			return 0, err
		case len(s.Edits) > 0:
			if in.SetTrafficWeightIn, err = r.dispose(ctx, in.SetTrafficWeightIn, s.Edits); err != nil {
				return 0, err
			}
		case !s.Settled:
			return 0, r.unsettled(in.Weight, s)
		default:
			return in.Weight, nil
		}
	}
}

func (r *release) unsettled(weight int, s activities.Settled) error {
	if s.Unready {
		return stop("%s did not get %d %%, because it was not ready for them within %s: %s", r.tracks.Candidate, weight, r.pace.ready, s.Reason)
	}
	return stop("the router did not take up %d %% within %s: %s", weight, r.pace.settle, s.Reason)
}

// settled waits, on the way back, until the router says that it serves the weight.
func (r *release) settled(ctx workflow.Context, weight int) error {
	within := r.pace.settle.D()
	deadline := workflow.Now(ctx).Add(within)
	r.at(ctx, moment{next: fmt.Sprintf("the router serves %d %% to %s", weight, r.tracks.Candidate), deadline: deadline, atDeadline: "a person is asked"})
	s, err := call(ctx, waiting(within), fmt.Sprintf("Wait until the router serves %d %%", weight), traffic.AwaitTraffic,
		activities.AwaitTrafficIn{Route: r.route, Weight: weight, Deadline: deadline})
	if err == nil && !s.Settled {
		err = r.unsettled(weight, s)
	}
	return err
}

// promote gives the candidate every request: those of the gateway first, then those of callers inside
// the cluster. Without a gateway they are the same. The old track stays warm.
func (r *release) promote(ctx workflow.Context) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	r.status.Phase = Promoting // searched for from the moment of the weight
	if err := r.shift(ctx, 100); err != nil || !r.gateway() {
		return err
	}
	r.undo.push(compensation{name: "point Service " + r.route.Stable + " back at " + r.tracks.Stable, frees: true, joins: true, run: func(ctx workflow.Context) error {
		return r.pointService(ctx, undoing(), r.tracks.StableSelector, nil)
	}})
	return r.pointService(ctx, writing(), r.tracks.CandidateSelector, r.able(ctx, r.tracks.Candidate, r.size))
}

// bake watches the candidate alone, with the old track warm behind it.
func (r *release) bake(ctx workflow.Context) error {
	if err := r.enter(ctx, Baking); err != nil {
		return err
	}
	r.promoted, r.status.BakeStarted = nil, workflow.Now(ctx)
	if err := r.judge(ctx, judgement{what: "the bake", hold: r.pace.bake.D(), weight: 100}); err != nil {
		return err
	}
	return r.rest(ctx)
}

// gateway reports whether requests come through a router in front of the root Service.
func (r *release) gateway() bool {
	router, _ := r.route.Traffic.Router()
	return router.InFront
}

// settle leaves the route as it was found: the root Service alone, which now selects the new version.
func (r *release) settle(ctx workflow.Context) error {
	if !r.gateway() {
		return ctx.Err()
	}
	r.left = true // from the first attempt on, nobody can tell which of the two serves everybody
	_, err := r.serve(ctx, "take the second backend out of the route", "Leave the route with Service "+r.route.Stable+" alone",
		activities.ShiftTrafficIn{SetTrafficWeightIn: activities.SetTrafficWeightIn{Route: r.route}})
	if err != nil {
		return err
	}
	if err := r.rest(ctx); err != nil {
		return err
	}
	// An abort can be accepted in the very task that brings the last result: it still comes first.
	return ctx.Err()
}

// retiring is the last phase but one. It takes seconds, in which searches find the release as baking still.
func (r *release) retiring() { r.status.Phase = Retiring }

// retire takes the old track out of service. From here on an undo is refused.
func (r *release) retire(ctx workflow.Context) error {
	r.retiring()
	r.at(ctx, moment{next: "scale " + r.tracks.Stable + " to zero"})
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return do(ctx, retiring(), "Retire "+r.tracks.Stable, cluster.RetireTrack, activities.RetireTrackIn{
		Write: r.write(), Namespace: r.status.Namespace, Deployment: r.tracks.Stable, Target: r.in.Plan.Spec.Target, Config: r.config(),
		Was: r.tracks.StableImage, Heir: r.heir(r.tracks.Candidate, r.tracks.CandidateSelector),
		Finish: r.finished(ctx, activities.EndPromoted),
	})
}

// heir is the track that must be seen to serve before the other one goes for good.
func (r *release) heir(track string, selector map[string]string) *activities.Heir {
	return &activities.Heir{
		Service: r.route.Stable, Selector: selector, Deployment: track, Image: r.in.Image, Replicas: min(r.size, r.tracks.Replicas),
	}
}
