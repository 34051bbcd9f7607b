// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// SafeStateVersion is the format of a safe state that this code writes, and the newest that it reads.
const SafeStateVersion = 1

// SafeState is the record of what to restore if a release is left alone: what preflight found, in full. It
// is kept on the cluster's own objects, so that whoever may write those can restore it without Temporal.
type SafeState struct {
	// Version of the format, from 1.
	Version   int    `json:"version"`
	ReleaseID string `json:"releaseId"`
	// Lane names the service as commands do: "environment/name".
	Lane string `json:"lane"`
	// Recorded is when the release had looked at its target.
	Recorded time.Time   `json:"recorded"`
	Target   plan.Target `json:"target"`
	// Tracks are the two sides as they were found; once a release is promoted, with the roles swapped.
	Tracks Tracks `json:"tracks"`
	// Route is what the release shifts.
	Route Route `json:"route"`
	// Ended says that the record is history, and how it became so; empty while the release holds the target.
	Ended End `json:"ended,omitempty"`
	// EndedAt and EndedBy are when that was and who has done it.
	EndedAt time.Time `json:"endedAt,omitzero"`
	EndedBy string    `json:"endedBy,omitempty"`
}

// End is how a record of a safe state has ended.
type End string

// The ends of a record.
const (
	// EndPromoted: the candidate has become stable.
	EndPromoted End = "promoted"
	// EndUndone: the release itself has restored the safe state.
	EndUndone End = "undone"
	// EndRescued: a person has restored it.
	EndRescued End = "rescued"
)

// Finished reports whether the release is over, so that there is nothing to rescue. After a rescue the
// candidate may still be there: it can be rescued again.
func (s SafeState) Finished() bool { return s.Ended == EndPromoted || s.Ended == EndUndone }

// Promote is the safe state after a promotion: the candidate, which runs image, is what to keep, and the
// former stable track is what a rollback would bring back.
func (s SafeState) Promote(image string) SafeState {
	before := s.Tracks
	s.Tracks = Tracks{
		Stable: before.Candidate, StableImage: image, StableSelector: before.CandidateSelector,
		Candidate: before.Stable, CandidateExists: true, CandidateImage: before.StableImage, CandidateSelector: before.StableSelector,
		Replicas: before.Replicas, Port: before.Port,
	}
	s.Route.StableSelector, s.Route.CandidateSelector, s.Route.Candidate = before.CandidateSelector, before.StableSelector, ""
	return s
}

// Return is the safe state after a promotion that has brought image back onto the original Deployment: there
// is one track, and no other to go back to.
func (s SafeState) Return(image string) SafeState {
	before := s.Tracks
	s.Tracks = Tracks{
		Stable: before.Stable, StableImage: image, StableSelector: before.StableSelector,
		CandidateImage: before.StableImage, Replicas: before.Replicas, Port: before.Port,
	}
	s.Route.Candidate, s.Route.CandidateSelector = "", nil
	return s
}

// Of reports whether the record is that of a Deployment. Of two tracks kept by hand, each names it.
func (s SafeState) Of(deployment string) bool {
	return s.Target.Deployment == deployment || s.Target.Tracks != nil && s.Target.Tracks.Green == deployment
}

// Text is the record as it is kept on an object.
func (s SafeState) Text() (string, error) {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write safe state: %w", err)
	}
	return string(text), nil
}

// ParseSafeState reads what Text wrote. It refuses a format that is newer than this code, and what names
// no Deployment.
func ParseSafeState(text string) (SafeState, error) {
	var s SafeState
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return s, fmt.Errorf("read safe state: %w", err)
	}
	if s.Version > SafeStateVersion {
		return s, fmt.Errorf("read safe state: it has format %d, this program reads up to %d; use a newer slipway", s.Version, SafeStateVersion)
	}
	if s.Version < 1 || s.Target.Deployment == "" || s.Tracks.Stable == "" {
		return s, errors.New("read safe state: it names no Deployment to restore")
	}
	return s, nil
}
