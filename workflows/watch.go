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

// judgement is one verdict that must be had before the release goes on.
type judgement struct {
	what   string
	hold   time.Duration
	weight int
	// verdict is where the status shows it, if anywhere.
	verdict **decide.Verdict
}

// judge watches for the hold and goes on only with a pass, or where a person takes the place of one.
func (r *release) judge(ctx workflow.Context, j judgement) error {
	watched, ended, err := r.hold(ctx, &j)
	if err != nil || !ended {
		return err
	}
	if j.verdict != nil {
		*j.verdict = &watched.Verdict
	}
	if err := r.judged(ctx, watched.Verdict); err != nil {
		return err
	}
	switch watched.Verdict.Outcome {
	case decide.Pass:
		r.keep(watched)
		return nil
	case decide.Fail:
		return stop("%s failed %s: %s", j.what, r.place(j.weight), watched.Verdict.Reason)
	case decide.Unknown:
	}
	return r.impatient(ctx, j, watched.Verdict)
}

// hold watches until there is a verdict, or a person says that it is enough. Where somebody else changes what the
// release holds, a person decides first. Then what was left of the hold follows; at a weight that was kept it begins
// anew.
func (r *release) hold(ctx workflow.Context, j *judgement) (activities.Watched, bool, error) {
	enough := func() bool { return r.promoted != nil }
	in := r.watchIn(ctx, j.weight, j.hold)
	for {
		r.at(ctx, moment{
			next: fmt.Sprintf("%s is judged %s", j.what, r.place(j.weight)), deadline: in.GiveUpAt,
			atDeadline: "people are asked, if there is no verdict by then",
		})
		summary := fmt.Sprintf("Watch %s for %s", r.judgedBy(j.weight), plan.Duration(in.HoldUntil.Sub(in.Start)))
		watched, ended, err := r.watch(ctx, in, summary, enough)
		if err != nil || !ended || len(watched.Edits) == 0 {
			return watched, ended, err
		}
		left := max(0, in.HoldUntil.Sub(workflow.Now(ctx)))
		if err := r.disturbed(ctx, watched.Edits); err != nil || enough() {
			return watched, false, err
		}
		if now := r.visible(); now != j.weight {
			left, j.weight = j.hold, now
		}
		in = r.watchIn(ctx, j.weight, left)
	}
}

// impatient does what the plan says about a watch that has ended without a verdict.
func (r *release) impatient(ctx workflow.Context, j judgement, v decide.Verdict) error {
	switch {
	case r.limits.AfterPatience == plan.AfterPatienceRollback:
		return stop("%s %s had no verdict in time: %s", j.what, r.place(j.weight), v.Reason)
	case r.limits.AfterPatience == plan.AfterPatiencePromote && v.Unproven:
		r.note(ctx, "WARNING: %s goes on unproven, as the plan says: %s", j.what, v.Reason)
		return nil
	}
	text := fmt.Sprintf("%s could not be measured (%s): go on all the same?", j.what, v.Reason)
	if v.Unproven {
		text = fmt.Sprintf("%s is unproven (%s): go on all the same?", j.what, v.Reason)
	}
	return r.ask(ctx, ask{
		Question: Question{Text: text, Quorum: 1},
		within:   r.limits.AskWithin,
	})
}

// keep remembers what stable did, for the time when it no longer serves beside the candidate.
func (r *release) keep(w activities.Watched) {
	if w.Stable.Requests > 0 && r.rolls == nil {
		r.reference = w.Stable
	}
}

// guard waits for people until done or the deadline, with the candidate watched meanwhile: one that turns bad
// while they are thinking is taken back without them. It reports whether done came first. A zero deadline is none.
func (r *release) guard(ctx workflow.Context, deadline time.Time, done func() bool) (bool, error) {
	err := r.keepWatch(ctx, vigil{summary: "Watch while people decide", when: "while people were asked", deadline: deadline, done: done})
	return err == nil && done(), err
}

// vigil is a wait with the candidate watched.
type vigil struct {
	// summary of each watch in it, and when a candidate failed that turned bad meanwhile.
	summary, when string
	// deadline of the wait; zero: none. A watch ends there by itself, which keeps a timer out of the history.
	deadline time.Time
	done     func() bool
}

// over reports whether there is nothing left to wait for.
func (v vigil) over(ctx workflow.Context) bool {
	return v.done() || !v.deadline.IsZero() && !workflow.Now(ctx).Before(v.deadline)
}

