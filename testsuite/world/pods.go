// SPDX-License-Identifier: Apache-2.0

package world

import (
	"maps"
	"time"
)

// loss is a time in which a track lacks pods that it had.
type loss struct {
	track      string
	pods       int32
	from, till time.Time
}

// Lose takes so many ready pods of a track away for a while: evicted, or ending again and again.
func (w *World) Lose(track string, pods int32, while time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.time()
	w.losses = append(w.losses, loss{track, pods, now, now.Add(while)})
	w.did("lose %d pods of %s for %s", pods, track, while)
}

// Ready is how many pods of a track can answer requests.
func (w *World) Ready(track string) int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.readyPods(track)
}

// Sides are the track that served first, and its candidate.
func (w *World) Sides() (first, second string) { return w.first, w.second }

// Follow lets somebody else move the time, and tells when the world has begun.
func (w *World) Follow(now func() time.Time) time.Time {
	w.now = now
	return w.began
}

func (w *World) readyPods(track string) int32 {
	switch {
	case track == w.second:
		return w.pods()
	case w.ready(track):
		return w.standing(track, w.state.Tracks[track].Size, w.time())
	}
	return 0
}

// standing is how many of a track's pods are left at a time, of those that there should be.
func (w *World) standing(track string, pods int32, at time.Time) int32 {
	for _, l := range w.losses {
		if l.track == track && !at.Before(l.from) && at.Before(l.till) {
			pods -= l.pods
		}
	}
	return max(0, pods)
}

// was reports whether a track has so many ready pods, or had them within the grace.
func (w *World) was(track string, pods int) bool {
	if int(w.readyPods(track)) >= pods {
		return true
	}
	lost := w.standing(track, w.state.Tracks[track].Size, w.time()) < w.standing(track, w.state.Tracks[track].Size, w.time().Add(-w.Grace))
	return lost && w.Grace > 0
}

// capacity is how many pods serve everybody: fewer than there were where somebody has scaled them down by hand.
func (w *World) capacity() int {
	if w.edited.IsZero() {
		return Replicas
	}
	return min(Replicas, int(w.state.Tracks[w.first].Size))
}

// reach notes which tracks requests are led to now: it comes before whatever changes that.
func (w *World) reach() {
	s := w.state
	for _, track := range []string{w.first, w.second} {
		if s.Serving == track || s.Serving == Both || track == w.second && (s.Weight > 0 || s.Preview) {
			w.reached[track] = w.time()
		}
	}
}

// Edit is somebody who changes what a release holds, by hand.
func (w *World) Edit(what string, change func(*State)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reach()
	before := maps.Clone(w.state.Tracks)
	change(&w.state)
	for track, t := range w.state.Tracks {
		if t.Size != before[track].Size {
			w.scaled[track] = t.Size
		}
	}
	w.edited = w.time()
	w.did("somebody edits: %s", what)
}
