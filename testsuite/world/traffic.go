// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// rate is the number of requests per second that callers make.
const rate = 50

// badShare is the share of requests that a bad candidate fails.
const badShare = 0.2

// Metrics is the world as an activities.Source.
type Metrics struct{ *World }

// Selector is the world as the router of those who have none: by the Service's selector alone, or by the
// number of pods.
type Selector struct{ *World }

// Prober is the world as a client of the candidate.
type Prober struct{ *World }

var (
	_ activities.Router    = (*World)(nil)
	_ activities.Previewer = (*World)(nil)
	_ activities.Mirrorer  = (*World)(nil)
	_ activities.Router    = Selector{}
	_ activities.Source    = Metrics{}
	_ activities.Prober    = Prober{}
)

// Read implements activities.Router.
func (w *World) Read(_ context.Context, _ activities.Route) (int, error) {
	if err := w.enter(ReadRoute); err != nil {
		return 0, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Weight > 0 {
		return w.state.Weight, fault.New(fault.Edited, "the route sends %d %% to the candidate already", w.state.Weight)
	}
	return w.state.Weight, nil
}

// Set implements activities.Router.
func (w *World) Set(_ context.Context, in activities.SetTrafficWeightIn) error {
	if err := w.enter(SetWeight); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp("the route", in.Write); err != nil {
		return err
	}
	switch {
	case in.Weight < 0 || in.Weight > 100:
		w.violate("weight %d", in.Weight)
	case w.Late:
	case in.Weight > 0 && w.state.Mirror > 0:
		w.violate("%d %% of requests sent to %s, while others are copied to it", in.Weight, w.second)
	case in.Weight > w.state.Weight && !w.was(w.second, 1):
		w.violate("%d %% of requests sent to %s, which is not ready", in.Weight, w.second)
	case in.Weight > w.state.Weight && !w.was(w.second, decide.Enough(in.Weight, w.capacity())):
		w.violate("%d %% of requests sent to %d pods of %s", in.Weight, w.pods(), w.second)
	case in.Weight < 100 && in.Weight < w.state.Weight && !w.ready(w.state.Serving):
		w.violate("%d %% of requests sent to %s, which is not ready", 100-in.Weight, w.state.Serving)
	}
	w.copies(0) // beside a weight there are none
	if in.Weight == w.state.Weight {
		w.wrote = in.Weight
		return nil
	}
	if in.Weight > 0 && !in.TakeBack && w.state.Weight != w.wrote {
		return fault.New(fault.Edited, "somebody has set the route to %d %% since Slipway set it to %d %%", w.state.Weight, w.wrote)
	}
	if in.Weight == 100 {
		w.guardSize(w.second)
	}
	w.reach()
	w.state.Weight, w.wrote, w.shifted = in.Weight, in.Weight, w.time()
	if in.Weight == 100 {
		w.full = w.shifted
	}
	w.did("weight %d %%", in.Weight)
	return nil
}

// guardSize flags a track that gets everybody and is smaller than the one it takes over from.
func (w *World) guardSize(track string) {
	from := w.state.Serving
	if w.Late || !w.edited.IsZero() && w.time().Sub(w.edited) < w.Grace {
		return
	}
	switch Both {
	case track:
		return
	case from:
		from = w.first
	}
	has, serves := w.state.Tracks[track].Size, w.state.Tracks[from].Size
	if size, byHand := w.scaled[track]; byHand && size == has { // whoever has made it smaller has decided that
		return
	}
	if has < serves {
		w.violate("all requests sent to %d pods of %s, which %d pods served before", has, track, serves)
	}
}

// Verify implements activities.Router.
func (w *World) Verify(_ context.Context, _ activities.Route, weight int) (activities.Settled, error) {
	if err := w.enter(Verify); err != nil {
		return activities.Settled{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.SettleAfter < 0 || slices.Contains(w.SettleRefused, weight) || weight != w.state.Weight || w.time().Sub(w.shifted) < w.SettleAfter {
		return activities.Settled{Reason: "gateway: has not looked at the present route yet"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// ReadPreview implements activities.Previewer.
func (w *World) ReadPreview(context.Context, activities.Route) error { return w.enter(ReadPreview) }

// VerifyPreview implements activities.Previewer.
func (w *World) VerifyPreview(context.Context, activities.Route) (activities.Settled, error) {
	if err := w.enter(Verify); err != nil {
		return activities.Settled{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.SettleAfter < 0 || !w.state.Preview {
		return activities.Settled{Reason: "gateway: has not looked at the present route yet"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// OpenPreview implements activities.Previewer.
func (w *World) OpenPreview(_ context.Context, in activities.PreviewIn) error {
	return w.preview(in, true)
}

// ClosePreview implements activities.Previewer.
func (w *World) ClosePreview(_ context.Context, in activities.PreviewIn) error {
	return w.preview(in, false)
}

func (w *World) preview(in activities.PreviewIn, open bool) error {
	if err := w.enter(Preview); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp("the preview route", in.Write); err != nil {
		return err
	}
	if open && !w.Late && !w.was(w.second, 1) {
		w.violate("testers sent to %s, which is not ready", w.second)
	}
	if w.state.Preview == open {
		return nil
	}
	w.reach()
	w.state.Preview = open
	if open {
		w.did("open the preview route")
		return nil
	}
	delete(w.fences, "the preview route") // they were on the object
	w.did("close the preview route")
	return nil
}

// ReadMirror implements activities.Mirrorer.
func (w *World) ReadMirror(context.Context, activities.Route) error { return w.enter(ReadMirror) }

// SetMirror implements activities.Mirrorer.
func (w *World) SetMirror(_ context.Context, in activities.MirrorIn) error {
	if err := w.enter(Mirror); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.stamp("the route", in.Write); err != nil {
		return err
	}
	switch {
	case w.Late || in.Percent == 0:
	case !w.was(w.second, 1):
		w.violate("copies sent to %s, which is not ready", w.second)
	case !w.was(w.second, decide.Enough(in.Percent, w.capacity())):
		w.violate("copies of %d %% of requests sent to %d pods of %s", in.Percent, w.pods(), w.second)
	}
	w.copies(in.Percent)
	return nil
}

// copies makes the candidate get so many from now on.
func (w *World) copies(percent int) {
	if percent == w.state.Mirror {
		return
	}
	w.state.Mirror, w.shifted = percent, w.time()
	w.did("copy %d %% of requests", percent)
}

// VerifyMirror implements activities.Mirrorer.
func (w *World) VerifyMirror(_ context.Context, _ activities.Route, percent int) (activities.Settled, error) {
	if err := w.enter(Verify); err != nil {
		return activities.Settled{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.SettleAfter < 0 || percent != w.state.Mirror || w.time().Sub(w.shifted) < w.SettleAfter {
		return activities.Settled{Reason: "gateway: has not looked at the present route yet"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// Post implements activities.Prober: another system that is asked, and says yes from ConfirmsFrom on.
func (p Prober) Post(_ context.Context, r activities.Request) (activities.Answer, error) {
	if err := p.enter(Confirm); err != nil {
		return activities.Answer{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = r.Body
	if p.ConfirmsFrom < 0 || p.time().Sub(p.began) < p.ConfirmsFrom {
		return activities.Answer{Status: 403}, nil
	}
	return activities.Answer{Status: 200}, nil
}

// Asked is what another system was asked last.
func (w *World) Asked() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.asked
}

// Get implements activities.Prober.
func (p Prober) Get(context.Context, activities.Request) (activities.Answer, error) {
	w := p.World
	if err := w.enter(Probe); err != nil {
		return activities.Answer{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ready(w.second) && w.state.Rollout.New == 0 {
		return activities.Answer{Status: 503}, nil
	}
	if w.BadAnswers != 0 {
		w.BadAnswers--
		return activities.Answer{Status: 500}, nil
	}
	return activities.Answer{Status: 200, Body: "ok"}, nil
}

// Read implements activities.Router.
func (s Selector) Read(ctx context.Context, route activities.Route) (int, error) {
	return s.World.Read(ctx, route)
}

// Set implements activities.Router.
func (s Selector) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	if err := s.enter(SetWeight); err != nil {
		return err
	}
	selector := selected(in.Route, in.Weight)
	before := s.State().Serving
	s.guardShare(in.Weight)
	err := s.SwitchService(ctx, activities.SwitchServiceIn{Write: in.Write, Service: in.Route.Stable, Selector: selector})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shifted = s.time()
	if in.Weight == 100 && s.state.Serving != before {
		s.full = s.shifted
	}
	return nil
}

// Verify implements activities.Router.
func (s Selector) Verify(_ context.Context, route activities.Route, weight int) (activities.Settled, error) {
	if err := s.enter(Verify); err != nil {
		return activities.Settled{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	want := selected(route, weight)
	if s.SettleAfter < 0 || slices.Contains(s.SettleRefused, weight) || want["track"] != s.state.Serving || s.time().Sub(s.shifted) < s.SettleAfter {
		return activities.Settled{Reason: "Service checkout still has endpoints of the other track"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// selected is what the root Service selects at a weight.
func selected(route activities.Route, weight int) map[string]string {
	switch weight {
	case 0:
		return route.StableSelector
	case 100:
		return route.CandidateSelector
	}
	return route.SharedSelector
}

// guardShare flags a weight that the candidate's pods exceed, or are too few for.
func (s Selector) guardShare(weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pods := s.pods()
	switch {
	case s.Late:
	case weight == 100 && !s.was(s.second, s.capacity()):
		s.violate("all requests sent to %d pods of %s", pods, s.second)
	case weight > 0 && weight < 100 && decide.Ratio(int(pods), Replicas) > weight:
		s.violate("%d pods of %s get more than %d %%", pods, s.second, weight)
	}
}

// Check implements activities.Source. Stable's pods have served for long, and fail together as by chance.
func (m Metrics) Check(context.Context, plan.Analysis, activities.Route) (judge.History, error) {
	return judge.History{
		Pods: 4, Requests: 1e6, Timed: 1e6, Errors: judge.Spread{Bad: 50, Phi: 1},
		Slow: []judge.Boundary{{UpTo: .05, Weight: 1, Spread: judge.Spread{Bad: 1000, Phi: 1}}},
	}, m.enter(Check)
}

// most is how many ticks one look returns at most: those of a watch that was away for a month do not matter one
// by one.
const most = 20

// Read implements activities.Source.
func (m Metrics) Read(_ context.Context, in activities.ReadIn) (activities.Reading, error) {
	w := m.World
	if err := w.enter(Measure); err != nil {
		return activities.Reading{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	interval := in.Analysis.Interval.D()
	after := in.After
	if late := w.time().Add(-most * interval); after.Before(late) {
		after = late.Truncate(interval)
	}
	var out activities.Reading
	for end := after.Add(interval); !end.After(w.time()); end = end.Add(interval) {
		out.Ticks = append(out.Ticks, w.tick(end, interval))
		after = end
	}
	out.Next = after.Add(interval)
	return out, nil
}

// tick is what both tracks did in one interval, at the present weight.
func (w *World) tick(end time.Time, interval time.Duration) judge.Tick {
	if w.QuietFrom > 0 && end.Sub(w.began) > w.QuietFrom {
		return judge.Tick{End: end}
	}
	all, share := interval.Seconds()*rate, float64(w.state.Weight)/100
	bad, gets := w.badness(end.Sub(w.began)), share+float64(w.state.Mirror)/100
	return judge.Tick{
		End: end, StablePods: 4, CandidatePods: 4, Routed: [2]float64{all * (1 - share), all * gets},
		Stable:    requests(all*(1-share), bad*float64(w.state.Rollout.New)/Replicas),
		Candidate: requests(all*gets, bad),
	}
}

// badness is the share of requests that the candidate fails at a time after the beginning.
func (w *World) badness(at time.Duration) float64 {
	weight := max(w.state.Weight, 100*w.state.Rollout.New/Replicas)
	if w.BadCopies && w.state.Mirror > 0 {
		return badShare
	}
	if w.BadFromWeight > 0 && weight >= w.BadFromWeight || w.BadFrom > 0 && at > w.BadFrom {
		return badShare
	}
	return 0
}

// requests are n that took at most 50 ms, of which a share failed.
func requests(n, bad float64) decide.Counts {
	return decide.Counts{Requests: n, Errors: n * bad, Timed: n, Buckets: []decide.Bucket{{UpTo: .05, Count: n}, {UpTo: .5, Count: n}}}
}
