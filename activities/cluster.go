// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Fence orders writes to one target. Release is taken by compare-and-swap from the target's Lease and
// is above every earlier one; Step counts the writes of a release. A write that meets a higher fence
// on the object is refused.
type Fence struct {
	Release int64 `json:"release"`
	Step    int64 `json:"step"`
}

// Less reports whether f is older than o.
func (f Fence) Less(o Fence) bool {
	return f.Release < o.Release || f.Release == o.Release && f.Step < o.Step
}

// Write identifies a mutation: who writes, and where in the order of writes it stands.
type Write struct {
	// ReleaseID is the name people say.
	ReleaseID string `json:"releaseId"`
	Fence     Fence  `json:"fence"`
}

// Tracks is what preflight found: the two sides of a service.
type Tracks struct {
	// Stable is the Deployment that serves.
	Stable string `json:"stable"`
	// StableImage is the image it runs, as written in its pod template.
	StableImage string `json:"stableImage"`
	// StableSelector is the root Service's selector, to be restored by undo.
	StableSelector map[string]string `json:"stableSelector"`
	// Candidate is the Deployment that will carry the new version.
	Candidate string `json:"candidate"`
	// CandidateExists is false for a track that this release creates and its undo deletes.
	CandidateExists bool `json:"candidateExists"`
	// CandidateImage is what an existing candidate track runs, to be put back by undo.
	CandidateImage string `json:"candidateImage,omitempty"`
	// CandidateService selects the candidate's pods only.
	CandidateService string `json:"candidateService"`
	// CandidateServiceExists is false for a Service that this release creates and its undo deletes.
	CandidateServiceExists bool `json:"candidateServiceExists"`
	// CandidateSelector is what the root Service selects after promotion.
	CandidateSelector map[string]string `json:"candidateSelector"`
	// SharedSelector matches the pods of both tracks; empty where they have no label in common.
	SharedSelector map[string]string `json:"sharedSelector,omitempty"`
	// Replicas of stable, which the candidate gets too, unless it is sized for its weight.
	Replicas int32 `json:"replicas"`
	// Port is the Service's port that the route sends to.
	Port int32 `json:"port"`
}

// InspectTargetIn asks what a target looks like before anything is changed.
type InspectTargetIn struct {
	Target plan.Target `json:"target"`
	Image  string      `json:"image"`
}

// TakeFenceIn asks for the next fence of a target.
type TakeFenceIn struct {
	Target    plan.Target `json:"target"`
	ReleaseID string      `json:"releaseId"`
	// Safe is recorded on the cluster's objects under the new fence; nil: nothing is.
	Safe *SafeState `json:"safe,omitempty"`
	// Lane that releases the target, as environment/name: no other lane may.
	Lane string `json:"lane,omitempty"`
}

// DeployCandidateIn declares the candidate track: this image, this many pods, its own Service.
type DeployCandidateIn struct {
	Write
	Target plan.Target `json:"target"`
	Tracks Tracks      `json:"tracks"`
	Image  string      `json:"image"`
	// Replicas of the candidate; 0: as many as stable has.
	Replicas int32 `json:"replicas,omitempty"`
}

// SizeCandidateIn declares how many pods the candidate has, and waits until they are ready.
type SizeCandidateIn struct {
	Write
	AwaitReadyIn
}

// SizeTrackIn declares how many pods a track has.
type SizeTrackIn struct {
	Write
	Namespace  string
	Deployment string
	Replicas   int32
}

// AwaitReadyIn waits until a Deployment runs the image with all replicas ready.
type AwaitReadyIn struct {
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	Image      string `json:"image"`
	// Replicas that must be ready; 0: as many as the Deployment declares, whoever has scaled it.
	Replicas int32     `json:"replicas"`
	Deadline time.Time `json:"deadline"`
}

