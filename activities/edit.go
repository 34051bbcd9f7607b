// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Held is what a release has made of its target and counts on while it moves forward.
type Held struct {
	Target plan.Target `json:"target"`
	Tracks []HeldTrack `json:"tracks"`
	// Selectors are what the root Service may select: what this release has made of it, and what it is about to.
	Selectors []map[string]string `json:"selectors"`
}

// HeldTrack is one Deployment of a release.
type HeldTrack struct {
	Deployment string `json:"deployment"`
	// Image that it runs.
	Image string `json:"image"`
	// Replicas that it has at least. One that is scaled up is nobody's harm.
	Replicas int32 `json:"replicas"`
	// Fixed is true where another image cannot be kept: exactly the approved one runs.
	Fixed bool `json:"fixed,omitempty"`
	// AnyLimit is true where a person has kept another lower limit of its autoscaler.
	AnyLimit bool `json:"anyLimit,omitempty"`
}

// Edit is what somebody else has made of what a release holds.
type Edit struct {
	// Text says who has changed which field, from what to what.
	Text string `json:"text"`
	// Never says why it cannot be kept; empty where it can.
	Never string `json:"never,omitempty"`
	// Weights is true for one of weights, and Weight what the candidate has by it where that is a percentage.
	Weights bool `json:"weights,omitempty"`
	Weight  int  `json:"weight,omitempty"`
	// Deployment whose image, number of pods or autoscaler's lower limit it sets, if it does.
	Deployment string `json:"deployment,omitempty"`
	Image      string `json:"image,omitempty"`
	Replicas   *int32 `json:"replicas,omitempty"`
	Limit      bool   `json:"limit,omitempty"`
}

// TakeBackIn declares again what a release holds, over what somebody else has made of it.
type TakeBackIn struct {
	Write
	Held Held `json:"held"`
}

// Keeper finds what somebody else has made of what a release holds, and takes it back when a person says so.
type Keeper interface {
	// Edits returns none where everything stands as the release has left it.
	Edits(context.Context, Held) ([]Edit, error)
	// TakeBack is fenced and idempotent.
	TakeBack(context.Context, TakeBackIn) error
}

// weigher is a router that can tell the weight that stands, whoever wrote it.
type weigher interface {
	// Present is the candidate's share where it is the same whole percentage everywhere; otherwise false.
	Present(context.Context, Route) (int, bool, error)
}

// edits looks, before a step forward, at everything that the release holds beside the weight.
func (a *Traffic) edits(ctx context.Context, held *Held) ([]Edit, error) {
	if a.Keeper == nil || held == nil {
		return nil, nil
	}
	return a.Keeper.Edits(ctx, *held)
}

// weightEdit is a refused write as the edit that it met.
func (a *Traffic) weightEdit(ctx context.Context, router Router, in SetTrafficWeightIn, refusal error) ([]Edit, error) {
	out := Edit{Text: refusal.Error(), Weights: true, Never: "their weights are not whole percentages, the same everywhere"}
	w, ok := router.(weigher)
	if !ok {
		return []Edit{out}, nil
	}
	present, whole, err := w.Present(ctx, in.Route)
	switch {
	case err != nil:
		return nil, err
	case whole && present > 0 && present < 100:
		out.Never, out.Weight = "", present
	case whole:
		out.Never = "it leaves nothing to compare: abort the release, or promote it"
	}
	return []Edit{out}, nil
}

// TakeEditsBack declares again what the release holds.
func (a *Traffic) TakeEditsBack(ctx context.Context, in TakeBackIn) error {
	if a.Keeper == nil {
		return nil
	}
	return fault.From(a.Keeper.TakeBack(ctx, in))
}
