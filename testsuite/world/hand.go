// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"fmt"
	"slices"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Hands is the world as an activities.Keeper: it sees what somebody has changed by hand.
type Hands struct{ *World }

// Gateway is the world as a router that can tell the weight that stands.
type Gateway struct{ *World }

var (
	_ activities.Keeper  = Hands{}
	_ activities.Router  = Gateway{}
	_ activities.Weigher = Gateway{}
)

// Edits implements activities.Keeper.
func (h Hands) Edits(_ context.Context, held activities.Held) ([]activities.Edit, error) {
	if err := h.enter(LookForEdits); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []activities.Edit
	for _, t := range held.Tracks {
		has, ok := h.state.Tracks[t.Deployment]
		switch {
		case !ok:
			out = append(out, activities.Edit{Text: "somebody has deleted " + t.Deployment, Never: "the release needs it"})
		case has.Image != t.Image:
			e := activities.Edit{Deployment: t.Deployment, Image: has.Image, Text: fmt.Sprintf("somebody has set the image of %s to %s", t.Deployment, has.Image)}
			if t.Fixed {
				e.Never = "only the image that the release was started with is approved"
			}
			out = append(out, e)
		case has.Size < t.Replicas:
			out = append(out, activities.Edit{
				Deployment: t.Deployment, Replicas: &has.Size,
				Text: fmt.Sprintf("somebody has set spec.replicas of %s to %d, which were %d", t.Deployment, has.Size, t.Replicas),
			})
		}
	}
	if !slices.ContainsFunc(held.Selectors, func(s map[string]string) bool { return s["track"] == h.state.Serving }) {
		out = append(out, activities.Edit{Text: "somebody has let the root Service select " + h.state.Serving, Never: "the promotion would overwrite it"})
	}
	return out, nil
}

// TakeBack implements activities.Keeper.
func (h Hands) TakeBack(_ context.Context, in activities.TakeBackIn) error {
	if err := h.enter(TakeBack); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range in.Held.Tracks {
		if _, ok := h.state.Tracks[t.Deployment]; !ok {
			return fault.New(fault.NotFound, "%s does not exist", t.Deployment)
		}
		if err := h.stamp(t.Deployment, in.Write); err != nil {
			return err
		}
	}
	for _, t := range in.Held.Tracks {
		has := h.state.Tracks[t.Deployment]
		if has.Image != t.Image {
			has.Image, h.deployed[t.Deployment] = t.Image, h.time()
			h.did("take back the image of %s", t.Deployment)
		}
		h.state.Tracks[t.Deployment] = has
		if has.Size < t.Replicas {
			h.size(t.Deployment, t.Replicas)
		}
	}
	if !slices.ContainsFunc(in.Held.Selectors, func(s map[string]string) bool { return s["track"] == h.state.Serving }) {
		h.reach()
		h.state.Serving = in.Held.Selectors[0]["track"]
		h.did("take back the root Service to %s", h.state.Serving)
	}
	return nil
}

// Present implements activities.Weigher.
func (g Gateway) Present(context.Context, activities.Route) (int, bool, error) {
	if err := g.enter(ReadRoute); err != nil {
		return 0, false, err
	}
	return g.State().Weight, true, nil
}

// Untouched implements activities.Weigher.
func (g Gateway) Untouched(_ context.Context, _ activities.Route, weight int) error {
	if err := g.enter(ReadRoute); err != nil {
		return err
	}
	if now := g.State().Weight; now != weight {
		return fault.New(fault.Edited, "somebody has set the route to %d %% since Slipway set it to %d %%", now, weight)
	}
	return nil
}
