// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// untilTold is the length of a watch that ends when a person says so. Another follows it.
const untilTold = 30 * 24 * time.Hour

// step shifts, verifies, judges and asks.
func (c *canary) step(ctx workflow.Context, i int) error {
	s, p := &c.status.Track[i], c.plan.Steps[i]
	c.status.Step = i + 1
	s.State, s.Started = Shifting, workflow.Now(ctx)
	if i == 0 {
		c.status.Phase = Stepping
		if err := c.attributes(ctx, PhaseAttribute.ValueSet(string(Stepping))); err != nil {
			return err
		}
	}
	if err := c.shift(ctx, p.Weight); err != nil {
		return err
	}
	s.State = Watching
	if err := c.judge(ctx, judgement{what: fmt.Sprintf("step %d", i+1), hold: p.Hold.D(), weight: p.Weight, verdict: &s.Verdict}); err != nil {
		return err
	}
	if p.Gate != nil && c.promoted == nil {
		s.State = Asking
		if err := c.gate(ctx, *p.Gate); err != nil {
			return err
		}
	}
	if err := c.rest(ctx); err != nil {
		return err
	}
	s.State = Passed
	if c.promoted != nil {
		s.State = Skipped
	}
	return nil
}

// shift gives the candidate its share and waits until the router serves it.
func (c *canary) shift(ctx workflow.Context, weight int) error {
	c.at(ctx, moment{next: fmt.Sprintf("shift %d %% of requests to %s", weight, c.tracks.Candidate)})
	if c.status.MaxWeight == 0 {
		c.undo.push(compensation{name: "send all requests to " + c.tracks.Stable, frees: true, run: c.shiftBack})
	}
	c.status.MaxWeight = max(c.status.MaxWeight, weight)
	err := do(ctx, writing(), fmt.Sprintf("Shift %d %% to %s", weight, c.tracks.Candidate), traffic.SetTrafficWeight,
		activities.SetTrafficWeightIn{Write: c.write(), Route: c.route, Weight: weight})
	if err != nil {
		return err
	}
	if err := c.weighed(ctx, weight); err != nil {
		return err
	}
	c.note(ctx, "shifted %d %% to %s", weight, c.tracks.Candidate)
	return c.settled(ctx, weight)
}

// settled waits until the router says that it serves the weight.
func (c *canary) settled(ctx workflow.Context, weight int) error {
	within := c.plan.SettleWithin.D()
	deadline, otherwise := workflow.Now(ctx).Add(within), "the release is undone"
	if c.status.Phase == Undoing {
		otherwise = "a person is asked"
	}
	c.at(ctx, moment{next: fmt.Sprintf("the router serves %d %% to %s", weight, c.tracks.Candidate), deadline: deadline, atDeadline: otherwise})
	s, err := call(ctx, waiting(within), fmt.Sprintf("Wait until the router serves %d %%", weight), traffic.AwaitTraffic,
		activities.AwaitTrafficIn{Route: c.route, Weight: weight, Deadline: deadline})
	if err != nil {
		return err
	}
	if !s.Settled {
		return stop("the router did not take up %d %% within %s: %s", weight, c.plan.SettleWithin, s.Reason)
	}
	return nil
}

// judgement is one verdict that must be had before the release goes on.
type judgement struct {
	what   string
	hold   time.Duration
	weight int
	// verdict is where the status shows it, if anywhere.
	verdict **decide.Verdict
}

// judge watches for the hold and goes on only with a pass, or where a person takes the place of one.
func (c *canary) judge(ctx workflow.Context, j judgement) error {
	in := c.watchIn(ctx, j.weight, j.hold)
	c.at(ctx, moment{
		next: fmt.Sprintf("%s is judged at %d %%", j.what, j.weight), deadline: in.GiveUpAt,
		atDeadline: "people are asked, if there is no verdict by then",
	})
	watched, ended, err := c.watch(ctx, in, fmt.Sprintf("Watch %d %% for %s", j.weight, plan.Duration(j.hold)), func() bool { return c.promoted != nil })
	if err != nil || !ended {
		return err
	}
	if j.verdict != nil {
		*j.verdict = &watched.Verdict
	}
	if err := c.judged(ctx, watched.Verdict); err != nil {
		return err
	}
	switch watched.Verdict.Outcome {
	case decide.Pass:
		c.keep(watched)
		return nil
	case decide.Fail:
		return stop("%s failed at %d %%: %s", j.what, j.weight, watched.Verdict.Reason)
	case decide.Unknown:
	}
	return c.ask(ctx, ask{
		text:     fmt.Sprintf("%s could not be measured (%s): go on all the same?", j.what, watched.Verdict.Reason),
		question: question{quorum: 1}, within: c.limits.AskWithin,
	})
}