// WatchPodsIn watches a track by its pods alone.
type WatchPodsIn struct {
	Namespace  string        `json:"namespace"`
	Deployment string        `json:"deployment"`
	Image      string        `json:"image"`
	Interval   plan.Duration `json:"interval"`
	// HoldUntil is when pods that have been ready are a pass, GiveUpAt when pods that cannot be looked at
	// are unknown.
	HoldUntil time.Time `json:"holdUntil"`
	GiveUpAt  time.Time `json:"giveUpAt"`
}

// Readiness says how a wait for pods ended. Not being ready is a value, not an error.
type Readiness struct {
	Ready bool `json:"ready"`
	// Reason in plain words when it is not, such as the pods' waiting reason.
	Reason string `json:"reason,omitempty"`
	// Restarts are those of the container that was restarted most, where all are ready.
	Restarts int32 `json:"restarts,omitempty"`
}

// SwitchServiceIn declares what the root Service selects.
type SwitchServiceIn struct {
	Write
	Namespace string            `json:"namespace"`
	Service   string            `json:"service"`
	Selector  map[string]string `json:"selector"`
}

// RetireTrackIn scales a track to zero, or deletes what the release itself has created.
type RetireTrackIn struct {
	Write
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	// Container and Image say what to put back in a track that is kept; empty: leave it.
	Container string `json:"container,omitempty"`
	Image     string `json:"image,omitempty"`
	// DeleteDeployment and DeleteService name what to delete rather than keep scaled to zero.
	DeleteDeployment bool   `json:"deleteDeployment,omitempty"`
	DeleteService    string `json:"deleteService,omitempty"`
	// Finish is the record of the safe state to leave behind, once the track is out of service; nil: the
	// record stays what it is.
	Finish *SafeState `json:"finish,omitempty"`
}

// Workloads is the cluster as a release needs it.
type Workloads interface {
	Inspect(context.Context, InspectTargetIn) (Tracks, error)
	TakeFence(context.Context, TakeFenceIn) (int64, error)
	DeployCandidate(context.Context, DeployCandidateIn) error
	// SizeTrack changes the size of a Deployment that is there, and nothing else.
	SizeTrack(context.Context, SizeTrackIn) error
	Readiness(context.Context, AwaitReadyIn) (Readiness, error)
	SwitchService(context.Context, SwitchServiceIn) error
	RetireTrack(context.Context, RetireTrackIn) error
}

// Cluster changes workloads.
type Cluster struct {
	Workloads Workloads
	Clock     Clock
}

// InspectTarget finds the tracks of a target and refuses one that cannot be released.
func (a *Cluster) InspectTarget(ctx context.Context, in InspectTargetIn) (Tracks, error) {
	out, err := a.Workloads.Inspect(ctx, in)
	return out, fault.From(err)
}

// TakeFence returns a fence number above every earlier one of the target, and records the safe state.
func (a *Cluster) TakeFence(ctx context.Context, in TakeFenceIn) (int64, error) {
	out, err := a.Workloads.TakeFence(ctx, in)
	return out, fault.From(err)
}

// DeployCandidate declares the candidate's Deployment and Service.
func (a *Cluster) DeployCandidate(ctx context.Context, in DeployCandidateIn) error {
	return fault.From(a.Workloads.DeployCandidate(ctx, in))
}

// SizeCandidate declares the candidate's size, and heartbeats until its pods are ready or the deadline has
// passed.
func (a *Cluster) SizeCandidate(ctx context.Context, in SizeCandidateIn) (Readiness, error) {
	err := a.Workloads.SizeTrack(ctx, SizeTrackIn{Write: in.Write, Namespace: in.Namespace, Deployment: in.Deployment, Replicas: in.Replicas})
	if err != nil {
		return Readiness{}, fault.From(err)
	}
	return a.AwaitReady(ctx, in.AwaitReadyIn)
}

