// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// oracle watches from outside what a release does, and says which promise it broke.
type oracle struct {
	way   way
	world *world.World
	now   func() time.Time
	began time.Time
	// goal is the image that serves everything if all goes well.
	goal string
	// before is how the world was found.
	before world.State
	// fences are the newest writes, by object.
	fences map[string]activities.Fence
	moves  []move
	// shares are how many percent of all requests reach the goal, from one write to the next.
	shares []share
	passes []pass
	// edited are the edits by hand that had an effect, with their times.
	edited map[string]time.Time
	wrong  []string
}

// sight is one write as it reached the world.
type sight struct {
	*attempt
	deed
	before, after world.State
	err           error
	// late is true for one that was sent long ago.
	late bool
}

// move is a write that brought a release forward.
type move struct {
	sight
	at time.Time
	// from and to are the shares of requests that the goal gets.
	from, to int
}

// share of the goal from a moment on.
type share struct {
	at      time.Time
	percent int
}

// pass is a verdict that lets a weight rise.
type pass struct {
	run       string
	began, at time.Time
}

func (o *oracle) violate(promise, format string, args ...any) {
	o.wrong = append(o.wrong, fmt.Sprintf("%s at %s: %s", promise, o.now().Sub(o.began), fmt.Sprintf(format, args...)))
}

// share is how many percent of all requests reach the goal.
func (o *oracle) share(s world.State) int {
	if o.way.plan.Spec.Strategy.Rolling != nil {
		if o.way.undoes {
			return 100 * (world.Replicas - s.Rollout.New) / world.Replicas
		}
		return 100 * s.Rollout.New / world.Replicas
	}
	_, second := o.world.Sides()
	reach := func(track string) int {
		if s.Tracks[track].Image == o.goal {
			return 1
		}
		return 0
	}
	root := 100 * reach(s.Serving)
	if s.Serving == world.Both {
		root = 50
	}
	return (100-s.Weight)*root/100 + s.Weight*reach(second)
}

// saw takes a write.
func (o *oracle) saw(s sight) {
	if s.after.Weight < 0 || s.after.Weight > 100 {
		o.violate("I1", "the weights are %d and %d", 100-s.after.Weight, s.after.Weight)
	}
	o.order(s)
	first, second := o.world.Sides()
	m := move{sight: s, at: o.now(), from: o.share(s.before), to: o.share(s.after)}
	o.shares = append(o.shares, share{m.at, m.to})
	had, has := s.before.Tracks[second], s.after.Tracks[second]
	made := s.op != world.Retire && has.Image == o.goal && (had.Image != o.goal || has.Size > had.Size) && s.object == second
	opened := s.after.Preview && !s.before.Preview || s.after.Mirror > s.before.Mirror
	shrunk := s.after.Tracks[first].Size < s.before.Tracks[first].Size
	if m.to > m.from || made || opened || shrunk || s.op == world.TakeBack && !cmp.Equal(s.before, s.after) {
		o.moves = append(o.moves, m)
	}
	if s.after.Weight > s.before.Weight && has.Image != o.goal && !s.late && o.now().Sub(o.edited[EditImage]) > grace {
		o.violate("I12", "weight %d for %s, which runs %s", s.after.Weight, second, has.Image)
	}
}

// order flags a write that changes what a newer one has written.
func (o *oracle) order(s sight) {
	changes := !cmp.Equal(s.before, s.after)
	if changes && s.write.Fence.Less(o.fences[s.object]) {
		o.violate("I9", "%s of step %d.%d changed %s, which %d.%d had written", s.op,
			s.write.Fence.Release, s.write.Fence.Step, s.object, o.fences[s.object].Release, o.fences[s.object].Step)
	}
	_, there := s.after.Tracks[s.object]
	_, was := s.before.Tracks[s.object]
	switch {
	case was && !there, s.object == thePreview && !s.after.Preview:
		delete(o.fences, s.object)
	case s.err == nil && !s.write.Fence.Less(o.fences[s.object]):
		o.fences[s.object] = s.write.Fence
	}
}

// closed takes the end of an activity.
func (o *oracle) closed(t *task, value any, err error) {
	if w, ok := value.(activities.Watched); ok && err == nil && w.Verdict.Outcome == decide.Pass {
		if least := float64(o.way.plan.Spec.Analysis.MinRequests); t.name == "WatchTrack" && !(w.Verdict.Candidate.Requests >= least) {
			o.violate("I8", "a pass on %.0f requests of %.0f", w.Verdict.Candidate.Requests, least)
		}
		o.passes = append(o.passes, pass{t.run, t.scheduled, o.now()})
	}
}

// silent takes an attempt that was given up though nothing was wrong: it had told nobody that it is there.
func (o *oracle) silent(a *attempt) {
	o.violate("I13", "%s was given up, because it did not heartbeat for %s", a.name, a.options.HeartbeatTimeout)
}

// edit takes what somebody did by hand.
func (o *oracle) edit(what string) { o.edited[what] = o.now() }

// hold is how long a step is watched before the next one.
func (o *oracle) hold() time.Duration {
	switch s := o.way.plan.Spec.Strategy; {
	case o.way.undoes, s.BlueGreen != nil:
		return 0
	case s.Rolling != nil:
		return s.Rolling.Soak.D()
	default:
		return s.Canary.Steps[0].Hold.D()
	}
}

