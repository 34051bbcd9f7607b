// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/decide/opinion"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// WatchIn asks for the verdict on one step.
type WatchIn struct {
	// ReleaseID is whose record is written; empty: none is.
	ReleaseID string        `json:"releaseId,omitempty"`
	Analysis  plan.Analysis `json:"analysis"`
	Route     Route         `json:"route"`
	// Start of the watch, by the workflow's clock. Where the weight is new, requests before Start + WarmUp do not
	// count.
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
	// Kind of the workload whose pods are replaced in place, whose guards look at those of the new version beside the
	// others; empty: none does.
	Kind string `json:"kind,omitempty"`
	// Reference is what stable did when it last served beside the candidate, or before the release.
	Reference decide.Counts `json:"reference"`
	// History is what was known of stable before the release.
	History judge.History `json:"history,omitzero"`
	// State is what the watch before this one has left: evidence goes on from step to step.
	State judge.State `json:"state,omitzero"`
	// Holding is what nobody else should change meanwhile; nil: nobody looks.
	Holding *Holding `json:"holding,omitempty"`
}

// watch is what the judgement depends on.
func (in WatchIn) watch() judge.Watch {
	return judge.Watch{
		Analysis: in.Analysis, History: in.History, Weight: in.Weight, Start: in.Start,
		Alone: in.InPlace || in.CandidateOnly, Reference: in.Reference, State: in.State,
	}
}

// Watched is a verdict with the numbers it rests on.
type Watched struct {
	Verdict decide.Verdict `json:"verdict"`
	// Stable is what stable did during the watch.
	Stable decide.Counts `json:"stable"`
	// State is for the next watch of the release.
	State judge.State `json:"state,omitzero"`
	// Edits have ended the watch before there was a verdict.
	Edits []Edit `json:"edits,omitempty"`
}

// ReadIn asks for what both tracks did since the end of the last tick that was used.
type ReadIn struct {
	Analysis plan.Analysis
	Route    Route
	After    time.Time
	// Boundaries of the latency histogram that are judged, in seconds; none: only requests are counted.
	Boundaries []float64
}

// Reading are the ticks that are complete, in their order, one interval apart; none, if it is too early. Next is
// when it makes sense to look again.
type Reading struct {
	Ticks []judge.Tick
	Next  time.Time
	// Queries that were asked, for the record.
	Queries []string
}

// LookAtPodsIn asks what the pods of both tracks have gone through, or the old and the new ones of a workload that
// replaces them in place.
type LookAtPodsIn struct {
	Namespace string
	// Stable and Candidate are Deployments.
	Stable, Candidate string
	// Kind of the workload Stable that replaces its pods in place: those that run what it declares now are the
	// candidate's, and there is no other Deployment. Empty: there are two.
	Kind string
}

// Patients are the pods of a cluster as guards see them.
type Patients interface {
	// LookAtPods looks once; At is not set. A Deployment that is not there has no pods; a workload that replaces its
	// pods in place must be there.
	LookAtPods(context.Context, LookAtPodsIn) (judge.Look, error)
}

// Source reads request counters. What it returns depends on ReadIn and on the counters alone, so that a
// worker's death loses nothing and no second is counted twice.
type Source interface {
	// Check refuses a source that does not answer or does not know the route's stable backend, and returns what
	// it knows of stable's past.
	Check(context.Context, plan.Analysis, Route) (judge.History, error)
	// Read returns the ticks that are complete.
	Read(context.Context, ReadIn) (Reading, error)
}

// Analysis judges a candidate by its requests.
type Analysis struct {
	Source Source
	Clock  Clock
	// Recorder keeps the record; nil: nobody does.
	Recorder Recorder
	// Onlooker sees what somebody else changes during a watch.
	Onlooker Onlooker
	// Pods of the cluster; nil: nobody looks at them.
	Pods Patients
	// Prober asks other systems; nil: nobody does.
	Prober Prober
}

// CheckMetrics refuses to start a release that could not be watched, and returns what is known of stable.
func (a *Analysis) CheckMetrics(ctx context.Context, in WatchIn) (judge.History, error) {
	h, err := a.Source.Check(ctx, in.Analysis, in.Route)
	return h, fault.From(err)
}

