// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Route names what a router shifts: the two backends of one route.
type Route struct {
	Namespace string       `json:"namespace"`
	Traffic   plan.Traffic `json:"traffic"`
	// Stable is the root Service, Candidate the candidate track's Service.
	Stable    string `json:"stable"`
	Candidate string `json:"candidate"`
	// StableDeployment and CandidateDeployment are the two tracks, by which metrics of pods are told apart.
	StableDeployment    string `json:"stableDeployment,omitempty"`
	CandidateDeployment string `json:"candidateDeployment,omitempty"`
	// StableSelector and CandidateSelector are what the root Service selects on either side of a switch.
	StableSelector    map[string]string `json:"stableSelector,omitempty"`
	CandidateSelector map[string]string `json:"candidateSelector,omitempty"`
	// SharedSelector matches both tracks; empty where they have no label in common.
	SharedSelector map[string]string `json:"sharedSelector,omitempty"`
	// Also are Services that are switched together with the root Service.
	Also []string `json:"also,omitempty"`
	Port int32    `json:"port"`
	// Testers reach the candidate whatever the weight, by a preview route; nil: there are none.
	Testers *plan.Testers `json:"testers,omitempty"`
	// Sticky is the cookie by which a client stays on the version that it got first; empty: it need not.
	Sticky string `json:"sticky,omitempty"`
	// Mirror is the percentage of requests that the release copies to the candidate before its first weight; 0: none.
	Mirror int `json:"mirror,omitempty"`
}

// InspectTargetIn asks what a target and its route look like before anything is changed.
type InspectTargetIn struct {
	Target plan.Target `json:"target"`
	Config plan.Config `json:"config,omitzero"`
	Image  string      `json:"image"`
	// Route as the plan names it, with what is wished of its router.
	Route Route `json:"route"`
}

// Inspected is what was found: the tracks, and the route between them.
type Inspected struct {
	Tracks Tracks `json:"tracks"`
	Route  Route  `json:"route"`
}

// SetTrafficWeightIn declares the candidate's share, 0 to 100; stable gets the rest. At 0 the
// candidate's backend is taken out, so that the route is as it was found.
type SetTrafficWeightIn struct {
	Write
	Route  Route `json:"route"`
	Weight int   `json:"weight"`
	// Safe is kept on the routed object while the candidate has a share, by routers that have such an object.
	Safe *SafeState `json:"safe,omitempty"`
	// TakeBack says that a person wants what somebody else has made of the weights to be overwritten.
	TakeBack bool `json:"takeBack,omitempty"`
}

