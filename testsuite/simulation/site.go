// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
)

// site is the world as activities reach it: every call may go wrong on its way.
type site struct {
	*server
	world    *world.World
	scenario Scenario
	oracle   *oracle
	// hits are the faults that were met.
	hits map[Pair]int
	// calls numbers all calls of the world.
	calls int
}

// Pair is an activity and what went wrong with it.
type Pair struct {
	Activity string
	Kind     Kind
}

// deed is one call of the world.
type deed struct {
	op world.Op
	// object that it writes; empty: it only looks.
	object string
	write  activities.Write
	// creates: a late one arrives soon.
	creates bool
}

// through sends a call to the world, if it gets there.
func through[T any](ctx context.Context, s *site, d deed, do func() (T, error)) (T, error) {
	var none T
	a, ok := ctx.Value(attemptKey{}).(*attempt)
	switch {
	case !ok:
		return do()
	case a.dead:
		return none, errDead
	}
	f := s.fate(a, d)
	a.calls++
	a.disturbed = a.disturbed || f.Kind != ""
	switch f.Kind {
	case Refused:
		return none, errRefused
	case Unheard:
		_, _ = carry(s, a, d, do)
		return none, errUnheard
	case Slow:
		if err := s.stay(a, f.For); err != nil {
			return none, err
		}
	case Silent:
		return none, s.hang(a)
	case DiesBefore, DiesAfter:
		if f.Kind == DiesAfter {
			_, _ = carry(s, a, d, do)
		}
		s.after(tick, s.die)
		return none, s.hang(a)
	case Late:
		s.after(s.lateness(a, d, f), func() { s.arrive(func() { _, _ = carry(s, a, d, do) }) })
		return none, s.hang(a)
	}
	if err := s.weather(a, d, func() { _, _ = carry(s, a, d, do) }); err != nil {
		return none, err
	}
	if a.options.HeartbeatTimeout > 0 {
		defer s.heard(a) // the worker takes any answer as a sign of life
	}
	return carry(s, a, d, do)
}

// stay lets an attempt wait in the middle of a call.
func (s *site) stay(a *attempt, d time.Duration) error {
	select {
	case <-a.ctx.Done():
		return a.ctx.Err()
	case <-s.After(d):
		return nil
	}
}

// lateness is when a late call arrives: after its attempt was given up.
func (s *site) lateness(a *attempt, d deed, f Fault) time.Duration {
	if !d.creates {
		return f.For
	}
	end := a.began.Add(a.options.StartToCloseTimeout)
	if h := a.options.HeartbeatTimeout; h > 0 {
		end = a.beat.Add(h)
	}
	return end.Sub(s.now()) + min(f.For, commitWithin)
}

// arrive lets a call have its effect that was sent long ago.
func (s *site) arrive(do func()) {
	s.world.Late = true
	defer func() { s.world.Late = false }()
	do()
}

// carry has the effect of a call, before the eyes of the oracle.
func carry[T any](s *site, a *attempt, d deed, do func() (T, error)) (T, error) {
	if d.object == "" {
		return do()
	}
	if at, ok := s.oracle.edited[EditSize]; ok && !a.scheduled.After(at) && !s.world.Late {
		s.world.Late = true // somebody has scaled stable since this was asked for: nobody can have known
		defer func() { s.world.Late = false }()
	}
	before := s.world.State()
	out, err := do()
	s.oracle.saw(sight{attempt: a, deed: d, before: before, after: s.world.State(), err: err, late: s.world.Late})
	return out, err
}

// fate is the fault that a call meets; the zero value is none.
func (s *site) fate(a *attempt, d deed) Fault {
	for _, f := range s.scenario.Faults {
		if f.Activity == a.name && f.Nth == a.nth && max(1, f.Attempt) == a.number && f.Call == a.calls {
			s.hits[Pair{a.name, f.Kind}]++
			return f
		}
	}
	return Fault{}
}