// watch is the state that survives a worker's death, as heartbeat details.
type watch struct {
	State judge.State `json:"state"`
	// Says is what the last look has found, for whoever looks at the activity.
	Says string `json:"says,omitempty"`
}

// goOn is the state that an earlier attempt has left, or the one that the watch began with.
func goOn(ctx context.Context, p *judge.Settings, in WatchIn) watch {
	w := resume[watch](ctx)
	if len(w.State.Steps) == 0 || w.State.Weight != in.Weight || !w.State.Sound(p) {
		w = watch{State: judge.Begin(p, in.State, in.Weight, in.Start)}
	}
	return w
}

// WatchTrack looks at the counters, tick by tick, until the step's verdict stands. It ends early on fail, at
// HoldUntil on pass, at GiveUpAt without a verdict, and when somebody else changes what the release holds. Its state is in its heartbeats: after a crash the next
// attempt goes on where this one was, and no hold starts again.
func (a *Analysis) WatchTrack(ctx context.Context, in WatchIn) (Watched, error) {
	began := in.watch()
	p := began.Settings()
	rules := opinion.Read(p.Rules())
	w := goOn(ctx, &p, in)
	record := account{recorder: a.Recorder, release: in.ReleaseID, began: &began}
	take := func(r Reading) {
		if len(r.Queries) > 0 {
			began.Queries = r.Queries
		}
		for _, t := range r.Ticks {
			if in.InPlace {
				t = t.InPlace()
			}
			w.State.Add(&p, t)
			if record.kept() {
				record.add(ctx, a.Clock.Now(), w.line(&p, t))
			}
			if sight, due := w.State.See(&p); due {
				said := judge.Rulings{At: w.State.At, Sight: sight, All: rules.Ask(sight)}
				w.State.Rule(&p, said)
				record.add(ctx, a.Clock.Now(), judge.Entry{Rules: &said})
			}
		}
	}
	return a.follow(ctx, in, &w, take, func(now time.Time) (Watched, bool) {
		if look, due := a.lookAtPods(ctx, in, &w.State.Guard, now); due {
			w.State.Look(&p, look)
			record.add(ctx, now, judge.Entry{Look: &look})
		}
		if answers, due := a.inquire(ctx, in, &w.State.Guard, now); due {
			w.State.Hear(&p, answers)
			record.add(ctx, now, judge.Entry{Answers: &answers})
		}
		f := w.State.Find(&p)
		w.Says = w.State.Explain(&p, f)
		if !stands(f.Outcome(), now, in.HoldUntil, in.GiveUpAt) {
			return Watched{}, false
		}
		stable, _ := w.State.Counted(&p)
		v := w.State.Verdict(&p, f)
		record.add(ctx, now, judge.Entry{Verdict: &v})
		return Watched{Verdict: v, Stable: stable, State: w.State}, true
	})
}

// certain is a certificate of which nobody needs to know how much more it is worth; where none is needed it is
// infinite, which cannot be written down.
const certain = 1e9

// line is what the record says of a tick.
func (w *watch) line(p *judge.Settings, t judge.Tick) judge.Entry {
	f := w.State.Find(p)
	return judge.Entry{Tick: &judge.Judged{
		Tick: t, Evidence: f.Evidence, Certificate: min(f.Certificate, certain), Says: w.State.Explain(p, f),
	}}
}

// lookAtPods looks, where it is time to.
func (a *Analysis) lookAtPods(ctx context.Context, in WatchIn, before *judge.Watched, now time.Time) (judge.Look, bool) {
	of := LookAtPodsIn{Namespace: in.Route.Namespace, Stable: in.Route.StableDeployment, Candidate: in.Route.CandidateDeployment}
	if in.InPlace {
		of.Candidate, of.Kind = "", in.Kind
	}
	if a.Pods == nil || of.Candidate == "" && of.Kind == "" || now.Before(before.Next) {
		return judge.Look{}, false
	}
	look, err := a.Pods.LookAtPods(ctx, of)
	if err != nil {
		look = judge.Look{Missed: err.Error()}
	}
	look.At, look.InPlace = now, in.InPlace
	before.Next = now.Add(in.Analysis.Interval.D())
	return look, true
}

