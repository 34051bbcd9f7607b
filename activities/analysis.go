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

// WatchIn asks for the verdict on one step.
type WatchIn struct {
	Analysis plan.Analysis `json:"analysis"`
	Route    Route         `json:"route"`
	// Start of the step, by the workflow's clock; requests before Start + WarmUp do not count.
	Start time.Time `json:"start"`
	// HoldUntil is the earliest end. The verdict is given then, or earlier if it is fail.
	HoldUntil time.Time `json:"holdUntil"`
	// GiveUpAt is when an unmeasurable step is handed back as unknown.
	GiveUpAt time.Time `json:"giveUpAt"`
	// Weight is the candidate's share of requests that the router was given, 1 to 100.
	Weight int `json:"weight"`
	// CandidateOnly is true when stable gets no traffic: Reference stands in for it.
	CandidateOnly bool `json:"candidateOnly,omitempty"`
	// InPlace is true when both versions answer behind stable: what it does now is judged by Reference, what
	// it did before.
	InPlace bool `json:"inPlace,omitempty"`
	// Reference is what stable did when it last served beside the candidate, or before the release.
	Reference decide.Counts `json:"reference"`
}

// Watched is a verdict with the numbers it rests on.
type Watched struct {
	Verdict decide.Verdict `json:"verdict"`
	// Stable is what stable did during the watch.
	Stable decide.Counts `json:"stable"`
}

// Sample is the growth of both tracks' counters since the last look.
type Sample struct {
	Stable, Candidate decide.Counts
}

// Source reads request counters. Positions are opaque to the caller: it hands back what it got, so
// that every second is counted once and a worker's death loses nothing.
type Source interface {
	// Check refuses a source that does not answer or does not know the route's stable backend.
	Check(context.Context, plan.Analysis, Route) error
	// Read returns what happened since position; an empty position only sets the mark.
	Read(ctx context.Context, analysis plan.Analysis, route Route, position Position) (Sample, Position, error)
}

// Position is the last value seen of every counter series, by series name.
type Position map[string]float64

// Analysis judges a candidate by its requests.
type Analysis struct {
	Source Source
	Clock  Clock
}

// CheckMetrics refuses to start a release that could not be watched.
func (a *Analysis) CheckMetrics(ctx context.Context, in WatchIn) error {
	return fault.From(a.Source.Check(ctx, in.Analysis, in.Route))
}

// watch is the state that survives a worker's death, as heartbeat details. Counts are kept for the
// present window and the one before it.
type watch struct {
	Position  Position  `json:"position"`
	Began     time.Time `json:"began"`
	Stable    [2]decide.Counts
	Candidate [2]decide.Counts
}

func (w *watch) stable() decide.Counts    { return w.Stable[0].Add(w.Stable[1]) }
func (w *watch) candidate() decide.Counts { return w.Candidate[0].Add(w.Candidate[1]) }

// add counts a sample, in a new window if the present one is full.
func (w *watch) add(s Sample, now time.Time, window time.Duration) {
	if now.Sub(w.Began) >= window {
		w.Began = now
		w.Stable = [2]decide.Counts{{}, w.Stable[0]}
		w.Candidate = [2]decide.Counts{{}, w.Candidate[0]}
	}
	w.Stable[0], w.Candidate[0] = w.Stable[0].Add(s.Stable), w.Candidate[0].Add(s.Candidate)
}

// WatchTrack looks at the counters until the step's verdict stands. It ends early on fail, at
// HoldUntil on pass, and at GiveUpAt when it cannot be measured. Its state is in its heartbeats: after
// a crash the next attempt goes on where this one was, and no hold starts again.
func (a *Analysis) WatchTrack(ctx context.Context, in WatchIn) (Watched, error) {
	w := resume[watch](ctx)
	for {
		verdict := a.look(ctx, in, &w)
		activity.RecordHeartbeat(ctx, w)
		now := a.Clock.Now()
		if stands(verdict, now, in.HoldUntil, in.GiveUpAt) {
			return Watched{Verdict: verdict, Stable: w.stable()}, nil
		}
		if err := a.Clock.wait(ctx, in.Analysis.Interval.D()); err != nil {
			return Watched{}, err
		}
	}
}

// MeasureStable counts what stable does until HoldUntil, and longer, at most until GiveUpAt, while it has
// had fewer requests than a verdict needs. Its verdict only carries the reason. It survives as WatchTrack does.
func (a *Analysis) MeasureStable(ctx context.Context, in WatchIn) (Watched, error) {
	w := resume[watch](ctx)
	for {
		sample, position, err := a.Source.Read(ctx, in.Analysis, in.Route, w.Position)
		now := a.Clock.Now()
		if err == nil {
			w.Position = position
			w.add(sample, now, in.Analysis.Window.D())
		}
		activity.RecordHeartbeat(ctx, w)
		seen := w.stable()
		enough := seen.Requests >= float64(in.Analysis.MinRequests)
		if !now.Before(in.GiveUpAt) || enough && !now.Before(in.HoldUntil) {
			return Watched{Verdict: decide.Verdict{Outcome: decide.Unknown, Reason: decide.Describe(seen)}, Stable: seen}, nil
		}
		if err := a.Clock.wait(ctx, in.Analysis.Interval.D()); err != nil {
			return Watched{}, err
		}
	}
}

// look reads the counters once and judges everything since the warm-up.
func (a *Analysis) look(ctx context.Context, in WatchIn, w *watch) decide.Verdict {
	sample, position, err := a.Source.Read(ctx, in.Analysis, in.Route, w.Position)
	if err != nil {
		return decide.CannotMeasure(err.Error())
	}
	w.Position = position
	now := a.Clock.Now()
	if now.Before(in.Start.Add(in.Analysis.WarmUp.D())) {
		return decide.CannotMeasure("warming up")
	}
	w.add(sample, now, in.Analysis.Window.D())
	if in.InPlace {
		return decide.Compare(in.Analysis, in.Reference, w.stable())
	}
	if in.CandidateOnly {
		return decide.Compare(in.Analysis, in.Reference, w.candidate())
	}
	if v, ok := decide.Share(in.Weight, w.stable(), w.candidate()); !ok {
		return v
	}
	return decide.Compare(in.Analysis, w.stable(), w.candidate())
}