// weather is what the system that is called is like now.
func (s *site) weather(a *attempt, d deed, effect func()) error {
	metrics := d.op == world.Measure || d.op == world.Check
	s.calls++
	for _, spell := range s.scenario.Spells {
		now := s.now().Sub(s.oracle.began)
		if spell.Metrics != metrics || d.op == world.Probe || now < spell.From || now >= spell.From+spell.For {
			continue
		}
		a.disturbed = true
		switch spell.Weather {
		case Gone:
			return errRefused
		case Conflicts:
			if d.object != "" && chance(s.scenario.Seed, s.calls)%2 == 0 {
				return errConflict
			}
		case Throttled:
			if err := s.stay(a, time.Second); err != nil {
				return err
			}
			return errThrottled
		case Half:
			switch chance(s.scenario.Seed, s.calls) % 4 {
			case 0:
				return errRefused
			case 1:
				effect()
				return errUnheard
			}
		case Heavy:
			return s.stay(a, 1500*time.Millisecond)
		case Empty, Stale, NaN:
		}
	}
	return nil
}

// chance is a number that depends on nothing but a seed and a count.
func chance(seed uint64, n int) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strconv.FormatUint(seed, 10) + "/" + strconv.Itoa(n)))
	return h.Sum64() >> 7
}

// nothing carries out what returns only an error.
func nothing(ctx context.Context, s *site, d deed, do func() error) error {
	_, err := through(ctx, s, d, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// The route and its like, as the oracle calls them.
const (
	theRoute   = "route"
	thePreview = "preview route"
	theService = "root Service"
)

// Inspect implements activities.Workloads.
func (s *site) Inspect(ctx context.Context, in activities.InspectTargetIn) (activities.Tracks, error) {
	return through(ctx, s, deed{op: world.Inspect}, func() (activities.Tracks, error) { return s.world.Inspect(ctx, in) })
}

// TakeFence implements activities.Workloads.
func (s *site) TakeFence(ctx context.Context, in activities.TakeFenceIn) (int64, error) {
	return through(ctx, s, deed{op: world.TakeFence, creates: true}, func() (int64, error) { return s.world.TakeFence(ctx, in) })
}

// CloseRecord implements activities.Workloads.
func (s *site) CloseRecord(ctx context.Context, in activities.CloseRecordIn) error {
	return nothing(ctx, s, deed{op: world.CloseRecord}, func() error { return s.world.CloseRecord(ctx, in) })
}

// DeployCandidate implements activities.Workloads.
func (s *site) DeployCandidate(ctx context.Context, in activities.DeployCandidateIn) error {
	d := deed{op: world.Deploy, object: in.Tracks.Candidate, write: in.Write, creates: true}
	return nothing(ctx, s, d, func() error { return s.world.DeployCandidate(ctx, in) })
}

// SizeTrack implements activities.Workloads.
func (s *site) SizeTrack(ctx context.Context, in activities.SizeTrackIn) error {
	d := deed{op: world.Size, object: in.Deployment, write: in.Write}
	return nothing(ctx, s, d, func() error { return s.world.SizeTrack(ctx, in) })
}

// ResizeCandidate implements activities.Workloads.
func (s *site) ResizeCandidate(ctx context.Context, in activities.ResizeCandidateIn) (activities.Resized, error) {
	d := deed{op: world.Resize, object: in.Candidate, write: in.Write}
	return through(ctx, s, d, func() (activities.Resized, error) { return s.world.ResizeCandidate(ctx, in) })
}

// Readiness implements activities.Workloads.
func (s *site) Readiness(ctx context.Context, in activities.AwaitReadyIn) (activities.Readiness, error) {
	return through(ctx, s, deed{op: world.Readiness}, func() (activities.Readiness, error) { return s.world.Readiness(ctx, in) })
}

// SwitchService implements activities.Workloads.
func (s *site) SwitchService(ctx context.Context, in activities.SwitchServiceIn) error {
	d := deed{op: world.Switch, object: theService, write: in.Write}
	return nothing(ctx, s, d, func() error { return s.world.SwitchService(ctx, in) })
}

// RetireTrack implements activities.Workloads.
func (s *site) RetireTrack(ctx context.Context, in activities.RetireTrackIn) error {
	d := deed{op: world.Retire, object: in.Deployment, write: in.Write}
	return nothing(ctx, s, d, func() error { return s.world.RetireTrack(ctx, in) })
}

// Find implements activities.Rollouts.
func (s *site) Find(ctx context.Context, in activities.InspectRolloutIn) (activities.Workload, error) {
	return through(ctx, s, deed{op: world.Find}, func() (activities.Workload, error) { return s.world.Find(ctx, in) })
}

// Roll implements activities.Rollouts.
func (s *site) Roll(ctx context.Context, in activities.RollIn) (activities.Progress, error) {
	d := deed{op: world.Roll, object: world.Stable, write: in.Write}
	return through(ctx, s, d, func() (activities.Progress, error) { return s.world.Roll(ctx, in) })
}

// Look implements activities.Rollouts.
func (s *site) Look(ctx context.Context, in activities.WatchRolloutIn) (activities.Progress, error) {
	return through(ctx, s, deed{op: world.Look}, func() (activities.Progress, error) { return s.world.Look(ctx, in) })
}

// HandBack implements activities.Rollouts.
func (s *site) HandBack(ctx context.Context, in activities.HandBackIn) error {
	d := deed{op: world.HandBack, object: world.Stable, write: in.Write}
	return nothing(ctx, s, d, func() error { return s.world.HandBack(ctx, in) })
}

// InspectJobs implements activities.Jobs.
func (s *site) InspectJobs(ctx context.Context, in activities.InspectJobsIn) error {
	return nothing(ctx, s, deed{op: world.InspectJobs}, func() error { return s.world.InspectJobs(ctx, in) })
}

// MakeJob implements activities.Jobs.
func (s *site) MakeJob(ctx context.Context, in activities.RunJobIn) error {
	d := deed{op: world.MakeJob, object: in.Name, write: in.Write, creates: true}
	return nothing(ctx, s, d, func() error { return s.world.MakeJob(ctx, in) })
}

// LookAtJob implements activities.Jobs.
func (s *site) LookAtJob(ctx context.Context, in activities.RunJobIn) (activities.JobState, error) {
	return through(ctx, s, deed{op: world.LookAtJob}, func() (activities.JobState, error) { return s.world.LookAtJob(ctx, in) })
}

// DeleteJob implements activities.Jobs.
func (s *site) DeleteJob(ctx context.Context, in activities.JobIn) error {
	d := deed{op: world.DeleteJob, object: in.Name, write: in.Write}
	return nothing(ctx, s, d, func() error { return s.world.DeleteJob(ctx, in) })
}

// begun is the one call of an activity whose requests are sent side by side, see Get.
func (s *site) begun(ctx context.Context, a *attempt) error {
	if a.name != applyLoad {
		return nil
	}
	return nothing(ctx, s, deed{op: world.Probe}, func() error { return nil })
}

const applyLoad = "ApplyLoad"

// Get implements activities.Prober. The requests of a load are sent side by side, and reach the world as they
// are.
func (s *site) Get(ctx context.Context, in activities.Request) (activities.Answer, error) {
	prober := world.Prober{World: s.world}
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok && a.name == applyLoad {
		return prober.Get(ctx, in)
	}
	return through(ctx, s, deed{op: world.Probe}, func() (activities.Answer, error) { return prober.Get(ctx, in) })
}

// Post implements activities.Prober.
func (s *site) Post(ctx context.Context, in activities.Request) (activities.Answer, error) {
	return through(ctx, s, deed{op: world.Confirm}, func() (activities.Answer, error) { return world.Prober{World: s.world}.Post(ctx, in) })
}
