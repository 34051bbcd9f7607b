// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// holds is what keeps a release from moving forward, beside the freezes of its plan.
type holds struct {
	// standing is what its lane has told.
	standing []decide.Hold
	// lifted are the holds that somebody has overridden. A later one holds again.
	lifted []decide.Hold
	// told counts the times at which either has changed.
	told int
	// planned is the freeze of the plan that was found at the moment asked.
	planned decide.Hold
	asked   time.Time
}

// pauseWithin is how long a pause can last that nothing else holds: nobody may be waiting any more.
const pauseWithin = plan.Duration(7 * 24 * time.Hour)

// rest stays where the release is, for as long as it is paused, frozen or stopped, with the candidate
// watched. It comes before every step forward; nothing on the way back waits here.
func (r *release) rest(ctx workflow.Context) error {
	var patience time.Time // of a pause; a freeze or a stop in between begins it anew
	told := false
	for {
		hold, held := r.held(ctx)
		switch {
		case held:
			patience = time.Time{}
			r.status.Held = &hold
			r.at(ctx, waitFor(hold))
		case r.paused:
			if patience.IsZero() {
				patience = workflow.Now(ctx).Add(pauseWithin.D())
			}
			hold.Until = patience
			r.at(ctx, waitForPeople(patience))
		default:
			return nil
		}
		if !told {
			r.tell(ctx, plan.Held, r.status.Next)
			told = true
		}
		changed, err := r.stay(ctx, hold.Until)
		r.status.Held = nil
		switch {
		case err != nil:
			return err
		case !changed && !held:
			return stop("paused for %s without anybody coming back to it", pauseWithin)
		}
	}
}

// waitForPeople is a pause as the moment that it is.
func waitForPeople(until time.Time) moment {
	return moment{
		next: "resume, promote or abort the paused release", owner: OwnerPeople,
		deadline: until, atDeadline: "the release is undone",
	}
}

// waitFor is a hold as the moment that it is.
func waitFor(h decide.Hold) moment {
	if h.Kind == decide.Stop {
		return moment{next: h.String() + "; `slipway stop-the-line --resume` ends it", owner: OwnerPeople}
	}
	return moment{next: h.String(), owner: h.By, deadline: h.Until, atDeadline: "the release goes on"}
}

// stay waits until the reason to rest may have changed, which it reports, or until the deadline. A zero
// deadline is none.
func (r *release) stay(ctx workflow.Context, deadline time.Time) (bool, error) {
	told, paused := r.holds.told, r.paused
	return r.guard(ctx, deadline, func() bool { return r.holds.told != told || r.paused != paused })
}

// held is the hold that lasts longest. A rollback and an undo are ways back: nothing holds them.
func (r *release) held(ctx workflow.Context) (decide.Hold, bool) {
	if r.status.Strategy == StrategyRollback || r.status.Strategy == StrategyRolloutUndo {
		return decide.Hold{}, false
	}
	return decide.Held(r.everything(ctx), r.holds.lifted, workflow.Now(ctx))
}

// everything that holds the release now, whether or not it was lifted.
func (r *release) everything(ctx workflow.Context) []decide.Hold {
	if now := workflow.Now(ctx); !r.holds.asked.Equal(now) {
		r.holds.planned, r.holds.asked = frozen(ctx, r.in.Plan.Spec.Freeze), now
	}
	all := r.holds.standing
	if r.holds.planned.Kind != "" {
		all = append(slices.Clip(all), r.holds.planned)
	}
	return all
}

// frozen is the freeze of a plan that holds now; the zero value is none. It is found in a side effect, because time zones may
// differ between two workers: what the first one found is kept in the history.
func frozen(ctx workflow.Context, freezes []plan.Freeze) decide.Hold {
	if len(freezes) == 0 {
		return decide.Hold{}
	}
	now := workflow.Now(ctx)
	value := workflow.SideEffectWithOptions(ctx, workflow.SideEffectOptions{Summary: "Look for a freeze of the plan"}, func(workflow.Context) any {
		until, reason, ok := plan.Frozen(freezes, now)
		if !ok {
			return decide.Hold{}
		}
		return decide.Hold{Kind: decide.Freeze, Scope: "plan", Until: until, Reason: reason}
	})
	var h decide.Hold
	if err := value.Get(&h); err != nil {
		workflow.GetLogger(ctx).Error("freeze was unreadable", "error", err)
	}
	return h
}

// learn hears from the lane what holds the release.
func (r *release) learn(ctx workflow.Context) {
	for {
		var h Held
		if !workflow.GetSignalChannel(ctx, HoldsSignal).Receive(ctx, &h) {
			return
		}
		r.holds.standing = h.Holds
		r.holds.told++
		if now, ok := decide.Held(h.Holds, r.holds.lifted, workflow.Now(ctx)); ok {
			r.note(ctx, "held before its next step: %s", now)
		}
	}
}

// lift takes the holds of this moment off the release.
func (r *release) lift(ctx workflow.Context) {
	r.holds.lifted = append(r.holds.lifted, r.everything(ctx)...)
	r.holds.told++
}