// ShiftTrafficIn declares a weight and waits until the router says it serves it.
type ShiftTrafficIn struct {
	SetTrafficWeightIn
	Deadline time.Time `json:"deadline"`
	// Held is looked at before the weight is written; nil: nothing is.
	Held *Held `json:"held,omitempty"`
	// Size makes the candidate as large as stable is, before its pods are looked at; nil: it keeps its size.
	Size *ResizeCandidateIn `json:"size,omitempty"`
	// Ready are the pods that must be ready when the weight is declared, which is waited for until a deadline
	// of its own; nil: nobody looks.
	Ready *AwaitReadyIn `json:"ready,omitempty"`
	// Within is how long the router may take, where pods had to be waited for.
	Within plan.Duration `json:"within,omitempty"`
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
	// Unready is true when the pods were not ready for the weight, so that it was not declared.
	Unready bool `json:"unready,omitempty"`
	// Reason in plain words when it is not.
	Reason string `json:"reason,omitempty"`
	// Edits are what was found instead of what the release had left: nothing was written.
	Edits []Edit `json:"edits,omitempty"`
	// Sized is the candidate's size, where it was to be made as large as stable.
	Sized *Resized `json:"sized,omitempty"`
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

// PreviewIn declares the route that only the requests of the route's testers take, straight to the
// candidate.
type PreviewIn struct {
	Write
	Route Route `json:"route"`
	// Deadline of the wait until the router serves a route that was opened.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Previewer is a router that can tell the requests of testers from those of others.
type Previewer interface {
	// ReadPreview returns an error that says why the preview route cannot be made.
	ReadPreview(context.Context, Route) error
	// OpenPreview declares the route; it is fenced and idempotent.
	OpenPreview(context.Context, PreviewIn) error
	// VerifyPreview tells whether the router has accepted it.
	VerifyPreview(context.Context, Route) (Settled, error)
	// ClosePreview removes it; finding none is fine.
	ClosePreview(context.Context, PreviewIn) error
}

// Routers are the kinds of traffic shifting by the field of spec.traffic that names them.
type Routers map[string]Router

// Of is the router that a plan names. One that these do not know is a fault of kind Invalid.
func (r Routers) Of(t plan.Traffic) (Router, error) {
	kind, _ := t.Router()
	if router := r[kind.Name]; router != nil {
		return router, nil
	}
	return nil, fault.New(fault.Invalid, "the plan names a router that this worker does not know; use a newer worker, or name another one in spec.traffic")
}

// Targets are what is released. Workloads does.
type Targets interface {
	// Inspect finds the tracks of a target.
	Inspect(context.Context, InspectTargetIn) (Tracks, error)
}

// Pods tells whether a track can take what it is about to get, and makes it large enough. Workloads does.
type Pods interface {
	Readiness(context.Context, AwaitReadyIn) (Readiness, error)
	// ResizeCandidate makes a candidate as large as stable is now, if it is smaller; it is fenced and idempotent.
	ResizeCandidate(context.Context, ResizeCandidateIn) (Resized, error)
}

// Traffic shifts requests between the tracks.
type Traffic struct {
	Routers Routers
	Targets Targets
	Pods    Pods
	Clock   Clock
	// Keeper looks at what a release holds beside the weight; nil: nobody does.
	Keeper Keeper
}

// InspectTarget finds the tracks of a target and the route between them. It refuses what cannot be released, what
// cannot be shifted, and a wish that the router cannot fulfil.
func (a *Traffic) InspectTarget(ctx context.Context, in InspectTargetIn) (Inspected, error) {
	tracks, err := a.Targets.Inspect(ctx, in)
	if err != nil {
		return Inspected{}, fault.From(err)
	}
	out := Inspected{Tracks: tracks, Route: in.Route.between(tracks)}
	return out, fault.From(a.Routers.Inspect(ctx, out.Route))
}

// between completes what a plan says of a route by the tracks that it leads to.
func (r Route) between(t Tracks) Route {
	r.Candidate, r.Port = t.CandidateService, t.Port
	r.StableSelector, r.CandidateSelector, r.SharedSelector = t.StableSelector, t.CandidateSelector, t.SharedSelector
	return r
}

// Inspect refuses a route that cannot be shifted, and a wish that its router cannot fulfil.
func (r Routers) Inspect(ctx context.Context, in Route) error {
	router, err := r.Of(in.Traffic)
	if err != nil {
		return err
	}
	if reason := refusal(in); reason != "" {
		return fault.New(fault.Invalid, "%s", reason)
	}
	if _, err := router.Read(ctx, in); err != nil {
		return err
	}
	if err := r.inspectPreview(ctx, in); err != nil {
		return err
	}
	return r.inspectMirror(ctx, in)
}

// inspectPreview refuses a route that testers cannot be let in by, where that is wished.
func (r Routers) inspectPreview(ctx context.Context, in Route) error {
	if in.Testers == nil {
		return nil
	}
	p, err := r.previewer(in.Traffic)
	if err != nil {
		return err
	}
	return p.ReadPreview(ctx, in)
}

// refusal is why the router cannot do what is wished of it; empty where it can.
func refusal(in Route) string {
	kind, _ := in.Traffic.Router()
	if in.Sticky != "" {
		if reason := kind.RefusesSticky(); reason != "" {
			return reason
		}
	}
	if in.Mirror > 0 {
		if reason := in.Traffic.RefusesMirror(); reason != "" {
			return reason
		}
	}
	if in.Testers != nil {
		return kind.Refuses(*in.Testers)
	}
	return ""
}

// SetTrafficWeight declares the candidate's share of requests.
func (a *Traffic) SetTrafficWeight(ctx context.Context, in SetTrafficWeightIn) error {
	router, err := a.Routers.Of(in.Route.Traffic)
	if err != nil {
		return fault.From(err)
	}
	return fault.From(router.Set(ctx, in))
}

// ShiftTraffic is SetTrafficWeight and AwaitTraffic in one, for the way forward: every attempt looks at the
// pods first, since those that were ready for the last weight may be gone. Another attempt declares the same
// weight again. What somebody else has changed meanwhile is a value, and nothing is written.
func (a *Traffic) ShiftTraffic(ctx context.Context, in ShiftTrafficIn) (Settled, error) {
	router, err := a.Routers.Of(in.Route.Traffic)
	if err != nil {
		return Settled{}, fault.From(err)
	}
	began := a.Clock.Now()
	able, err := a.able(ctx, in)
	if err != nil || able.Unready || len(able.Edits) > 0 {
		return able, err
	}
	err = router.Set(ctx, in.SetTrafficWeightIn)
	if err != nil && fault.Of(err) == fault.Edited && in.Held != nil {
		var edits []Edit
		if edits, err = weightEdit(ctx, router, in.Route, err); err == nil && len(edits) > 0 {
			return Settled{Edits: edits}, nil
		}
	}
	if err != nil {
		return Settled{}, fault.From(err)
	}
	if now := a.Clock.Now(); now.Sub(began) >= pollInterval && in.Ready != nil {
		in.Deadline = now.Add(in.Within.D())
	}
	out, err := a.AwaitTraffic(ctx, AwaitTrafficIn{Route: in.Route, Weight: in.Weight, Deadline: in.Deadline})
	out.Sized = able.Sized
	return out, err
}

// able looks at what a weight counts on: that nobody has changed it, and that the pods are enough and ready for it.
// After a wait for pods it looks again.
func (a *Traffic) able(ctx context.Context, in ShiftTrafficIn) (Settled, error) {
	raised := false
	for {
		edits, err := a.edits(ctx, in.Held)
		if err != nil || len(edits) > 0 {
			return Settled{Edits: edits}, fault.From(err)
		}
		sized, err := a.size(ctx, &in)
		if err != nil {
			return Settled{}, err
		}
		if sized != nil {
			raised = raised || sized.Raised
			sized.Raised = raised
		}
		ready, looks, err := a.ready(ctx, in.Ready)
		if err != nil {
			return Settled{}, err
		}
		if !ready.Ready {
			return Settled{Unready: true, Reason: ready.Reason}, nil
		}
		if looks <= 1 { // however long that one took
			return Settled{Sized: sized}, nil
		}
	}
}

// size makes the candidate large enough, where that is wished, and counts on as many pods then. An autoscaler may take
// away again what this did not raise.
func (a *Traffic) size(ctx context.Context, in *ShiftTrafficIn) (*Resized, error) {
	if in.Size == nil {
		return nil, nil //nolint:nilnil // none was wished
	}
	sized, err := a.Pods.ResizeCandidate(ctx, *in.Size)
	if err != nil {
		return nil, fault.From(err)
	}
	if in.Ready != nil {
		ready := *in.Ready
		if sized.Raised || in.Size.Least > 0 {
			ready.Replicas = max(ready.Replicas, sized.Needed)
		}
		ready.Replicas = min(ready.Replicas, sized.Replicas)
		in.Ready = &ready
	}
	return &sized, nil
}

// ready heartbeats until the pods are ready or their deadline has passed, and tells how often it has looked.
func (a *Traffic) ready(ctx context.Context, in *AwaitReadyIn) (out Readiness, looks int, err error) {
	if in == nil {
		return Readiness{Ready: true}, 0, nil
	}
	out, err = poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Readiness, bool, error) {
		looks++
		r, err := a.Pods.Readiness(ctx, *in)
		return r, r.Ready, err
	})
	return out, looks, err
}