// inquire asks other systems, all at once, where it is time to.
func (a *Analysis) inquire(ctx context.Context, in WatchIn, before *judge.Watched, now time.Time) (judge.Answers, bool) {
	out := judge.Answers{At: now, All: map[int]judge.Answer{}}
	if a.Prober == nil || in.Analysis.Guards == nil {
		return out, false
	}
	var group sync.WaitGroup
	var one sync.Mutex
	for i, q := range in.Analysis.Guards.Checks {
		if !before.Due(i, q.Every.D(), now) {
			continue
		}
		group.Go(func() {
			answer, err := a.Prober.Get(ctx, Request{URL: q.URL, Headers: q.Headers})
			said := judge.Answer{Silent: true}
			if err != nil {
				said.Says = err.Error()
			} else {
				c := assess(plan.Check{URL: q.URL, Status: q.Status, Contains: q.Contains}, answer)
				said = judge.Answer{Passed: c.Passed, Says: c.Reason}
			}
			one.Lock()
			defer one.Unlock()
			out.All[i] = said
		})
	}
	group.Wait()
	return out, len(out.All) > 0
}

// MeasureStable counts what stable does until HoldUntil, and longer, at most until GiveUpAt, while it has
// had fewer requests than a verdict needs. Its verdict only carries the reason. It survives as WatchTrack does.
func (a *Analysis) MeasureStable(ctx context.Context, in WatchIn) (Watched, error) {
	p := judge.New(in.Analysis, in.History)
	p.WarmUp = 0
	w := goOn(ctx, &p, in)
	take := func(r Reading) {
		for _, t := range r.Ticks {
			w.State.Add(&p, t)
		}
	}
	return a.follow(ctx, in, &w, take, func(now time.Time) (Watched, bool) {
		seen, _ := w.State.Counted(&p)
		w.Says = judge.Describe(seen)
		enough := seen.Requests >= p.Requests
		if now.Before(in.GiveUpAt) && (!enough || now.Before(in.HoldUntil)) {
			return Watched{}, false
		}
		return Watched{Verdict: decide.Verdict{Outcome: decide.Unknown, Reason: w.Says}, Stable: seen}, true
	})
}

// follow takes one reading after the other until there is a result.
func (a *Analysis) follow(
	ctx context.Context, in WatchIn, w *watch, take func(Reading), result func(now time.Time) (Watched, bool),
) (Watched, error) {
	settings := judge.New(in.Analysis, in.History)
	tell, end := a.Clock.alive(ctx)
	defer end()
	if err := tell(w); err != nil {
		return Watched{}, err
	}
	for {
		reading, err := a.Source.Read(ctx, ReadIn{
			Analysis: in.Analysis, Route: in.Route, After: w.State.At, Boundaries: settings.Boundaries(),
		})
		if err != nil {
			w.State.Missed(err.Error())
			reading.Next = a.Clock.Now().Add(in.Analysis.Interval.D())
		}
		take(reading)
		now := a.Clock.Now()
		out, done := result(now)
		if done {
			return out, nil
		}
		if edits := a.Onlooker.glance(ctx, in.Holding); len(edits) > 0 {
			return Watched{Edits: edits, State: w.State}, nil
		}
		if len(reading.Ticks) > 0 || err != nil {
			if err := tell(w); err != nil {
				return Watched{}, err
			}
		}
		if err := a.Clock.wait(ctx, pause(now, reading.Next, in.HoldUntil, in.GiveUpAt)); err != nil {
			return Watched{}, err
		}
	}
}

// leastPause keeps a source that never has enough from being asked all the time.
const leastPause = 100 * time.Millisecond

// pause until the first of these moments that is still to come.
func pause(now time.Time, moments ...time.Time) time.Duration {
	least := time.Duration(-1)
	for _, m := range moments {
		if d := m.Sub(now); d > 0 && (least < 0 || d < least) {
			least = d
		}
	}
	return max(least, leastPause)
}
