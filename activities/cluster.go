// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"
	"time"

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
	// CandidateImage is what an existing candidate track runs, and CandidateReplicas its size; undo puts
	// both back.
	CandidateImage    string `json:"candidateImage,omitempty"`
	CandidateReplicas int32  `json:"candidateReplicas,omitempty"`
	// CandidateService selects the candidate's pods only.
	CandidateService string `json:"candidateService"`
	// CandidateServiceExists is false for a Service that this release creates and its undo deletes.
	CandidateServiceExists bool `json:"candidateServiceExists"`
	// CandidateSelector is what the root Service selects after promotion.
	CandidateSelector map[string]string `json:"candidateSelector"`
	// SharedSelector matches the pods of both tracks; empty where they have no label in common.
	SharedSelector map[string]string `json:"sharedSelector,omitempty"`
	// Replicas of stable now, whoever has scaled it; the candidate gets as many, unless it is sized for its
	// weight.
	Replicas int32 `json:"replicas"`
	// Port is the Service's port that the route sends to.
	Port int32 `json:"port"`
	// Autoscaler is the HorizontalPodAutoscaler of one of the tracks; empty where nothing but people scales them.
	Autoscaler string `json:"autoscaler,omitempty"`
	// Notes are what preflight found around the tracks, in plain words: what will follow the candidate,
	// and what may become a problem.
	Notes []string `json:"notes,omitempty"`
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

// CloseRecordIn ends the record of a release that was refused when it had its fence already, or may have had it.
type CloseRecordIn struct {
	Target    plan.Target `json:"target"`
	ReleaseID string      `json:"releaseId"`
	// At is when it was refused.
	At time.Time `json:"at"`
}

// DeployCandidateIn declares the candidate track: this image, this many pods, its own Service.
type DeployCandidateIn struct {
	Write
	Target plan.Target `json:"target"`
	Tracks Tracks      `json:"tracks"`
	Image  string      `json:"image"`
	Config plan.Config `json:"config,omitzero"`
	// Replicas of a candidate that is sized for its weight; 0: as many as stable has now.
	Replicas int32 `json:"replicas,omitempty"`
	// Restore takes an idle track that has the image as it is, with the configuration it last ran with.
	Restore bool `json:"restore,omitempty"`
	// Safe is recorded before anything is written; nil: the record stays what it is.
	Safe *SafeState `json:"safe,omitempty"`
}

// SizeCandidateIn declares how many pods the candidate has, and waits until they are ready.
type SizeCandidateIn struct {
	Write
	AwaitReadyIn
}

// SizeTrackIn declares how many pods a track has; of one that an autoscaler scales, how many at least.
type SizeTrackIn struct {
	Write
	Namespace  string
	Deployment string
	Replicas   int32
}

// ResizeCandidateIn asks for a candidate that is no smaller than stable is now.
type ResizeCandidateIn struct {
	Write
	Target    plan.Target `json:"target"`
	Stable    string      `json:"stable"`
	Candidate string      `json:"candidate"`
	// Least is what stable had when the release found it, where nothing but people scales it: that somebody has made
	// it smaller since is for people to decide.
	Least int32 `json:"least,omitempty"`
}

// Resized is the candidate's size, and whether it was smaller.
type Resized struct {
	// Replicas are the pods that are declared now, Needed those that it must have to take over from stable.
	Replicas int32 `json:"replicas"`
	Needed   int32 `json:"needed"`
	// Raised is true where it was smaller.
	Raised bool `json:"raised,omitempty"`
}

// AwaitReadyIn waits until a Deployment runs the image with all replicas ready.
type AwaitReadyIn struct {
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	Image      string `json:"image"`
	// Replicas that must be ready at least; where the Deployment declares more, whoever has scaled it, so many.
	Replicas int32 `json:"replicas"`
	// Growing says that pods beyond Replicas may still be on their way: somebody scales the track up.
	Growing  bool      `json:"growing,omitempty"`
	Deadline time.Time `json:"deadline"`
}

// WatchPodsIn watches a track by its pods alone.
type WatchPodsIn struct {
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	Image      string `json:"image"`
	// Replicas that must stay ready; more may come.
	Replicas int32         `json:"replicas,omitempty"`
	Interval plan.Duration `json:"interval"`
	// HoldUntil is when pods that have been ready are a pass, GiveUpAt when pods that cannot be looked at
	// are unknown.
	HoldUntil time.Time `json:"holdUntil"`
	GiveUpAt  time.Time `json:"giveUpAt"`
	// Holding is what nobody else should change meanwhile; nil: nobody looks.
	Holding *Holding `json:"holding,omitempty"`
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
	// Also are Services that are turned to the same track.
	Also []string `json:"also,omitempty"`
	// Ready are the pods without which nothing is turned; nil, as on the way back: nobody looks.
	Ready *AwaitReadyIn `json:"ready,omitempty"`
}

