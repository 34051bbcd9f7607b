// SPDX-License-Identifier: Apache-2.0

package world

import "github.com/slipwayhq/slipway/activities"

// Rescue is a person who restores the safe state without Temporal: everybody is sent to the old version,
// under a fence above that of the release. What does not exist yet cannot be marked with it.
func (w *World) Rescue() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fence++
	w.holder = "a person"
	above := activities.Fence{Release: w.fence}
	for _, object := range []string{Stable, "Service checkout", "the route"} {
		w.fences[object] = above
	}
	if _, ok := w.state.Tracks[Candidate]; ok {
		w.fences[Candidate] = above
	}
	if w.state.Preview {
		w.fences["the preview route"] = above
	}
	w.state.Tracks[Stable] = Track{OldImage, Replicas}
	w.state.Serving, w.state.Weight, w.state.Preview, w.state.Mirror = Stable, 0, false, 0
	w.did("rescue")
}