// AwaitTraffic heartbeats until the router serves the weight or the deadline has passed.
func (a *Traffic) AwaitTraffic(ctx context.Context, in AwaitTrafficIn) (Settled, error) {
	router, err := a.Routers.Of(in.Route.Traffic)
	if err != nil {
		return Settled{}, fault.From(err)
	}
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Settled, bool, error) {
		s, err := router.Verify(ctx, in.Route, in.Weight)
		return s, s.Settled, err
	})
}

// OpenPreview lets the requests of testers reach the candidate, and heartbeats until the router serves
// them or the deadline has passed.
func (a *Traffic) OpenPreview(ctx context.Context, in PreviewIn) (Settled, error) {
	p, err := a.Routers.previewer(in.Route.Traffic)
	if err == nil {
		err = p.OpenPreview(ctx, in)
	}
	if err != nil {
		return Settled{}, fault.From(err)
	}
	if activity.GetInfo(ctx).Attempt > 1 { // what an earlier attempt has sent must not arrive after the route was closed
		if err := a.Clock.rest(ctx, decide.InFlight); err != nil {
			return Settled{}, err
		}
		in.Deadline = in.Deadline.Add(decide.InFlight)
	}
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Settled, bool, error) {
		s, err := p.VerifyPreview(ctx, in.Route)
		return s, s.Settled, err
	})
}

// ClosePreview takes the preview route away again.
func (a *Traffic) ClosePreview(ctx context.Context, in PreviewIn) error {
	p, err := a.Routers.previewer(in.Route.Traffic)
	if err != nil {
		return fault.From(err)
	}
	return fault.From(p.ClosePreview(ctx, in))
}

func (r Routers) previewer(t plan.Traffic) (Previewer, error) {
	router, err := r.Of(t)
	if err != nil {
		return nil, err
	}
	p, ok := router.(Previewer)
	if !ok {
		return nil, fault.New(fault.Invalid, "this router cannot tell the requests of testers from others; take testers out of the plan, or name a router that can")
	}
	return p, nil
}
