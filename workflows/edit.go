// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// What a person can make of somebody else's edits, beside an abort.
const (
	// EditsKeep goes on with them as they are.
	EditsKeep = "keep"
	// EditsTakeBack overwrites them with what the release had left.
	EditsTakeBack = "take-back"
)

// dispute is open from the moment at which somebody else's edits are found until a person has decided.
type dispute struct {
	edits  []activities.Edit
	answer string
}

// relied is what the release holds at this moment and counts on for its next weight.
func (r *release) relied(weight int) *activities.Held {
	t := r.tracks
	kept := func(deployment string) bool { return slices.Contains(r.anyLimit, deployment) }
	out := activities.Held{Target: r.in.Plan.Spec.Target, Selectors: []map[string]string{r.serving()}, Tracks: []activities.HeldTrack{
		{Deployment: t.Stable, Image: t.StableImage, Replicas: t.Replicas, AnyLimit: kept(t.Stable)},
		{Deployment: t.Candidate, Image: r.in.Image, Replicas: r.size, Fixed: true, AnyLimit: kept(t.Candidate)},
	}}
	if !r.gateway() { // then it is the Service itself that is shifted
		for _, s := range []map[string]string{t.StableSelector, t.SharedSelector, t.CandidateSelector} {
			if len(s) > 0 && (weight == 100 || len(t.SharedSelector) > 0) {
				out.Selectors = append(out.Selectors, s)
			}
		}
	}
	return &out
}

// holding is what a watch has an eye on. Nothing while people decide about an edit already, and nothing of a
// workload that is replaced in place: each of its steps looks for itself.
func (r *release) holding(weight int) *activities.Holding {
	if r.rolls != nil || r.dispute != nil || r.size == 0 || r.left {
		return nil
	}
	if r.copying != nil { // copies are no share of the router's weights
		weight = 0
	}
	held := *r.relied(weight)
	held.Selectors = held.Selectors[:1]
	return &activities.Holding{Held: held, Route: r.route, Weight: weight}
}

// serving is what the root Service selects now.
func (r *release) serving() map[string]string {
	weight := r.status.Weight
	if r.gateway() && r.status.BakeStarted.IsZero() { // it leads to stable until everybody has been sent over
		weight = 0
	}
	switch weight {
	case 0:
		return r.tracks.StableSelector
	case 100:
		return r.tracks.CandidateSelector
	}
	return r.tracks.SharedSelector
}

// disturbed asks, in the middle of a hold, what becomes of somebody else's edits, and makes it so. The weight that
// stands afterwards is that of the status.
func (r *release) disturbed(ctx workflow.Context, edits []activities.Edit) error {
	in, err := r.dispose(ctx, activities.SetTrafficWeightIn{Route: r.route, Weight: r.status.Weight, Safe: &r.safe}, edits)
	if err != nil || !slices.ContainsFunc(edits, func(e activities.Edit) bool { return e.Weights }) {
		return err
	}
	weight, err := r.serve(ctx, fmt.Sprintf("the router serves %d %% to %s", in.Weight, r.tracks.Candidate),
		fmt.Sprintf("Declare the weight of %d %% again", in.Weight),
		activities.ShiftTrafficIn{SetTrafficWeightIn: in, Ready: r.able(ctx, r.tracks.Candidate, r.size)})
	if err != nil {
		return err
	}
	r.note(ctx, "%d %% to %s, as was decided", weight, r.tracks.Candidate)
	r.status.MaxWeight = max(r.status.MaxWeight, weight)
	return r.weighed(ctx, weight)
}

// dispose stays where the release is until a person has decided what becomes of somebody else's edits, and
// returns the write to try next. Meanwhile the candidate is watched. Nothing is overwritten unasked.
func (r *release) dispose(ctx workflow.Context, in activities.SetTrafficWeightIn, edits []activities.Edit) (activities.SetTrafficWeightIn, error) {
	for i := range edits {
		if edits[i].Weights && in.Weight == 100 {
			edits[i].Never = "the release is being promoted"
		}
		r.note(ctx, "paused: %s", edits[i].Text)
	}
	answer, err := r.decided(ctx, edits)
	if err != nil {
		return in, err
	}
	if answer == EditsTakeBack {
		// Weights that nobody was asked about are not overwritten by this answer.
		in.TakeBack = slices.ContainsFunc(edits, func(e activities.Edit) bool { return e.Weights })
		return in, r.takeEditsBack(ctx, in.Weight, edits)
	}
	for _, e := range edits {
		r.adopt(e)
		if e.Weight > 0 {
			in.Weight = e.Weight
		}
	}
	return in, nil
}

