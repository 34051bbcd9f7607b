// SPDX-License-Identifier: Apache-2.0

package world

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
)

var _ activities.Workloads = (*World)(nil)

// Inspect implements activities.Workloads.
func (w *World) Inspect(_ context.Context, in activities.InspectTargetIn) (activities.Tracks, error) {
	if err := w.enter(Inspect); err != nil {
		return activities.Tracks{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	stable, candidate := w.first, w.second
	before, exists := w.state.Tracks[candidate]
	serving := w.state.Tracks[stable]
	switch {
	case w.state.Serving == Both:
		return activities.Tracks{}, fault.New(fault.Edited, "the root Service selects both tracks; was a release ended by force?")
	case w.state.Tracks[w.state.Serving].Image == in.Image:
		return activities.Tracks{}, fault.New(fault.Invalid, "%s runs %s already; there is nothing to release", w.state.Serving, in.Image)
	}
	return activities.Tracks{
		Stable: stable, StableImage: serving.Image, StableSelector: selector(stable),
		Candidate: candidate, CandidateExists: exists, CandidateImage: before.Image, CandidateReplicas: before.Size,
		CandidateService: service(candidate), CandidateServiceExists: slices.Contains(w.state.Services, service(candidate)),
		CandidateSelector: selector(candidate), SharedSelector: selector(Both), Replicas: serving.Size, Port: 80,
		Autoscaler: w.Autoscaler, Notes: w.Notes,
	}, nil
}

func selector(track string) map[string]string { return map[string]string{"track": track} }
func service(track string) string             { return track + "-only" }

// TakeFence implements activities.Workloads.
func (w *World) TakeFence(_ context.Context, in activities.TakeFenceIn) (int64, error) {
	if err := w.enter(TakeFence); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.holder != in.ReleaseID {
		w.fence++
		w.holder = in.ReleaseID
	}
	if write := (activities.Write{ReleaseID: in.ReleaseID, Fence: activities.Fence{Release: w.fence}}); w.stamp("the record", write) == nil {
		w.safe = in.Safe
	}
	return w.fence, nil
}

// CloseRecord implements activities.Workloads.
func (w *World) CloseRecord(_ context.Context, in activities.CloseRecordIn) error {
	if err := w.enter(CloseRecord); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.safe == nil || w.safe.ReleaseID != in.ReleaseID || w.safe.Ended != "" {
		return nil
	}
	err := w.stamp("the record", activities.Write{ReleaseID: in.ReleaseID, Fence: activities.Fence{Release: w.fence, Step: 1}})
	if err != nil {
		return err
	}
	closed := *w.safe
	closed.Ended, closed.EndedAt, closed.EndedBy = activities.EndUndone, in.At, in.ReleaseID
	w.safe = &closed
	return nil
}

// stamp refuses a write that is older than the last one to the same object.
func (w *World) stamp(object string, write activities.Write) error {
	if last := w.fences[object]; write.Fence.Less(last) {
		w.did("refused a late write to %s", object)
		return fault.New(fault.Fenced, "%s was written by a newer step", object)
	}
	w.fences[object] = write.Fence
	return nil
}

// DeployCandidate implements activities.Workloads.
func (w *World) DeployCandidate(_ context.Context, in activities.DeployCandidateIn) error {
	if err := w.enter(Deploy); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp(in.Tracks.Candidate, in.Write); err != nil {
		return err
	}
	if own := in.Tracks.CandidateService; own != "" && !slices.Contains(w.state.Services, own) {
		w.state.Services = append(w.state.Services, own)
	}
	want := Track{in.Image, cmp.Or(in.Replicas, max(in.Tracks.Replicas, w.state.Tracks[in.Tracks.Stable].Size))}
	has, exists := w.state.Tracks[in.Tracks.Candidate]
	if has == want {
		return nil
	}
	if exists && has.Image != in.Image && has.Size > 0 && w.needed(in.Tracks.Candidate) {
		w.violate("%s overwritten before the bake was over", in.Tracks.Candidate)
	}
	if in.Safe != nil {
		w.safe, w.fences["the record"] = in.Safe, in.Fence
	}
	w.state.Tracks[in.Tracks.Candidate], w.deployed[in.Tracks.Candidate], w.sized = want, w.time(), time.Time{}
	w.did("deploy %s: %d pods of %s", in.Tracks.Candidate, want.Size, version(in.Image))
	return nil
}

// SizeTrack implements activities.Workloads.
func (w *World) SizeTrack(_ context.Context, in activities.SizeTrackIn) error {
	if err := w.enter(Size); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	track, ok := w.state.Tracks[in.Deployment]
	if !ok {
		return fault.New(fault.NotFound, "%s does not exist", in.Deployment)
	}
	if err := w.stamp(in.Deployment, in.Write); err != nil {
		return err
	}
	if in.Deployment == w.state.Serving && in.Replicas < track.Size {
		w.violate("%s made smaller while the root Service sends to it", in.Deployment)
	}
	if track.Size != in.Replicas {
		w.size(in.Deployment, in.Replicas)
	}
	return nil
}

// size gives a track so many pods, of which those that are new have to become ready.
func (w *World) size(track string, pods int32) {
	w.small, w.sized = w.pods(), w.time()
	t := w.state.Tracks[track]
	t.Size = pods
	w.state.Tracks[track] = t
	w.did("size %s to %d pods", track, pods)
}

// ResizeCandidate implements activities.Workloads.
func (w *World) ResizeCandidate(_ context.Context, in activities.ResizeCandidateIn) (activities.Resized, error) {
	if err := w.enter(Resize); err != nil {
		return activities.Resized{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp(in.Candidate, in.Write); err != nil {
		return activities.Resized{}, err
	}
	if _, ok := w.state.Tracks[in.Candidate]; !ok {
		return activities.Resized{}, fault.New(fault.NotFound, "%s does not exist", in.Candidate)
	}
	has, want := w.state.Tracks[in.Candidate].Size, max(in.Least, w.state.Tracks[in.Stable].Size)
	if has >= want {
		return activities.Resized{Replicas: has, Needed: want}, nil
	}
	w.size(in.Candidate, want)
	return activities.Resized{Replicas: want, Needed: want, Raised: true}, nil
}

// pods is how many pods of the candidate can answer requests.
func (w *World) pods() int32 {
	size := w.state.Tracks[w.second].Size
	stuck := w.StuckFrom > 0 && size >= w.StuckFrom
	switch {
	case !w.ready(w.second):
		return 0
	case !w.sized.IsZero() && (stuck || w.time().Sub(w.sized) < w.ReadyAfter):
		size = min(w.small, size)
	}
	return w.standing(w.second, size, w.time())
}

// version is an image as a timeline shows it.
func version(image string) string {
	switch image {
	case OldImage:
		return "the old version"
	case NewImage:
		return "the new version"
	}
	return image
}

// Readiness implements activities.Workloads.
func (w *World) Readiness(_ context.Context, in activities.AwaitReadyIn) (activities.Readiness, error) {
	if err := w.enter(Readiness); err != nil {
		return activities.Readiness{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	track := w.state.Tracks[in.Deployment]
	if track.Image != in.Image {
		return activities.Readiness{Reason: "somebody has changed its image"}, nil
	}
	ready := w.readyPods(in.Deployment)
	if ready > 0 && (ready == track.Size || in.Growing && ready >= in.Replicas) {
		return activities.Readiness{Ready: true, Restarts: w.restarts()}, nil
	}
	return activities.Readiness{Reason: fmt.Sprintf("%d of %d pods are ready: ImagePullBackOff", ready, in.Replicas)}, nil
}

// restartEvery is how often a container that cannot stay ends and starts again.
const restartEvery = 5 * time.Minute

// restarts are those of such a container.
func (w *World) restarts() int32 {
	if w.RestartsFrom == 0 || w.elapsed() < w.RestartsFrom {
		return 0
	}
	n := int32(1)
	for at := w.RestartsFrom + restartEvery; at <= w.elapsed(); at += restartEvery {
		n++
	}
	return n
}

// ready tells whether a track can answer requests. The one that served first can, until it is deployed anew.
func (w *World) ready(track string) bool {
	t, ok := w.state.Tracks[track]
	if !ok || t.Size == 0 || track == w.second && w.GoneFrom > 0 && w.elapsed() >= w.GoneFrom {
		return false
	}
	deployed, anew := w.deployed[track]
	return !anew || track != w.SlowTrack && w.ReadyAfter >= 0 && w.time().Sub(deployed) >= w.ReadyAfter
}

// SwitchService implements activities.Workloads.
func (w *World) SwitchService(_ context.Context, in activities.SwitchServiceIn) error {
	if err := w.enter(Switch); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp("Service "+in.Service, in.Write); err != nil {
		return err
	}
	track := in.Selector["track"]
	// The way back waits for nothing, not even for an old version that has lost its pods.
	back := track == w.first && w.standing(track, w.state.Tracks[track].Size, w.time()) < w.state.Tracks[track].Size
	late := w.Late || w.state.Serving == track || back
	joins := track // who gets requests that it did not get before
	if track == Both {
		joins = w.first
		if w.state.Serving == w.first {
			joins = w.second
		}
	}
	if !late && !w.was(joins, 1) {
		w.violate("Service %s sent to %s, which is not ready", in.Service, track)
	}
	if w.state.Serving == track {
		return nil
	}
	w.guardSize(track)
	w.reach()
	w.state.Serving = track
	w.did("point Service %s at %s", in.Service, track)
	return nil
}

// RetireTrack implements activities.Workloads.
func (w *World) RetireTrack(_ context.Context, in activities.RetireTrackIn) error {
	if err := w.enter(Retire); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp(in.Deployment, in.Write); err != nil {
		return err
	}
	if err := w.inherited(in); err != nil {
		return err
	}
	w.guardRetirement(in)
	if t, ok := w.state.Tracks[in.Deployment]; ok {
		w.retire(t, in)
	}
	if i := slices.Index(w.state.Services, in.DeleteService); i >= 0 {
		w.state.Services = slices.Delete(w.state.Services, i, i+1)
	}
	if in.Finish != nil && w.stamp("the record", in.Write) == nil {
		w.safe = in.Finish
	}
	return nil
}

// inherited tells that another track does not serve in the place of one that is to go, or that this is not
// the one.
func (w *World) inherited(in activities.RetireTrackIn) error {
	t, there := w.state.Tracks[in.Deployment]
	h := in.Heir
	switch {
	case in.Spare != nil && w.state.Serving == in.Spare.Selector["track"]:
		return fault.New(fault.Edited, "Service %s selects the pods of %s", in.Spare.Service, in.Deployment)
	case in.Was != "" && there && t.Image != in.Was:
		return fault.New(fault.Edited, "somebody has changed the image of %s", in.Deployment)
	case h == nil:
		return nil
	case w.state.Serving != h.Selector["track"]:
		return fault.New(fault.Edited, "Service %s does not select the pods of %s any more", h.Service, h.Deployment)
	case w.state.Tracks[h.Deployment].Image != h.Image:
		return fault.New(fault.Edited, "%s does not run %s any more", h.Deployment, h.Image)
	case w.readyPods(h.Deployment) < max(1, min(h.Replicas, w.state.Tracks[h.Deployment].Size)):
		return fmt.Errorf("%d of %d pods of %s are ready", w.readyPods(h.Deployment), h.Replicas, h.Deployment)
	}
	return nil
}

func (w *World) retire(t Track, in activities.RetireTrackIn) {
	if in.DeleteDeployment {
		delete(w.state.Tracks, in.Deployment)
		delete(w.fences, in.Deployment) // they were on the object
		w.did("delete %s", in.Deployment)
		return
	}
	t.Size = in.Replicas
	if in.Image != "" {
		t.Image = in.Image
	}
	w.state.Tracks[in.Deployment] = t
	if t.Size > 0 {
		w.did("leave %s at %d pods, with %s", in.Deployment, t.Size, version(t.Image))
		return
	}
	w.did("scale %s to zero, with %s", in.Deployment, version(t.Image))
}

// guardRetirement flags a track that is taken away too early.
func (w *World) guardRetirement(in activities.RetireTrackIn) {
	track := in.Deployment
	if t, ok := w.state.Tracks[track]; ok && !in.DeleteDeployment && in.Replicas >= t.Size && (in.Image == "" || in.Image == t.Image) {
		return // it loses nothing
	}
	switch idle := w.time().Sub(w.reached[track]); {
	case w.state.Serving == track, w.state.Serving == Both:
		w.violate("%s removed while the root Service sends to it", track)
	case track == w.second && w.state.Weight > 0:
		w.violate("%s removed at weight %d", track, w.state.Weight)
	case track == w.second && w.state.Preview:
		w.violate("%s removed while testers are sent to it", track)
	case track == w.second && w.state.Mirror > 0:
		w.violate("%s removed while requests are copied to it", track)
	case w.needed(track):
		w.violate("%s scaled down before the bake was over", track)
	case !w.Late && idle < decide.Drain && w.ends(in):
		w.violate("%s removed %s after requests were sent to it", track, idle)
	}
}

// ends reports whether pods of the track go: a track that is left as it is loses no request.
func (w *World) ends(in activities.RetireTrackIn) bool {
	t := w.state.Tracks[in.Deployment]
	return in.DeleteDeployment || in.Replicas < t.Size || in.Image != "" && in.Image != t.Image
}

// needed reports whether a track is still the way back.
func (w *World) needed(track string) bool {
	return track == w.first && (w.full.IsZero() || w.time().Sub(w.full) < w.Bake)
}
