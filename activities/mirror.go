// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// MirrorIn declares how many requests the candidate gets a copy of, beside stable, which answers them.
type MirrorIn struct {
	Write
	Route Route `json:"route"`
	// Percent of the requests, 0 to 100. At 0 nothing is copied, and the route is as it was found.
	Percent int `json:"percent"`
	// Safe is kept on the routed object while requests are copied, by routers that have such an object.
	Safe *SafeState `json:"safe,omitempty"`
	// Ready are the pods that must be ready before anything is copied, which is waited for until a deadline of its
	// own; nil: nobody looks.
	Ready *AwaitReadyIn `json:"ready,omitempty"`
	// Within is how long the router may take, from the write on.
	Within plan.Duration `json:"within"`
}

// Mirrorer is a router that can send the candidate copies of requests. A weight that is set takes them out.
type Mirrorer interface {
	// ReadMirror returns an error that says why requests cannot be copied.
	ReadMirror(context.Context, Route) error
	// SetMirror declares how many are; it is fenced and idempotent.
	SetMirror(context.Context, MirrorIn) error
	// VerifyMirror tells whether the router has accepted it.
	VerifyMirror(ctx context.Context, route Route, percent int) (Settled, error)
}

// MirrorTraffic declares how many requests are copied, and heartbeats until the router does so or the time is over.
// Before anything is copied, the pods must be ready; an end of it waits for nothing.
func (a *Traffic) MirrorTraffic(ctx context.Context, in MirrorIn) (Settled, error) {
	m, err := a.Routers.mirrorer(in.Route.Traffic)
	if err != nil {
		return Settled{}, fault.From(err)
	}
	ready, _, err := a.ready(ctx, in.Ready)
	if err != nil {
		return Settled{}, err
	}
	if !ready.Ready {
		return Settled{Unready: true, Reason: ready.Reason}, nil
	}
	if err := m.SetMirror(ctx, in); err != nil {
		return Settled{}, fault.From(err)
	}
	if in.Percent > 0 && activity.GetInfo(ctx).Attempt > 1 { // what an earlier attempt has sent must not arrive after the end
		if err := a.Clock.rest(ctx, decide.InFlight); err != nil {
			return Settled{}, err
		}
	}
	return poll(ctx, a.Clock, a.Clock.Now().Add(in.Within.D()), func(ctx context.Context) (Settled, bool, error) {
		s, err := m.VerifyMirror(ctx, in.Route, in.Percent)
		return s, s.Settled, err
	})
}

func (r Routers) mirrorer(t plan.Traffic) (Mirrorer, error) {
	router, err := r.Of(t)
	if err != nil {
		return nil, err
	}
	m, ok := router.(Mirrorer)
	if !ok {
		return nil, fault.New(fault.Invalid, "this router cannot copy requests; take mirror out of the plan, or name a router that can")
	}
	return m, nil
}

// inspectMirror refuses a route whose requests cannot be copied, where that is wished.
func (r Routers) inspectMirror(ctx context.Context, in Route) error {
	if in.Mirror == 0 {
		return nil
	}
	m, err := r.mirrorer(in.Traffic)
	if err != nil {
		return err
	}
	return m.ReadMirror(ctx, in)
}