// AwaitReady heartbeats until the Deployment is ready or the deadline has passed.
func (a *Cluster) AwaitReady(ctx context.Context, in AwaitReadyIn) (Readiness, error) {
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Readiness, bool, error) {
		r, err := a.Workloads.Readiness(ctx, in)
		return r, r.Ready, err
	})
}

// unreadyFor is how long a track may lack a ready pod before that is a bad release and not one pod that
// was moved.
const unreadyFor = 30 * time.Second

// podWatch is the state that survives a worker's death, as heartbeat details.
type podWatch struct {
	// Unready is since when pods have been missing; zero while all are ready.
	Unready time.Time `json:"unready,omitzero"`
	// Restarts are how many there were before the watch; nil until all pods were ready once.
	Restarts *int32 `json:"restarts,omitempty"`
}

// maxRestarts is how often one container may end and start again in a watch before that is a bad release.
const maxRestarts = 3

// WatchPods looks at a track's pods until HoldUntil. It fails early when pods lack for half a
// minute, and when a container ends again and again.
func (a *Cluster) WatchPods(ctx context.Context, in WatchPodsIn) (Watched, error) {
	w := resume[podWatch](ctx)
	for {
		r, err := a.Workloads.Readiness(ctx, AwaitReadyIn{Namespace: in.Namespace, Deployment: in.Deployment, Image: in.Image})
		now := a.Clock.Now()
		verdict := w.judge(r, err, now)
		activity.RecordHeartbeat(ctx, w)
		if stands(verdict, now, in.HoldUntil, in.GiveUpAt) {
			return Watched{Verdict: verdict}, nil
		}
		if err := a.Clock.wait(ctx, in.Interval.D()); err != nil {
			return Watched{}, err
		}
	}
}

// stands tells whether a watch ends with this verdict: at once on fail, at the end of the hold on pass, and
// when patience has run out on unknown.
func stands(v decide.Verdict, now, holdUntil, giveUpAt time.Time) bool {
	return v.Outcome == decide.Fail ||
		v.Outcome == decide.Pass && !now.Before(holdUntil) ||
		v.Outcome == decide.Unknown && !now.Before(giveUpAt)
}

// judge is the verdict on what was seen now.
func (w *podWatch) judge(r Readiness, err error, now time.Time) decide.Verdict {
	switch {
	case err != nil:
		return decide.CannotMeasure(err.Error())
	case r.Ready:
		w.Unready = time.Time{}
		return w.steady(r)
	case w.Unready.IsZero():
		w.Unready = now
	}
	if now.Sub(w.Unready) < unreadyFor {
		return decide.CannotMeasure(r.Reason)
	}
	return decide.Verdict{Outcome: decide.Fail, Reason: fmt.Sprintf("for %s %s", now.Sub(w.Unready).Round(time.Second), r.Reason)}
}

// steady is the verdict while all pods are ready: one that was restarted meanwhile is no pass, since a
// container that ends again and again is ready in between.
func (w *podWatch) steady(r Readiness) decide.Verdict {
	if w.Restarts == nil {
		w.Restarts = &r.Restarts
	}
	reason := fmt.Sprintf("a container has restarted %d times in this watch", r.Restarts-*w.Restarts)
	switch n := r.Restarts - *w.Restarts; {
	case n >= maxRestarts:
		return decide.Verdict{Outcome: decide.Fail, Reason: reason}
	case n > 0:
		return decide.CannotMeasure(reason)
	}
	return decide.Verdict{Outcome: decide.Pass, Reason: "all pods are ready"}
}

// SwitchService declares what the root Service selects.
func (a *Cluster) SwitchService(ctx context.Context, in SwitchServiceIn) error {
	return fault.From(a.Workloads.SwitchService(ctx, in))
}

// RetireTrack takes a track out of service, and ends the record of the safe state; finding nothing is fine.
func (a *Cluster) RetireTrack(ctx context.Context, in RetireTrackIn) error {
	return fault.From(a.Workloads.RetireTrack(ctx, in))
}