// RetireTrackIn takes a track out of service, or deletes what the release itself has created.
type RetireTrackIn struct {
	Write
	Namespace  string `json:"namespace"`
	Deployment string `json:"deployment"`
	// Target by which what follows the tracks is found; without a Deployment nothing is looked for.
	Target plan.Target `json:"target,omitzero"`
	Config plan.Config `json:"config,omitzero"`
	// Was is the image of the version that goes; a track that runs another one is left as it is. Empty: any.
	Was string `json:"was,omitempty"`
	// Heir is what must serve in its place before it goes; nil: nobody looks.
	Heir *Heir `json:"heir,omitempty"`
	// Spare keeps the track while callers are led to it, whoever has done that; nil: nobody looks.
	Spare *Spare `json:"spare,omitempty"`
	// Replicas that a track which is kept ends with.
	Replicas int32 `json:"replicas,omitempty"`
	// Container and Image say what to put back in a track that is kept; empty: leave it.
	Container string `json:"container,omitempty"`
	Image     string `json:"image,omitempty"`
	// Undoes is the release whose changes of a track that is kept are put back; empty: those of this one.
	Undoes string `json:"undoes,omitempty"`
	// DeleteDeployment and DeleteService name what to delete rather than keep.
	DeleteDeployment bool   `json:"deleteDeployment,omitempty"`
	DeleteService    string `json:"deleteService,omitempty"`
	// Finish is the record of the safe state to leave behind, once the track is out of service; nil: the
	// record stays what it is.
	Finish *SafeState `json:"finish,omitempty"`
}

// Heir is the track that has taken over: the Service selects it, and its pods are ready.
type Heir struct {
	Service    string            `json:"service"`
	Selector   map[string]string `json:"selector"`
	Deployment string            `json:"deployment"`
	Image      string            `json:"image"`
	Replicas   int32             `json:"replicas"`
}

// Spare names a Service, and what it selects while it leads to a track.
type Spare struct {
	Service  string            `json:"service"`
	Selector map[string]string `json:"selector"`
}

// Workloads is the cluster as a release needs it.
type Workloads interface {
	Targets
	TakeFence(context.Context, TakeFenceIn) (int64, error)
	// CloseRecord ends the record of the safe state if it is that of this release and open; it is idempotent.
	CloseRecord(context.Context, CloseRecordIn) error
	DeployCandidate(context.Context, DeployCandidateIn) error
	// SizeTrack changes the size of a Deployment that is there, and nothing else.
	SizeTrack(context.Context, SizeTrackIn) error
	Pods
	SwitchService(context.Context, SwitchServiceIn) error
	RetireTrack(context.Context, RetireTrackIn) error
}

// Cluster changes workloads.
type Cluster struct {
	Workloads Workloads
	Clock     Clock
	// Onlooker sees what somebody else changes during a watch.
	Onlooker Onlooker
}

// TakeFence returns a fence number above every earlier one of the target, and records the safe state.
func (a *Cluster) TakeFence(ctx context.Context, in TakeFenceIn) (int64, error) {
	out, err := a.Workloads.TakeFence(ctx, in)
	return out, fault.From(err)
}

// CloseRecord ends the record of a release that has changed nothing, so that nobody rescues what is over.
func (a *Cluster) CloseRecord(ctx context.Context, in CloseRecordIn) error {
	return fault.From(a.Workloads.CloseRecord(ctx, in))
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
// minute, when a container ends again and again, and when somebody else changes what the release holds.
func (a *Cluster) WatchPods(ctx context.Context, in WatchPodsIn) (Watched, error) {
	w := resume[podWatch](ctx)
	tell, end := a.Clock.alive(ctx)
	defer end()
	for {
		r, err := a.Workloads.Readiness(ctx, AwaitReadyIn{
			Namespace: in.Namespace, Deployment: in.Deployment, Image: in.Image, Replicas: in.Replicas, Growing: in.Replicas > 0,
		})
		now := a.Clock.Now()
		verdict := w.judge(r, err, now)
		if stands(verdict.Outcome, now, in.HoldUntil, in.GiveUpAt) {
			return Watched{Verdict: verdict}, nil
		}
		if edits := a.Onlooker.glance(ctx, in.Holding); len(edits) > 0 {
			return Watched{Edits: edits}, nil
		}
		if err := tell(w); err != nil {
			return Watched{}, err
		}
		if err := a.Clock.wait(ctx, pause(now, now.Add(in.Interval.D()), in.HoldUntil, in.GiveUpAt)); err != nil {
			return Watched{}, err
		}
	}
}

// stands tells whether a watch ends with this verdict: at once on fail, at the end of the hold on pass, and
// when patience has run out on unknown.
func stands(o decide.Outcome, now, holdUntil, giveUpAt time.Time) bool {
	return o == decide.Fail ||
		o == decide.Pass && !now.Before(holdUntil) ||
		o == decide.Unknown && !now.Before(giveUpAt)
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

// SwitchService declares what the root Service selects. Pods that were ready for the gateway may be gone by now: it is
// tried again until they are back.
func (a *Cluster) SwitchService(ctx context.Context, in SwitchServiceIn) error {
	if in.Ready != nil {
		r, err := a.Workloads.Readiness(ctx, *in.Ready)
		if err != nil {
			return fault.From(err)
		}
		if !r.Ready {
			return fault.From(fault.New(fault.Unavailable, "Service %s/%s was not turned to %s: %s", in.Namespace, in.Service, in.Ready.Deployment, r.Reason))
		}
	}
	return fault.From(a.Workloads.SwitchService(ctx, in))
}

// RetireTrack takes a track out of service, and ends the record of the safe state; finding nothing is fine.
func (a *Cluster) RetireTrack(ctx context.Context, in RetireTrackIn) error {
	return fault.From(a.Workloads.RetireTrack(ctx, in))
}
