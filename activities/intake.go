// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"

	"github.com/slipwayhq/slipway/activities/fault"
)

// What a lane is called and hears, where activities must find it. Package workflows has the rest.
const (
	LaneWorkflow = "Lane"
	SubmitUpdate = "submit"
)

// ResolveImageIn names an image by its tag.
type ResolveImageIn struct {
	Image string `json:"image"`
}

// ResolvedImage names it by its digest.
type ResolvedImage struct {
	Image string `json:"image"`
}

// SubmitReleaseIn hands a release to a lane.
type SubmitReleaseIn struct {
	// Lane is its workflow ID, Environment and Service what it is started with if it is not there.
	Lane        string `json:"lane"`
	Environment string `json:"environment"`
	Service     string `json:"service"`
	// Release is the ID of the release: the lane takes it once, however often it is submitted.
	Release string `json:"release"`
	// Submission is a workflows.Submission; it is passed on as it is.
	Submission any `json:"submission"`
}

// SubmittedRelease is where the release stands, or why the lane does not take it.
type SubmittedRelease struct {
	ID       string `json:"id"`
	State    string `json:"state"`
	Position int    `json:"position,omitempty"`
	Reason   string `json:"reason,omitempty"`
	Same     bool   `json:"same,omitempty"`
	// Refusal in the lane's words; empty: it was taken.
	Refusal string `json:"refusal,omitempty"`
}

// Registry knows which digest a tag has now.
type Registry interface {
	// Resolve returns "repository@sha256:…". A tag that is not there is a NotFound.
	Resolve(ctx context.Context, image string) (string, error)
}

// Gatekeeper reaches lanes.
type Gatekeeper interface {
	// Submit returns what the lane has answered, its refusal included.
	Submit(ctx context.Context, in SubmitReleaseIn) (SubmittedRelease, error)
}

// Arrivals bring in the releases that events ask for.
type Arrivals struct {
	Registry   Registry
	Gatekeeper Gatekeeper
}

// ResolveImage asks the registry for the digest of a tag.
func (a *Arrivals) ResolveImage(ctx context.Context, in ResolveImageIn) (ResolvedImage, error) {
	image, err := a.Registry.Resolve(ctx, in.Image)
	return ResolvedImage{Image: image}, fault.From(err)
}

// SubmitRelease hands a release to its lane.
func (a *Arrivals) SubmitRelease(ctx context.Context, in SubmitReleaseIn) (SubmittedRelease, error) {
	out, err := a.Gatekeeper.Submit(ctx, in)
	return out, fault.From(err)
}
