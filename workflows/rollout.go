// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// inPlace is a workload whose pods are replaced where they are.
type inPlace struct {
	activities.Workload
	// held is true between two batches.
	held bool
	// above and missing are how many pods there may be beyond its size and short of it.
	above, missing int
}

// survey is the preflight of a release in place: it looks at everything and changes nothing but the fence.
func (r *release) survey(ctx workflow.Context, in activities.InspectRolloutIn) error {
	if err := r.announce(ctx); err != nil {
		return err
	}
	r.at(ctx, moment{next: "check the workload and the metrics"})
	target := in.Target
	found, err := call(ctx, reading(), fmt.Sprintf("Look at %s %s/%s", target.Kind, target.Namespace, target.Deployment), rollout.InspectRollout, in)
	if err != nil {
		return err
	}
	p := r.in.Plan.Spec.Strategy.Rolling
	r.rolls = &inPlace{Workload: found}
	r.rolls.above, r.rolls.missing = decide.Limits(p.MaxSurge, p.MaxUnavailable, found.Size)
	r.status.Stable, r.status.StableImage, r.status.Candidate = target.Deployment, found.Present.Image, target.Deployment
	r.status.Pods = found.Size
	r.route = activities.Route{Namespace: target.Namespace, Traffic: r.in.Plan.Spec.Traffic, Stable: target.Service}
	return r.knownAndFenced(ctx)
}

// guardRollout registers the way back, before the first pod is touched.
func (r *release) guardRollout() {
	r.undo.push(compensation{name: "restore the settings of " + r.status.Stable, run: r.handBack})
	r.undo.push(compensation{
		name: fmt.Sprintf("bring back revision %d of %s", r.rolls.Present.Number, r.status.Stable), frees: true, run: r.bringBack,
	})
}

// rollIn is what every step of a rollout says.
func (r *release) rollIn() activities.RollIn {
	in := activities.RollIn{
		Write: r.write(), Target: r.in.Plan.Spec.Target, Own: []string{r.rolls.Present.Image, r.in.Image},
		MaxSurge: r.rolls.above, MaxUnavailable: r.rolls.missing,
	}
	if p := r.in.Plan.Spec.Strategy.Rolling; p != nil {
		in.MinReady = p.MinReady
	}
	return in
}

// raise replaces pods until so many run the new version and all pods are ready.
func (r *release) raise(ctx workflow.Context, pods int) error {
	if err := r.rest(ctx); err != nil {
		return err
	}
	size, all := r.rolls.Size, pods == r.rolls.Size
	r.status.MaxWeight = max(r.status.MaxWeight, percent(pods, size))
	in := r.rollIn()
	in.Image = r.in.Image
	if !all {
		in.Pods = pods
	}
	what := fmt.Sprintf("%d of %d pods of %s run the new version", pods, size, r.status.Stable)
	p, err := r.rolled(ctx, waiting(r.pace.ready.D()), in, what)
	if err != nil {
		return err
	}
	r.rolls.held = !all
	r.note(ctx, "%d of %d pods run the new version: %d more than asked for, at most %d",
		p.New, p.Size, max(0, p.New-pods), r.rolls.above+r.rolls.missing)
	return r.weighed(ctx, percent(p.New, p.Size))
}

// percent of the pods: 0 for none and no less than 1 for any.
func percent(n, of int) int {
	if n == 0 {
		return 0
	}
	return min(100, max(1, 100*n/max(1, of)))
}

// rolled waits until a rollout is where it should be. Not getting there in time is a reason to stop.
func (r *release) rolled(ctx workflow.Context, p policy, in activities.RollIn, what string) (activities.Progress, error) {
	within := r.pace.ready
	deadline, otherwise := workflow.Now(ctx).Add(within.D()), "the release is undone"
	if r.status.Phase == Undoing {
		otherwise = "a person is asked"
	}
	r.at(ctx, moment{next: what, deadline: deadline, atDeadline: otherwise})
	out, err := call(ctx, p, "Wait until "+what, rollout.AwaitRollout, activities.AwaitRolloutIn{RollIn: in, Deadline: deadline})
	if err == nil && !out.Done {
		err = stop("%s was not rolled within %s: %s", r.status.Stable, within, out.Reason)
	}
	return out, err
}

// bringBack gives every pod the version that ran before.
func (r *release) bringBack(ctx workflow.Context) error {
	in := r.rollIn()
	in.Revision = r.rolls.Present.Name
	what := fmt.Sprintf("revision %d of %s", r.rolls.Present.Number, r.status.Stable)
	if _, err := call(ctx, undoing(), "Bring back "+what, rollout.DeclareRollout, in); err != nil {
		return err
	}
	r.note(ctx, "bringing back %s", what)
	if _, err := r.rolled(ctx, restoring(r.pace.ready.D()), in, "all pods run "+what); err != nil {
		return err
	}
	r.note(ctx, "all pods run %s", what)
	return r.weighed(ctx, 0)
}

// handBack gives the workload the settings that its owner wrote.
func (r *release) handBack(ctx workflow.Context) error {
	err := do(ctx, undoing(), "Restore the settings of "+r.status.Stable, rollout.HandBack,
		activities.HandBackIn{Write: r.write(), Target: r.in.Plan.Spec.Target})
	if err != nil {
		return err
	}
	r.note(ctx, "%s has its own settings again", r.status.Stable)
	return nil
}

// conclude ends a release in place. From here on an undo is one of its own.
func (r *release) conclude(ctx workflow.Context) (Status, error) {
	r.retiring()
	r.at(ctx, moment{next: "restore the settings of " + r.status.Stable})
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.handBack(ctx); err != nil {
		return r.callPerson(ctx, []string{"restore the settings of " + r.status.Stable + ": " + plain(err)}, "the new version serves everything")
	}
	return r.end(ctx, Promoted, fmt.Sprintf("all pods of %s run %s", r.status.Stable, r.in.Image))
}
