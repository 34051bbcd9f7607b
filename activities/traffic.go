// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Route names what a router shifts: the two backends of one route.
type Route struct {
	Namespace string       `json:"namespace"`
	Traffic   plan.Traffic `json:"traffic"`
	// Stable is the root Service, Candidate the candidate track's Service.
	Stable    string `json:"stable"`
	Candidate string `json:"candidate"`
	Port      int32  `json:"port"`
}

// SetTrafficWeightIn declares the candidate's share, 0 to 100; stable gets the rest. At 0 the
// candidate's backend is taken out, so that the route is as it was found.
type SetTrafficWeightIn struct {
	Write
	Route  Route `json:"route"`
	Weight int   `json:"weight"`
}

// AwaitTrafficIn waits until the router says it serves this weight.
type AwaitTrafficIn struct {
	Route    Route     `json:"route"`
	Weight   int       `json:"weight"`
	Deadline time.Time `json:"deadline"`
}

// Settled says how a wait for the router ended.
type Settled struct {
	Settled bool `json:"settled"`
	// Reason in plain words when it is not.
	Reason string `json:"reason,omitempty"`
}

// Router is one kind of traffic shifting.
type Router interface {
	// Read returns the candidate's weight, or an error that says why the route cannot be used.
	Read(context.Context, Route) (int, error)
	// Set declares the weight; it is fenced and idempotent.
	Set(context.Context, SetTrafficWeightIn) error
	// Verify tells whether the router has accepted the weight for the route's present generation.
	Verify(ctx context.Context, route Route, weight int) (Settled, error)
}

// Traffic shifts requests between the tracks.
type Traffic struct {
	Router Router
	Clock  Clock
}

// InspectRoute refuses a route that cannot be shifted and returns the candidate's present weight.
func (a *Traffic) InspectRoute(ctx context.Context, in Route) (int, error) {
	w, err := a.Router.Read(ctx, in)
	return w, fault.From(err)
}

// SetTrafficWeight declares the candidate's share of requests.
func (a *Traffic) SetTrafficWeight(ctx context.Context, in SetTrafficWeightIn) error {
	return fault.From(a.Router.Set(ctx, in))
}

// AwaitTraffic heartbeats until the router serves the weight or the deadline has passed.
func (a *Traffic) AwaitTraffic(ctx context.Context, in AwaitTrafficIn) (Settled, error) {
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Settled, bool, error) {
		s, err := a.Router.Verify(ctx, in.Route, in.Weight)
		return s, s.Settled, err
	})
}
