// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

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

// Weigher is a router that can tell the weight that stands, whoever wrote it.
type Weigher interface {
	// Present is the candidate's share where it is the same whole percentage everywhere; otherwise false.
	Present(context.Context, Route) (int, bool, error)
	// Untouched is a fault of kind Edited, which names who has written what, where the weight is not this one.
	Untouched(ctx context.Context, route Route, weight int) error
}

// Holding is what a watch has an eye on beside the candidate.
type Holding struct {
	Held
	Route Route `json:"route"`
	// Weight that the router was given; at 0 nobody looks at the weights.
	Weight int `json:"weight,omitempty"`
}

// Onlooker finds, during a watch, what somebody else has made of what a release holds.
type Onlooker struct {
	// Keeper looks at everything but weights; nil: nobody looks at anything.
	Keeper  Keeper
	Routers Routers
}

// glanceWithin bounds one look, since a watch has more to do.
const glanceWithin = 3 * time.Second

// glance returns nothing where it could not look: the next one comes soon, and no weight is written without one.
func (o Onlooker) glance(ctx context.Context, in *Holding) []Edit {
	if o.Keeper == nil || in == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, glanceWithin)
	defer cancel()
	out, err := o.Keeper.Edits(ctx, in.Held)
	if err != nil {
		return nil
	}
	weights, err := o.weights(ctx, in)
	if err != nil {
		return nil
	}
	return append(out, weights...)
}

func (o Onlooker) weights(ctx context.Context, in *Holding) ([]Edit, error) {
	router, err := o.Routers.Of(in.Route.Traffic)
	w, ok := router.(Weigher)
	if err != nil || !ok || in.Weight == 0 {
		return nil, err
	}
	err = w.Untouched(ctx, in.Route, in.Weight)
	if err != nil && fault.Of(err) == fault.Edited {
		return weightEdit(ctx, router, in.Route, err)
	}
	return nil, err
}

// edits looks, before a step forward, at everything that the release holds beside the weight.
func (a *Traffic) edits(ctx context.Context, held *Held) ([]Edit, error) {
	if a.Keeper == nil || held == nil {
		return nil, nil
	}
	return a.Keeper.Edits(ctx, *held)
}

// weightEdit is a refused write as the edit that it met.
func weightEdit(ctx context.Context, router Router, route Route, refusal error) ([]Edit, error) {
	out := Edit{Text: refusal.Error(), Weights: true, Never: "their weights are not whole percentages, the same everywhere"}
	w, ok := router.(Weigher)
	if !ok {
		return []Edit{out}, nil
	}
	present, whole, err := w.Present(ctx, route)
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
