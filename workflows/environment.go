// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// maxLanes bounds an environment.
const maxLanes = 5000

// EnvironmentIn starts an environment, or goes on with what one knew.
type EnvironmentIn struct {
	Environment string `json:"environment"`
	// State of an environment that continues as new.
	State *EnvironmentState `json:"state,omitempty"`
}

// EnvironmentStatus is what holds an environment, and which lanes are in it.
type EnvironmentStatus struct {
	Environment string `json:"environment"`
	activities.Holds
	// Lanes are workflow IDs.
	Lanes []string `json:"lanes"`
	Log   []Event  `json:"log"`
}

// EnvironmentState is everything that an environment knows.
type EnvironmentState struct {
	Status EnvironmentStatus `json:"status"`
	// Told is the version of the holds that every lane has heard of.
	Told int64 `json:"told"`
}

// environment holds all its lanes at once.
type environment struct{ *EnvironmentState }

// Environment keeps what holds every release in it: freezes, and the line when it is stopped. A lane
// joins before it starts anything, so none can be overlooked, however young it is; from then on it is told
// of every change.
func Environment(ctx workflow.Context, in EnvironmentIn) error {
	e := &environment{in.State}
	if e.EnvironmentState == nil {
		e.EnvironmentState = &EnvironmentState{Status: EnvironmentStatus{Environment: in.Environment}}
	}
	if err := e.listen(ctx); err != nil {
		return err
	}
	full := func() bool {
		return workflow.GetInfo(ctx).GetContinueAsNewSuggested() && workflow.AllHandlersFinished(ctx)
	}
	for {
		if err := workflow.Await(ctx, func() bool { return e.news() || full() }); err != nil {
			return err
		}
		if !e.news() {
			return workflow.NewContinueAsNewError(ctx, Environment, EnvironmentIn{Environment: in.Environment, State: e.EnvironmentState})
		}
		if err := e.tell(ctx); err != nil {
			return err
		}
	}
}

func (e *environment) news() bool { return e.Told < e.Status.Version }

// tell tells every lane what holds them. One that is gone is taken off the list; it joins again when it
// comes back.
func (e *environment) tell(ctx workflow.Context) error {
	news := e.Status.Holds
	gone, err := call(ctx, telling(), fmt.Sprintf("Tell %d lanes", len(e.Status.Lanes)), lanes.TellLanes,
		activities.TellLanesIn{Lanes: e.Status.Lanes, Holds: news})
	if err != nil {
		return err
	}
	e.Status.Lanes = slices.DeleteFunc(e.Status.Lanes, func(l string) bool { return slices.Contains(gone, l) })
	e.Told = news.Version
	return nil
}

func (e *environment) listen(ctx workflow.Context) error {
	err := workflow.SetQueryHandler(ctx, EnvironmentQuery, func() (EnvironmentStatus, error) { return e.Status, nil })
	if err != nil {
		return fmt.Errorf("set environment query: %w", err)
	}
	return setUpdates(ctx, []updateHandler{
		{activities.JoinUpdate, e.join, func(_ workflow.Context, _ string) error {
			if len(e.Status.Lanes) >= maxLanes {
				return stop("the environment has %d lanes already", maxLanes)
			}
			return nil
		}},
		{FreezeLane, e.hold, func(ctx workflow.Context, h decide.Hold) error { return e.refuse(ctx, h) }},
		{Thaw, e.thaw, func(_ workflow.Context, t Thawing) error { return refuseThaw(t, e.Status.Holds.Holds) }},
	})
}

func (e *environment) refuse(ctx workflow.Context, h decide.Hold) error {
	if h.Kind != decide.Stop {
		return refuseFreeze(h, len(e.Status.Holds.Holds), workflow.Now(ctx))
	}
	switch {
	case h.Reason == "" || h.By == "":
		return stop("to stop the line needs a reason and who orders it")
	case slices.ContainsFunc(e.Status.Holds.Holds, func(o decide.Hold) bool { return o.Kind == decide.Stop }):
		return stop("the line is stopped already")
	}
	return nil
}

func (e *environment) join(_ workflow.Context, lane string) (activities.Holds, error) {
	if !slices.Contains(e.Status.Lanes, lane) {
		e.Status.Lanes = append(e.Status.Lanes, lane)
	}
	return e.Status.Holds, nil
}

func (e *environment) hold(ctx workflow.Context, h decide.Hold) (int, error) {
	h.Scope = e.Status.Environment
	return e.change(ctx, append(slices.Clip(e.Status.Holds.Holds), h), h.String())
}

func (e *environment) thaw(ctx workflow.Context, t Thawing) (int, error) {
	left := slices.DeleteFunc(slices.Clone(e.Status.Holds.Holds), func(h decide.Hold) bool { return h.Kind == t.Kind })
	return e.change(ctx, left, fmt.Sprintf("%s ended by %s %s", t.Kind, t.By, t.Reason))
}

// change returns how many lanes there are, once all of them have heard of it. Versions are moments, so
// that an environment which was ended by force and begun again goes on above the old ones.
func (e *environment) change(ctx workflow.Context, all []decide.Hold, what string) (int, error) {
	now := workflow.Now(ctx)
	version := max(e.Status.Version+1, now.UnixMilli())
	e.Status.Holds = activities.Holds{Version: version, Holds: decide.Standing(all, now)}
	e.Status.Log = newest(append(e.Status.Log, Event{At: now, Text: cut(what)}), maxLaneLog)
	err := workflow.Await(ctx, func() bool { return e.Told >= version })
	return len(e.Status.Lanes), err
}
