// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// commands is what people and machines have told a release.
type commands struct {
	// seen makes a command count once, whichever way and however often it came.
	seen     map[string]bool
	aborted  *Command
	promoted *Command
	rejected *Command
	paused   bool
	// dispute is open while people decide what becomes of somebody else's edits.
	dispute *dispute
	// hurriable says that the release steps back in no hurry, which an abort can change.
	hurriable bool
	// heard counts the commands that were obeyed, and the signals and decisions that were refused.
	heard int
	// bare counts the decisions that came without a statement, asked the questions, verifying the statements that
	// are being looked at.
	bare, asked, verifying int
}

// maxCommands is how many commands a release hears: each costs history, which is finite. An abort is
// heard after that too.
const maxCommands = 500

// listen sets every handler, before anything blocks. A signal and an update of the same name meet in
// take; a refused update tells its sender why, a refused signal is told in the log.
func (r *release) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, StatusQuery, func() (Status, error) { return r.status, nil }); err != nil {
		return fmt.Errorf("set status query: %w", err)
	}
	err := workflow.SetQueryHandler(ctx, NoticesQuery, func(seen int) (activities.Notices, error) {
		return r.news(seen), nil
	})
	if err != nil {
		return fmt.Errorf("set notices query: %w", err)
	}
	for _, name := range []string{Approve, Reject, Abort, Pause, Resume, Promote, Override} {
		err := workflow.SetUpdateHandlerWithOptions(ctx, name,
			func(ctx workflow.Context, cmd Command) (Status, error) {
				err := r.take(ctx, name, cmd.said())
				return r.status, err
			},
			workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, cmd Command) error { return r.screen(name, cmd.said()) }})
		if err != nil {
			return fmt.Errorf("set update %s: %w", name, err)
		}
		workflow.Go(ctx, func(ctx workflow.Context) { r.hear(ctx, name) })
	}
	workflow.Go(ctx, r.learn)
	workflow.Go(ctx, r.makeRoom)
	return nil
}

// hear receives the signals of one name for as long as the release runs. Each is taken beside the next one.
func (r *release) hear(ctx workflow.Context, name string) {
	for {
		var cmd Command
		if !workflow.GetSignalChannel(ctx, name).Receive(ctx, &cmd) {
			return
		}
		workflow.Go(ctx, func(ctx workflow.Context) {
			_ = r.take(ctx, name, cmd.said()) // a signal has no answer; the story has it
		})
	}
}

// refusal says why a command cannot be obeyed now. A command that was obeyed before is welcome again.
func (r *release) refusal(name string, cmd Command) error {
	switch {
	case cmd.ID == "" || cmd.By == "":
		return stop("a command needs an ID and who it is from")
	case r.seen[cmd.key()]:
		return nil
	case r.status.Phase.Ended():
		return stop("the release has ended: %s", r.status.Phase)
	case r.hurriable && name == Abort && cmd.Reason != "":
		return nil
	case r.status.Phase == Undoing || r.aborted != nil:
		return stop("the release is being undone")
	case r.status.Phase == Retiring:
		return stop("the old track is being retired; to go back, release its image again")
	case r.heard >= maxCommands && name != Abort:
		return stop("the release has heard %d commands, and hears no more but an abort", maxCommands)
	}
	if err := r.refuseUnbound(name, cmd); err != nil {
		return err
	}
	switch name {
	case Approve:
		return r.refuseApproval(cmd)
	case Reject:
		return r.refuseRejection(cmd)
	case Abort:
		if cmd.Reason == "" {
			return stop("an abort needs a reason")
		}
	case Pause:
		if r.paused {
			return stop("the release is paused already")
		}
	case Resume:
		return r.refuseResume(cmd)
	case Promote:
		return r.refusePromotion(cmd)
	case Override:
		return r.refuseOverride(cmd)
	}
	return nil
}

func (r *release) refuseOverride(cmd Command) error {
	switch {
	case cmd.Reason == "":
		return stop("an override needs a reason")
	case r.status.Held == nil:
		return stop("nothing holds the release")
	}
	return nil
}