// keep remembers what stable did, for the time when it no longer serves beside the candidate.
func (c *canary) keep(w activities.Watched) {
	if w.Stable.Requests > 0 {
		c.reference = w.Stable
	}
}

// gate asks the people that the plan names.
func (c *canary) gate(ctx workflow.Context, g plan.Gate) error {
	return c.ask(ctx, ask{
		text:     fmt.Sprintf("approval by %d of %v", g.Quorum, g.Approvers),
		question: question{approvers: g.Approvers, quorum: g.Quorum}, within: g.Within,
	})
}

// ask is a question to people; its silence at the deadline is a no.
type ask struct {
	question
	text   string
	within plan.Duration
}

func (c *canary) ask(ctx workflow.Context, a ask) error {
	q := a.question
	c.question = &q
	defer func() { c.question = nil }()
	deadline := workflow.Now(ctx).Add(a.within.D())
	c.note(ctx, "asked: %s", a.text)
	c.at(ctx, moment{next: a.text, owner: OwnerPeople, deadline: deadline, atDeadline: "the release is undone"})
	answered, err := c.guard(ctx, deadline, func() bool { return q.answered() || c.promoted != nil })
	if err == nil && !answered {
		return stop("nobody answered within %s: %s", a.within, a.text)
	}
	return err
}

// rest stays where it is while the release is paused, with the candidate watched if it gets requests.
func (c *canary) rest(ctx workflow.Context) error {
	if !c.paused {
		return nil
	}
	c.at(ctx, moment{next: "resume, promote or abort the paused release", owner: OwnerPeople})
	if c.status.Weight == 0 {
		return workflow.Await(ctx, func() bool { return !c.paused })
	}
	_, err := c.guard(ctx, time.Time{}, func() bool { return !c.paused })
	return err
}

// guard waits until done or the deadline, with the candidate watched meanwhile: one that turns bad
// while people are thinking is taken back without them. It reports whether done came first.
func (c *canary) guard(ctx workflow.Context, deadline time.Time, done func() bool) (bool, error) {
	timeCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	late := func() bool { return false }
	if !deadline.IsZero() {
		timer := workflow.NewTimerWithOptions(timeCtx, deadline.Sub(workflow.Now(ctx)), workflow.TimerOptions{Summary: "Deadline for people"})
		late = timer.IsReady
	}
	for !done() && !late() {
		watched, ended, err := c.watch(ctx, c.watchIn(ctx, c.status.Weight, untilTold), "Watch while people decide", func() bool { return done() || late() })
		if err != nil {
			return false, err
		}
		if ended && watched.Verdict.Outcome == decide.Fail {
			return false, stop("failed at %d %% while people were asked: %s", c.status.Weight, watched.Verdict.Reason)
		}
	}
	return done(), nil
}

func (c *canary) watchIn(ctx workflow.Context, weight int, hold time.Duration) activities.WatchIn {
	now := workflow.Now(ctx)
	return activities.WatchIn{
		Analysis: c.limits, Route: c.route, Weight: weight, Start: now,
		HoldUntil: now.Add(hold), GiveUpAt: now.Add(hold + c.limits.Patience.D()),
		CandidateOnly: weight == 100, Reference: c.reference,
	}
}

// watch follows the candidate until its verdict stands or until says to stop looking. A watch that
// breaks has measured nothing: unknown.
func (c *canary) watch(ctx workflow.Context, in activities.WatchIn, summary string, until func() bool) (activities.Watched, bool, error) {
	watchCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	f := start(watchCtx, watching(in.GiveUpAt.Sub(in.Start)), summary, analysis.WatchTrack, in)
	if err := workflow.Await(ctx, func() bool { return f.IsReady() || until() }); err != nil {
		return activities.Watched{}, false, err
	}
	if !f.IsReady() {
		return activities.Watched{}, false, nil
	}
	var out activities.Watched
	if err := f.Get(ctx, &out); err != nil {
		out.Verdict = decide.CannotMeasure("the watch broke: " + plain(err))
	}
	return out, true, ctx.Err()
}
