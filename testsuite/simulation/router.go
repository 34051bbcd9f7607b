// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
)

// router is one kind of traffic shifting at a site.
type router struct {
	*site
	activities.Router
	object string
}

// Read implements activities.Router.
func (r router) Read(ctx context.Context, route activities.Route) (int, error) {
	return through(ctx, r.site, deed{op: world.ReadRoute}, func() (int, error) { return r.Router.Read(ctx, route) })
}

// Set implements activities.Router.
func (r router) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	d := deed{op: world.SetWeight, object: r.object, write: in.Write}
	return nothing(ctx, r.site, d, func() error { return r.Router.Set(ctx, in) })
}

// Verify implements activities.Router.
func (r router) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	return through(ctx, r.site, deed{op: world.Verify}, func() (activities.Settled, error) { return r.Router.Verify(ctx, route, weight) })
}

// gateway is a router at a site that can tell its weight.
type gateway struct{ router }

var _ activities.Weigher = gateway{}

// Present implements activities.Weigher.
func (g gateway) Present(ctx context.Context, route activities.Route) (int, bool, error) {
	weight, err := through(ctx, g.site, deed{op: world.ReadRoute}, func() (int, error) {
		w, _, err := world.Gateway{World: g.world}.Present(ctx, route)
		return w, err
	})
	return weight, true, err
}

// Untouched implements activities.Weigher.
func (g gateway) Untouched(ctx context.Context, route activities.Route, weight int) error {
	return nothing(ctx, g.site, deed{op: world.ReadRoute}, func() error { return world.Gateway{World: g.world}.Untouched(ctx, route, weight) })
}

// ReadPreview implements activities.Previewer.
func (r router) ReadPreview(ctx context.Context, route activities.Route) error {
	return nothing(ctx, r.site, deed{op: world.ReadPreview}, func() error { return r.world.ReadPreview(ctx, route) })
}

// VerifyPreview implements activities.Previewer.
func (r router) VerifyPreview(ctx context.Context, route activities.Route) (activities.Settled, error) {
	return through(ctx, r.site, deed{op: world.Verify}, func() (activities.Settled, error) { return r.world.VerifyPreview(ctx, route) })
}

// OpenPreview implements activities.Previewer.
func (r router) OpenPreview(ctx context.Context, in activities.PreviewIn) error {
	d := deed{op: world.Preview, object: thePreview, write: in.Write, creates: true}
	return nothing(ctx, r.site, d, func() error { return r.world.OpenPreview(ctx, in) })
}

// ClosePreview implements activities.Previewer.
func (r router) ClosePreview(ctx context.Context, in activities.PreviewIn) error {
	d := deed{op: world.Preview, object: thePreview, write: in.Write}
	return nothing(ctx, r.site, d, func() error { return r.world.ClosePreview(ctx, in) })
}

// ReadMirror implements activities.Mirrorer.
func (r router) ReadMirror(ctx context.Context, route activities.Route) error {
	return nothing(ctx, r.site, deed{op: world.ReadMirror}, func() error { return r.world.ReadMirror(ctx, route) })
}

// VerifyMirror implements activities.Mirrorer.
func (r router) VerifyMirror(ctx context.Context, route activities.Route, percent int) (activities.Settled, error) {
	return through(ctx, r.site, deed{op: world.Verify}, func() (activities.Settled, error) { return r.world.VerifyMirror(ctx, route, percent) })
}

// SetMirror implements activities.Mirrorer.
func (r router) SetMirror(ctx context.Context, in activities.MirrorIn) error {
	d := deed{op: world.Mirror, object: r.object, write: in.Write}
	return nothing(ctx, r.site, d, func() error { return r.world.SetMirror(ctx, in) })
}

// Edits implements activities.Keeper.
func (s *site) Edits(ctx context.Context, in activities.Held) ([]activities.Edit, error) {
	return through(ctx, s, deed{op: world.LookForEdits}, func() ([]activities.Edit, error) { return world.Hands{World: s.world}.Edits(ctx, in) })
}

// TakeBack implements activities.Keeper.
func (s *site) TakeBack(ctx context.Context, in activities.TakeBackIn) error {
	_, second := s.world.Sides()
	d := deed{op: world.TakeBack, object: second, write: in.Write}
	return nothing(ctx, s, d, func() error { return world.Hands{World: s.world}.TakeBack(ctx, in) })
}