// refusePromotion guards the gates: a promotion skips holds and verdicts, and stands for the approval of
// whoever gives it, but not for anybody else's.
func (r *release) refusePromotion(cmd Command) error {
	if r.promoted != nil || r.status.Phase == Promoting || r.status.Phase == Baking {
		return stop("the release is being promoted already")
	}
	for i, g := range r.gates {
		if g == nil || r.status.Track[i].State == Passed {
			continue
		}
		switch {
		case g.Confirm != nil:
			return stop("the gate of step %d waits for %s, and no person stands for that", i+1, g.Confirm.Name())
		case g.Quorum > 1:
			return stop("the gate of step %d needs %d people; approve it when it asks", i+1, g.Quorum)
		case !cmd.among(g.Approvers):
			return stop("%s is not among the approvers %v of the gate of step %d", cmd.By, g.Approvers, i+1)
		case g.FourEyes && cmd.By == r.in.RequestedBy:
			return stop("%s has requested the release, and the gate of step %d needs somebody else", cmd.By, i+1)
		}
	}
	return nil
}

func (r *release) refuseApproval(cmd Command) error {
	q := r.status.Asks
	switch {
	case q == nil:
		return stop("nothing is waiting for an approval")
	case q.Quorum == 0:
		return stop("no person is asked here, but %s", q.Text)
	case !cmd.among(q.Approvers):
		return stop("%s is not among the approvers %v", cmd.By, q.Approvers)
	case q.FourEyes && cmd.By == r.in.RequestedBy:
		return stop("%s has requested the release, and this question needs somebody else", cmd.By)
	case slices.Contains(q.Approvals, cmd.By):
		return stop("%s has approved already; this question needs %d different people", cmd.By, q.Quorum)
	case q.answered() || r.rejected != nil:
		return stop("somebody else has answered already")
	}
	return nil
}

// refuseRejection lets whoever may approve also say no; so may whoever has requested the release.
func (r *release) refuseRejection(cmd Command) error {
	q := r.status.Asks
	switch {
	case cmd.Reason == "":
		return stop("a rejection needs a reason")
	case q == nil:
		return stop("nothing is waiting for an answer; an abort ends the release")
	case q.Quorum > 0 && q.answered() || r.rejected != nil:
		return stop("somebody else has answered already; an abort ends the release")
	case cmd.By != r.in.RequestedBy && !cmd.among(q.Approvers):
		return stop("%s is not among the approvers %v; an abort ends the release", cmd.By, q.Approvers)
	}
	return nil
}

// obey carries a command out, once.
func (r *release) obey(ctx workflow.Context, name string, cmd Command) {
	if r.seen[cmd.key()] {
		return
	}
	r.seen[cmd.key()] = true
	r.heard++
	text := name + " by " + cmd.signer()
	if cmd.Reason != "" {
		text += ": " + cmd.Reason
	}
	r.note(ctx, "%s", text)
	switch name {
	case Approve:
		r.status.Asks.Approvals = append(r.status.Asks.Approvals, cmd.By)
	case Reject:
		r.rejected = &cmd
	case Abort:
		if !r.hurriable { // one that hurries an undo is not its reason
			r.aborted = &cmd
		}
		r.cancel()
	case Pause:
		r.paused = true
	case Resume:
		r.paused = false
		r.resolve(cmd)
	case Promote:
		r.promoted, r.paused = &cmd, false
	case Override:
		r.lift(ctx)
	}
	r.status.Paused = r.paused || r.dispute != nil
}

// makeRoom hears the lane say that another release should have its place. A hotfix gets it; a newer
// release only while nobody has approved this one and it is not being promoted.
func (r *release) makeRoom(ctx workflow.Context) {
	for {
		var y decide.Yield
		if !workflow.GetSignalChannel(ctx, YieldSignal).Receive(ctx, &y) {
			return
		}
		r.yield(ctx, y)
	}
}

func (r *release) yield(ctx workflow.Context, y decide.Yield) {
	cmd := Command{ID: "yield/" + y.To, By: y.By, Reason: "superseded by the newer release " + y.To, verified: true}
	if y.Anyway {
		cmd.Reason = "preempted by the hotfix " + y.To
	}
	if !y.Anyway && r.established() {
		r.note(ctx, "%s asked for the newer release %s, which waits: this one is approved or promoted already", y.By, y.To)
		return
	}
	if r.seen[cmd.key()] || r.refusal(Abort, cmd) != nil {
		return
	}
	r.status.Yielded = true
	r.obey(ctx, Abort, cmd)
}

// established reports whether the release has passed a gate or gets everything.
func (r *release) established() bool {
	for i, g := range r.gates {
		if g != nil && r.status.Track[i].State == Passed {
			return true
		}
	}
	return r.promoted != nil || !slices.Contains([]Phase{Preflight, Deploying, Stepping}, r.status.Phase)
}
