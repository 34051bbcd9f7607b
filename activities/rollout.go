// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Revision is one of the pod templates that a workload has had.
type Revision struct {
	// Name of the ReplicaSet or ControllerRevision that keeps it. It stays when the workload goes back to
	// the revision, while the number becomes the highest.
	Name string `json:"name"`
	// Number as `kubectl rollout history` shows it.
	Number int64 `json:"number"`
	// Image of the container that the plan names.
	Image string `json:"image"`
}

// Workload is what preflight found of a workload that replaces its pods in place.
type Workload struct {
	// Size is the number of pods it should have: for a DaemonSet, of nodes that it runs on.
	Size int `json:"size"`
	// Present is the revision that it declares now.
	Present Revision `json:"present"`
	// To is the revision that an undo asks for.
	To Revision `json:"to,omitzero"`
}

// InspectRolloutIn asks what a workload looks like before anything is changed.
type InspectRolloutIn struct {
	Target plan.Target `json:"target"`
	// Image to be released; it must not run already, and no other rollout may be under way.
	Image string `json:"image,omitempty"`
	// Revision to go back to where no image is given; 0: the one before the present.
	Revision int64 `json:"revision,omitempty"`
}

// RollIn declares which version how many pods run.
type RollIn struct {
	Write
	Target plan.Target `json:"target"`
	// Image of the new version. The workload's own settings are kept aside until HandBack.
	Image string `json:"image,omitempty"`
	// Revision to go back to, by its name, where no image is given.
	Revision string `json:"revision,omitempty"`
	// Own are the images that the workload may run; another one is somebody's edit.
	Own []string `json:"own"`
	// Pods that must run it; 0: all.
	Pods int `json:"pods,omitempty"`
	// MaxSurge and MaxUnavailable are how many pods may be above the size and missing from it.
	MaxSurge       int `json:"maxSurge,omitempty"`
	MaxUnavailable int `json:"maxUnavailable,omitempty"`
	// MinReady is how long a Deployment's new pod must have been ready before an old one goes.
	MinReady plan.Duration `json:"minReady,omitempty"`
}

// AwaitRolloutIn declares it again and again until it is so.
type AwaitRolloutIn struct {
	RollIn
	Deadline time.Time `json:"deadline"`
}

// WatchRolloutIn watches a workload by its pods alone.
type WatchRolloutIn struct {
	Target   plan.Target   `json:"target"`
	Image    string        `json:"image"`
	Interval plan.Duration `json:"interval"`
	// Held is true between two batches: a rollout that nothing holds back any more goes on unwatched.
	Held bool `json:"held,omitempty"`
	// HoldUntil is when pods that have been ready are a pass, GiveUpAt when pods that cannot be looked at
	// are unknown.
	HoldUntil time.Time `json:"holdUntil"`
	GiveUpAt  time.Time `json:"giveUpAt"`
}

// HandBackIn gives a workload the settings back that the release has kept aside.
type HandBackIn struct {
	Write
	Target plan.Target `json:"target"`
}

// Progress is how far a rollout has come.
type Progress struct {
	// Size is how many pods there should be, New how many run the version that is declared, Ready how many
	// are ready, whichever they run.
	Size  int `json:"size"`
	New   int `json:"new"`
	Ready int `json:"ready"`
	// Held is true while no further pod is replaced by itself.
	Held bool `json:"held,omitempty"`
	// Done is true when as many pods as were asked for run it, and all pods are ready.
	Done bool `json:"done"`
	// Reason in plain words while it is not done.
	Reason string `json:"reason,omitempty"`
}

// Rollouts are workloads that replace their pods in place: Deployments, StatefulSets and DaemonSets.
type Rollouts interface {
	// Find inspects a workload and resolves the revisions; one that cannot be rolled is refused.
	Find(context.Context, InspectRolloutIn) (Workload, error)
	// Roll takes the next step towards what is declared and says how far it is. It is fenced and idempotent.
	Roll(context.Context, RollIn) (Progress, error)
	// Look says how far the workload's present rollout is, and changes nothing.
	Look(context.Context, WatchRolloutIn) (Progress, error)
	// HandBack restores the settings; finding none kept aside is fine. It is fenced and idempotent.
	HandBack(context.Context, HandBackIn) error
}

// Rollout replaces the pods of workloads in place.
type Rollout struct {
	Rollouts Rollouts
	Clock    Clock
}

// InspectRollout finds a workload and its revisions, and refuses one that cannot be rolled.
func (a *Rollout) InspectRollout(ctx context.Context, in InspectRolloutIn) (Workload, error) {
	out, err := a.Rollouts.Find(ctx, in)
	return out, fault.From(err)
}

// DeclareRollout takes the first step and does not wait for the pods.
func (a *Rollout) DeclareRollout(ctx context.Context, in RollIn) (Progress, error) {
	out, err := a.Rollouts.Roll(ctx, in)
	return out, fault.From(err)
}

// AwaitRollout takes steps and heartbeats until the rollout is done or the deadline has passed.
func (a *Rollout) AwaitRollout(ctx context.Context, in AwaitRolloutIn) (Progress, error) {
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Progress, bool, error) {
		p, err := a.Rollouts.Roll(ctx, in.RollIn)
		return p, p.Done, err
	})
}

// WatchRollout looks at a workload's pods until HoldUntil. It fails early when pods lack for half a minute,
// and at once when somebody has let a held rollout go on.
func (a *Rollout) WatchRollout(ctx context.Context, in WatchRolloutIn) (Watched, error) {
	w := resume[podWatch](ctx)
	tell, end := a.Clock.alive(ctx)
	defer end()
	for {
		p, err := a.Rollouts.Look(ctx, in)
		now := a.Clock.Now()
		verdict := w.judge(Readiness{Ready: p.Done, Reason: p.Reason}, err, now)
		if err == nil && in.Held && !p.Held {
			verdict = decide.Verdict{Outcome: decide.Fail, Reason: "somebody has let the rollout go on past its batch"}
		}
		if stands(verdict.Outcome, now, in.HoldUntil, in.GiveUpAt) {
			return Watched{Verdict: verdict}, nil
		}
		if err := tell(w); err != nil {
			return Watched{}, err
		}
		if err := a.Clock.wait(ctx, pause(now, now.Add(in.Interval.D()), in.HoldUntil, in.GiveUpAt)); err != nil {
			return Watched{}, err
		}
	}
}

// HandBack restores the settings that a release has kept aside.
func (a *Rollout) HandBack(ctx context.Context, in HandBackIn) error {
	return fault.From(a.Rollouts.HandBack(ctx, in))
}
