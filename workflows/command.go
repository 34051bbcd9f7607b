// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/decide"
)

// commands is what people and machines have told a release.
type commands struct {
	// seen makes a command count once, whichever way and however often it came.
	seen     map[string]bool
	aborted  *Command
	promoted *Command
	paused   bool
	question *question
	// hurriable says that the release steps back in no hurry, which an abort can change.
	hurriable bool
	// heard counts the commands that were obeyed, and the signals that were refused.
	heard int
}

// maxCommands is how many commands a release hears: each costs history, which is finite. An abort is
// heard after that too.
const maxCommands = 500

// question is open while people are asked.
type question struct {
	approvers []string
	quorum    int
	approvals []string
}

func (q *question) answered() bool { return len(q.approvals) >= q.quorum }

// listen sets every handler, before anything blocks. A signal and an update of the same name meet in
// obey; a refused update tells its sender why, a refused signal is told in the log.
func (r *release) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, StatusQuery, func() (Status, error) { return r.status, nil }); err != nil {
		return fmt.Errorf("set status query: %w", err)
	}
	for _, name := range []string{Approve, Abort, Pause, Resume, Promote, Override} {
		err := workflow.SetUpdateHandlerWithOptions(ctx, name,
			func(ctx workflow.Context, cmd Command) (Status, error) {
				r.obey(ctx, name, cmd)
				return r.status, nil
			},
			workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, cmd Command) error { return r.refusal(name, cmd) }})
		if err != nil {
			return fmt.Errorf("set update %s: %w", name, err)
		}
		workflow.Go(ctx, func(ctx workflow.Context) { r.hear(ctx, name) })
	}
	workflow.Go(ctx, r.learn)
	workflow.Go(ctx, r.makeRoom)
	return nil
}

// hear receives the signals of one name for as long as the release runs.
func (r *release) hear(ctx workflow.Context, name string) {
	for {
		var cmd Command
		if !workflow.GetSignalChannel(ctx, name).Receive(ctx, &cmd) {
			return
		}
		if err := r.refusal(name, cmd); err != nil {
			if r.heard++; r.heard <= maxCommands {
				r.note(ctx, "%s by %s refused: %s", name, cmd.By, err)
			}
			continue
		}
		r.obey(ctx, name, cmd)
	}
}

// refusal says why a command cannot be obeyed now. A command that was obeyed before is welcome again.
func (r *release) refusal(name string, cmd Command) error {
	switch {
	case cmd.ID == "" || cmd.By == "":
		return stop("a command needs an ID and who it is from")
	case r.seen[cmd.ID]:
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
	switch name {
	case Approve:
		return r.refuseApproval(cmd)
	case Abort:
		if cmd.Reason == "" {
			return stop("an abort needs a reason")
		}
	case Pause:
		if r.paused {
			return stop("the release is paused already")
		}
	case Resume:
		if !r.paused {
			return stop("the release is not paused")
		}
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
		if g.Quorum > 1 {
			return stop("the gate of step %d needs %d people; approve it when it asks", i+1, g.Quorum)
		}
		if len(g.Approvers) > 0 && !slices.Contains(g.Approvers, cmd.By) {
			return stop("%s is not among the approvers %v of the gate of step %d", cmd.By, g.Approvers, i+1)
		}
	}
	return nil
}

func (r *release) refuseApproval(cmd Command) error {
	q := r.question
	switch {
	case q == nil:
		return stop("nothing is waiting for an approval")
	case len(q.approvers) > 0 && !slices.Contains(q.approvers, cmd.By):
		return stop("%s is not among the approvers %v", cmd.By, q.approvers)
	case slices.Contains(q.approvals, cmd.By):
		return stop("%s has approved already; this question needs %d different people", cmd.By, q.quorum)
	}
	return nil
}

// obey carries a command out, once.
func (r *release) obey(ctx workflow.Context, name string, cmd Command) {
	if r.seen[cmd.ID] {
		return
	}
	r.seen[cmd.ID] = true
	r.heard++
	text := name + " by " + cmd.By
	if cmd.Reason != "" {
		text += ": " + cmd.Reason
	}
	r.note(ctx, "%s", text)
	switch name {
	case Approve:
		r.question.approvals = append(r.question.approvals, cmd.By)
	case Abort:
		r.aborted = &cmd
		r.cancel()
	case Pause:
		r.paused = true
	case Resume:
		r.paused = false
	case Promote:
		r.promoted, r.paused = &cmd, false
	case Override:
		r.lift(ctx)
	}
	r.status.Paused = r.paused
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
	cmd := Command{ID: "yield/" + y.To, By: y.By, Reason: "superseded by the newer release " + y.To}
	if y.Anyway {
		cmd.Reason = "preempted by the hotfix " + y.To
	}
	if !y.Anyway && r.established() {
		r.note(ctx, "%s asked for the newer release %s, which waits: this one is approved or promoted already", y.By, y.To)
		return
	}
	if r.seen[cmd.ID] || r.refusal(Abort, cmd) != nil {
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