// decided asks people, who have as long as for a pause.
func (r *release) decided(ctx workflow.Context, edits []activities.Edit) (string, error) {
	d := &dispute{edits: edits}
	r.dispute, r.status.Paused = d, true
	for _, e := range edits {
		r.status.Edits = append(r.status.Edits, e.Text)
	}
	defer func() { r.dispute, r.status.Paused, r.status.Edits = nil, r.paused, nil }()
	deadline := workflow.Now(ctx).Add(pauseWithin.D())
	r.at(ctx, moment{
		next: "keep what was changed (resume --keep), take it back (resume --take-back), or abort: " + strings.Join(r.status.Edits, "; "), owner: OwnerPeople,
		deadline: deadline, atDeadline: "the release is undone",
	})
	done, err := r.guard(ctx, deadline, func() bool { return d.answer != "" })
	if err == nil && !done {
		err = stop("nobody has decided within %s what becomes of this: %s", pauseWithin, strings.Join(r.status.Edits, "; "))
	}
	return d.answer, err
}

// takeEditsBack declares again what the release holds, and waits for the pods that this may have replaced.
func (r *release) takeEditsBack(ctx workflow.Context, weight int, edits []activities.Edit) error {
	if !slices.ContainsFunc(edits, func(e activities.Edit) bool { return !e.Weights }) {
		return nil
	}
	held := r.relied(weight)
	r.at(ctx, moment{next: "take back what somebody has changed"})
	err := do(ctx, writing(), "Take back what somebody has changed", traffic.TakeEditsBack, activities.TakeBackIn{Write: r.write(), Held: *held})
	if err != nil {
		return err
	}
	r.note(ctx, "took back what somebody had changed")
	for _, t := range held.Tracks {
		if slices.ContainsFunc(edits, func(e activities.Edit) bool { return e.Deployment == t.Deployment }) {
			if err := r.again(ctx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// again waits until a track that was taken back has its pods.
func (r *release) again(ctx workflow.Context, t activities.HeldTrack) error {
	within := r.pace.ready.D()
	deadline := workflow.Now(ctx).Add(within)
	in := r.readiness(t.Deployment, t.Replicas, deadline)
	in.Image = t.Image
	r.at(ctx, moment{next: "all pods of " + t.Deployment + " become ready", deadline: deadline, atDeadline: "the release is undone"})
	ready, err := call(ctx, waiting(within), "Wait until "+t.Deployment+" is ready", cluster.AwaitReady, in)
	if err == nil && !ready.Ready {
		err = stop("%s was not ready within %s: %s", t.Deployment, r.pace.ready, ready.Reason)
	}
	return err
}

// adopt counts on what somebody has changed from here on.
func (r *release) adopt(e activities.Edit) {
	stable := e.Deployment == r.tracks.Stable
	switch {
	case e.Image != "" && stable:
		r.tracks.StableImage, r.safe.Tracks.StableImage, r.status.StableImage = e.Image, e.Image, e.Image
	case e.Replicas != nil && stable:
		r.tracks.Replicas, r.safe.Tracks.Replicas = *e.Replicas, *e.Replicas
	case e.Replicas != nil:
		r.size = *e.Replicas
	case e.Limit:
		r.anyLimit = append(r.anyLimit, e.Deployment)
	}
}

// refuseResume says why a release cannot go on with this answer.
func (r *release) refuseResume(cmd Command) error {
	d := r.dispute
	switch {
	case d == nil && !r.paused:
		return stop("the release is not paused")
	case d == nil:
		if cmd.Edits != "" {
			return stop("nobody has changed anything that the release holds; resume without --keep and --take-back")
		}
		return nil
	case cmd.Edits != EditsKeep && cmd.Edits != EditsTakeBack:
		return stop("somebody has changed what the release holds: resume with --keep or --take-back, or abort (%s)", d.edits[0].Text)
	}
	for _, e := range d.edits {
		if cmd.Edits == EditsKeep && e.Never != "" {
			return stop("this cannot be kept, because %s; take it back, or abort (%s)", e.Never, e.Text)
		}
	}
	return nil
}

// resolve is a person's answer.
func (r *release) resolve(cmd Command) {
	if r.dispute != nil {
		r.dispute.answer = cmd.Edits
		r.dispute = nil
	}
}