// keepWatch waits until done or the deadline. It stops a candidate that turns bad meanwhile.
func (r *release) keepWatch(ctx workflow.Context, v vigil) error {
	for !v.over(ctx) {
		in := r.watchIn(ctx, r.visible(), untilTold)
		if !v.deadline.IsZero() {
			in.HoldUntil, in.GiveUpAt = v.deadline, v.deadline
		}
		watched, ended, err := r.watch(ctx, in, v.summary, v.done)
		switch {
		case err != nil || !ended:
			return err
		case len(watched.Edits) > 0:
			if err := r.interrupted(ctx, watched.Edits); err != nil {
				return err
			}
		case watched.Verdict.Outcome == decide.Fail:
			return stop("failed %s %s: %s", r.place(r.status.Weight), v.when, watched.Verdict.Reason)
		default:
			if err := v.catchUp(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// clocks is how far those of a worker and of Temporal may be apart.
const clocks = time.Minute

// catchUp waits until it is the deadline for Temporal too, where the clock of the watch has come to it first.
func (v vigil) catchUp(ctx workflow.Context) error {
	left := v.deadline.Sub(workflow.Now(ctx))
	if v.deadline.IsZero() || left <= 0 || left > clocks {
		return nil
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: left, TimerOptions: workflow.TimerOptions{Summary: "Deadline for people"},
	}, v.done)
	return err //nolint:wrapcheck // a cancellation is told from other errors as it is
}

// interrupted lets people decide about somebody else's edits while something else is waited for, which is shown
// again afterwards.
func (r *release) interrupted(ctx workflow.Context, edits []activities.Edit) error {
	s := r.status
	if err := r.disturbed(ctx, edits); err != nil {
		return err
	}
	r.at(ctx, moment{next: s.Next, owner: s.Owner, deadline: s.Deadline, atDeadline: s.AtDeadline})
	return nil
}

// measured reports whether the plan says where numbers come from.
func (r *release) measured() bool { return r.limits.Source.Prometheus != nil }

// counted is the route with the Deployments whose pods may be counted.
func (r *release) counted() activities.Route {
	out := r.route
	out.StableDeployment = r.status.Stable
	if r.rolls == nil {
		out.CandidateDeployment = r.tracks.Candidate
	}
	return out
}

func (r *release) watchIn(ctx workflow.Context, weight int, hold time.Duration) activities.WatchIn {
	now := workflow.Now(ctx)
	in := activities.WatchIn{
		ReleaseID: r.in.ID, Analysis: r.limits, Route: r.counted(), Weight: weight, Start: now,
		HoldUntil: now.Add(hold), GiveUpAt: now.Add(hold + r.limits.Patience.D()),
		CandidateOnly: weight == 100 && r.rolls == nil, InPlace: r.rolls != nil, Reference: r.reference,
		History: r.history, State: r.evidence, Holding: r.holding(weight),
	}
	if r.rolls != nil {
		in.Kind = r.in.Plan.Spec.Target.Kind
	}
	return in
}

// measure begins to count what stable does while it serves alone. Where both versions never serve beside each
// other, this is what the new one is compared with later.
func (r *release) measure(ctx workflow.Context, until string) workflow.Future {
	if !r.measured() {
		return nil
	}
	in := r.watchIn(ctx, 0, r.limits.Window.D())
	return start(ctx, watching(in.GiveUpAt.Sub(in.Start)), "Measure "+r.status.Stable+" before "+until, analysis.MeasureStable, in)
}

// remember waits for what stable did. Too few requests are no reason to stop: they leave the absolute
// limits, and the bake says so.
func (r *release) remember(ctx workflow.Context, before workflow.Future, until string) error {
	if before == nil {
		return nil
	}
	r.at(ctx, moment{
		next:     "what " + r.status.Stable + " does is measured for " + r.limits.Window.String(),
		deadline: r.status.Started.Add((r.limits.Window + r.limits.Patience).D()), atDeadline: until + " is judged by absolute limits alone",
	})
	var seen activities.Watched
	if err := before.Get(ctx, &seen); err != nil {
		return err
	}
	r.reference = seen.Stable
	r.note(ctx, "before %s: %s", until, seen.Verdict.Reason)
	return nil
}

// look begins to watch the candidate's requests; where it gets none, or nobody counts them, its pods.
func (r *release) look(ctx workflow.Context, in activities.WatchIn, summary string) workflow.Future {
	p := watching(in.GiveUpAt.Sub(in.Start))
	if r.measured() && in.Weight > 0 {
		return start(ctx, p, summary, analysis.WatchTrack, in)
	}
	if r.rolls != nil {
		return start(ctx, p, summary, rollout.WatchRollout, activities.WatchRolloutIn{
			Target: r.in.Plan.Spec.Target, Image: r.in.Image, Held: r.rolls.held,
			Interval: r.limits.Interval, HoldUntil: in.HoldUntil, GiveUpAt: in.GiveUpAt,
		})
	}
	return start(ctx, p, summary, cluster.WatchPods, activities.WatchPodsIn{
		Namespace: r.status.Namespace, Deployment: r.tracks.Candidate, Image: r.in.Image, Replicas: r.size,
		Interval: r.limits.Interval, HoldUntil: in.HoldUntil, GiveUpAt: in.GiveUpAt, Holding: in.Holding,
	})
}

// watch follows the candidate until its verdict stands or until says to stop looking. A watch that
// breaks has measured nothing: unknown.
func (r *release) watch(ctx workflow.Context, in activities.WatchIn, summary string, until func() bool) (activities.Watched, bool, error) {
	watchCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	f := r.look(watchCtx, in, summary)
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
	if len(out.State.Steps) > 0 {
		r.evidence = out.State
	}
	return out, true, ctx.Err()
}