// judge looks back at one release.
func (o *oracle) judge(r run) {
	said := func(name string, since time.Time) bool {
		for _, e := range r.status.Log {
			if strings.HasPrefix(e.Text, name+" by ") && !strings.Contains(e.Text, " refused: ") && !e.At.Before(since) {
				return true
			}
		}
		return false
	}
	var last *move
	for i := range o.moves {
		m := &o.moves[i]
		if m.run != r.id {
			continue
		}
		if !r.stopped.IsZero() && m.scheduled.After(r.stopped) && (!r.cancelled || r.status.Phase != workflows.Promoted) {
			o.violate("I10", "%s of step %d began after the abort at %s", m.op, m.write.Fence.Step, r.stopped.Sub(o.began))
		}
		o.unasked(r, m)
		// After an edit, what a release has had before is no rise.
		if m.op == world.TakeBack || m.to <= m.from || last != nil && m.to <= last.to {
			continue
		}
		if last != nil && m.write.Fence == last.write.Fence {
			continue
		}
		if last != nil && o.hold() > 0 && !said(workflows.Promote, o.began) {
			o.licensed(r, last, m, said(workflows.Approve, last.at))
		}
		if last != nil && o.world.ConfirmsFrom > 0 && m.at.Sub(o.began) < confirms {
			o.violate("I13", "%d %% after %d %% before the other system had said yes", m.to, last.to)
		}
		if b := o.way.plan.Spec.Strategy.BlueGreen; last == nil && b != nil && b.Gate != nil && !said(workflows.Approve, o.began) && !said(workflows.Promote, o.began) {
			o.violate("I13", "everybody was sent to the candidate without an approval")
		}
		if c := o.way.plan.Spec.Strategy.Canary; last == nil && c != nil && c.Mirror != nil && !o.way.undoes &&
			!said(workflows.Approve, o.began) && !said(workflows.Promote, o.began) && !o.passed(r.id, m.at) {
			o.violate("I13", "%d %% before the copies had a pass", m.to)
		}
		last = m
	}
}

// passed reports whether a release has had a pass before a moment.
func (o *oracle) passed(run string, before time.Time) bool {
	return slices.ContainsFunc(o.passes, func(p pass) bool { return p.run == run && p.at.Before(before) })
}

// settled looks at what is left behind when nothing is under way any more.
func (o *oracle) settled(runs []run) {
	after := o.world.State()
	needs, loose := false, len(runs) > 1 || len(o.edited) > 0
	for _, r := range runs {
		needs = needs || r.status.Phase == workflows.NeedsPerson
		if !r.status.Phase.Ended() || r.status.Outcome == "" {
			o.violate("I5", "%s ended as %q with the outcome %q: %v", r.id, r.status.Phase, r.status.Outcome, r.err)
		}
	}
	switch {
	case needs || loose:
		o.safe(after)
	case runs[0].status.Phase == workflows.Promoted:
		o.same("a promoted release", o.promoted(), after)
	default:
		o.same("a release that was taken back", o.before, after)
	}
	if safe := o.world.SafeState(); safe != nil && !needs && safe.Ended == "" {
		o.violate("I5", "the record of the safe state was left open")
	}
	for _, v := range o.world.Violations() {
		promise := "I2"
		if strings.Contains(v, " after requests were sent to it") {
			promise = "I7"
		}
		o.wrong = append(o.wrong, promise+" at "+v)
	}
}

// same compares the world with what it should be like.
func (o *oracle) same(what string, want, got world.State) {
	if diff := cmp.Diff(want, got); diff != "" {
		o.violate("I5", "%s left this behind: %s", what, diff)
	}
}

// safe flags requests that are led to where nobody is.
func (o *oracle) safe(s world.State) {
	first, second := o.world.Sides()
	reached := map[string]bool{}
	switch s.Serving {
	case world.Both:
		reached[first], reached[second] = true, true
	default:
		reached[s.Serving] = true
	}
	if s.Weight > 0 || s.Preview || s.Mirror > 0 {
		reached[second] = true
	}
	for track := range reached {
		if s.Tracks[track].Size == 0 {
			o.violate("I5", "requests are led to %s, which has no pods", track)
		}
	}
}

// promoted is the world after a good release.
func (o *oracle) promoted() world.State {
	first, second := o.world.Sides()
	strategy := o.way.plan.Spec.Strategy
	out := world.State{Tracks: map[string]world.Track{}, Serving: second}
	switch {
	case strategy.Rolling != nil:
		out.Serving, out.Services = first, o.before.Services
		out.Tracks[first] = world.Track{Image: o.goal, Size: world.Replicas}
		if !o.way.undoes {
			out.Rollout.New = world.Replicas
		}
	case strategy.Canary != nil && strategy.Canary.Settle == "return":
		out.Serving = first
		out.Tracks[first] = world.Track{Image: o.goal, Size: world.Replicas}
	default:
		out.Services = o.before.Services
		out.Tracks[first] = world.Track{Image: o.before.Tracks[first].Image}
		out.Tracks[second] = world.Track{Image: o.goal, Size: world.Replicas}
		if own := second + "-only"; len(out.Services) == 0 || out.Services[len(out.Services)-1] != own {
			out.Services = append(append([]string(nil), out.Services...), own)
		}
	}
	return out
}
