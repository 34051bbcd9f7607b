// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Rollout is how far the pods of the first track have been replaced in place.
type Rollout struct {
	// New is how many pods run the new version.
	New int
	// Held is true while no further pod is replaced by itself.
	Held bool
	// Kept is true while the owner's settings are kept aside.
	Kept bool
}

// young are the pods of a rollout that have just begun and are not ready yet.
type young struct {
	pods int
	born time.Time
}

// The names of the revisions of the first track.
const (
	oldName = "checkout-old"
	newName = "checkout-new"
)

func oldRevision() activities.Revision {
	return activities.Revision{Name: oldName, Number: 1, Image: OldImage}
}

func newRevision() activities.Revision {
	return activities.Revision{Name: newName, Number: 2, Image: NewImage}
}

var _ activities.Rollouts = (*World)(nil)

// Rolled makes a world in which the new version has replaced the old one in place.
func (w *World) Rolled() *World {
	w.state.Tracks[Stable] = Track{NewImage, Replicas}
	w.state.Rollout.New = Replicas
	return w
}

// Find implements activities.Rollouts.
func (w *World) Find(_ context.Context, in activities.InspectRolloutIn) (activities.Workload, error) {
	if err := w.enter(Find); err != nil {
		return activities.Workload{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	out := activities.Workload{Size: Replicas, Present: oldRevision()}
	if w.state.Tracks[Stable].Image == NewImage {
		out.Present, out.To = newRevision(), oldRevision()
	}
	switch {
	case in.Image != "" && in.Image == out.Present.Image:
		return out, fault.New(fault.Invalid, "checkout runs %s already; there is nothing to release", in.Image)
	case in.Image == "" && (out.To.Name == "" || in.Revision > 0 && in.Revision != out.To.Number):
		return out, fault.New(fault.NotFound, "checkout has no revision %d", in.Revision)
	}
	return out, nil
}

// Roll implements activities.Rollouts. Its controller replaces as many pods at once as it may, and the next
// ones when those are ready.
func (w *World) Roll(_ context.Context, in activities.RollIn) (activities.Progress, error) {
	if err := w.enter(Roll); err != nil {
		return activities.Progress{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp(Stable, in.Write); err != nil {
		return activities.Progress{}, err
	}
	t := w.state.Tracks[Stable]
	if !slices.Contains(in.Own, t.Image) {
		return activities.Progress{}, fault.New(fault.Edited, "somebody has given checkout the image %s", t.Image)
	}
	image := in.Image
	if in.Revision != "" {
		image = map[string]string{oldName: OldImage, newName: NewImage}[in.Revision]
	}
	want := Replicas
	if in.Pods > 0 {
		want = in.Pods
	}
	if image != t.Image {
		w.state.Tracks[Stable], w.young = Track{image, t.Size}, young{}
		w.state.Rollout.Kept = true
	}
	w.state.Rollout.Held = want < Replicas
	w.replace(image, want, in)
	return w.progress(want), nil
}

// fresh is how many pods run the version that is declared.
func (w *World) fresh() int {
	if w.state.Tracks[Stable].Image == NewImage {
		return w.state.Rollout.New
	}
	return Replicas - w.state.Rollout.New
}

// replace begins the next pods, if the ones before are ready.
func (w *World) replace(image string, want int, in activities.RollIn) {
	w.grow()
	n := min(want-w.fresh(), max(1, in.MaxSurge+in.MaxUnavailable))
	if w.young.pods > 0 || n <= 0 {
		return
	}
	above := min(n, in.MaxSurge)
	if above > w.MaxSurge {
		w.violate("%d pods above the size of %d", above, Replicas)
	}
	if n-above > w.MaxUnavailable {
		w.violate("%d of %d pods missing", n-above, Replicas)
	}
	if image == OldImage {
		w.state.Rollout.New -= n
		w.did("replace %d pods: %d of %d run the new version", n, w.state.Rollout.New, Replicas)
		return
	}
	w.state.Rollout.New += n
	w.young = young{n, w.time()}
	if w.state.Rollout.New == Replicas {
		w.full = w.time()
	}
	w.did("replace %d pods: %d of %d run the new version", n, w.state.Rollout.New, Replicas)
}

// grow makes young pods ready when it is time.
func (w *World) grow() {
	if w.ReadyAfter >= 0 && w.time().Sub(w.young.born) >= w.ReadyAfter {
		w.young = young{}
	}
}

func (w *World) progress(want int) activities.Progress {
	w.grow()
	missing := w.young.pods
	if w.GoneFrom > 0 && w.elapsed() >= w.GoneFrom && w.state.Tracks[Stable].Image == NewImage {
		missing = w.state.Rollout.New
	}
	missing = max(missing, Replicas-int(w.standing(Stable, Replicas, w.time())))
	p := activities.Progress{Size: Replicas, New: w.fresh(), Ready: Replicas - missing, Held: w.state.Rollout.Held}
	p.Done = p.New >= want && missing == 0
	if !p.Done {
		p.Reason = fmt.Sprintf("%d of %d pods run it, %d are ready: ImagePullBackOff", p.New, want, p.Ready)
	}
	return p
}

// Look implements activities.Rollouts.
func (w *World) Look(_ context.Context, in activities.WatchRolloutIn) (activities.Progress, error) {
	if err := w.enter(Look); err != nil {
		return activities.Progress{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	want := Replicas
	if in.Held {
		want = 1
	}
	return w.progress(want), nil
}

// Resume is somebody's hand on a held rollout.
func (w *World) Resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Rollout.Held = false
}

// HandBack implements activities.Rollouts.
func (w *World) HandBack(_ context.Context, in activities.HandBackIn) error {
	if err := w.enter(HandBack); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp(Stable, in.Write); err != nil {
		return err
	}
	w.grow()
	if !w.state.Rollout.Kept {
		return nil
	}
	switch image := w.state.Tracks[Stable].Image; {
	case w.fresh() < Replicas || w.young.pods > 0:
		w.violate("checkout let go at %d of %d pods, %d of them not ready", w.fresh(), Replicas, w.young.pods)
	case image == NewImage && w.time().Sub(w.full) < w.Bake:
		w.violate("checkout let go before the bake was over")
	}
	w.state.Rollout.Kept, w.state.Rollout.Held = false, false
	w.did("give checkout its own settings back")
	return nil
}
