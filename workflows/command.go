// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"
)

// commands is what people and machines have told a release.
type commands struct {
	// seen makes a command count once, whichever way and however often it came.
	seen     map[string]bool
	aborted  *Command
	promoted *Command
	paused   bool
	question *question
}

// question is open while people are asked.
type question struct {
	approvers []string
	quorum    int
	approvals []string
}

func (q *question) answered() bool { return len(q.approvals) >= q.quorum }

// listen sets every handler, before anything blocks. A signal and an update of the same name meet in
// obey; a refused update tells its sender why, a refused signal is told in the log.
func (c *canary) listen(ctx workflow.Context) error {
	if err := workflow.SetQueryHandler(ctx, StatusQuery, func() (Status, error) { return c.status, nil }); err != nil {
		return fmt.Errorf("set status query: %w", err)
	}
	for _, name := range []string{Approve, Abort, Pause, Resume, Promote} {
		err := workflow.SetUpdateHandlerWithOptions(ctx, name,
			func(ctx workflow.Context, cmd Command) (Status, error) {
				c.obey(ctx, name, cmd)
				return c.status, nil
			},
			workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, cmd Command) error { return c.refusal(name, cmd) }})
		if err != nil {
			return fmt.Errorf("set update %s: %w", name, err)
		}
		workflow.Go(ctx, func(ctx workflow.Context) { c.hear(ctx, name) })
	}
	return nil
}

// hear receives the signals of one name for as long as the release runs.
func (c *canary) hear(ctx workflow.Context, name string) {
	for {
		var cmd Command
		if !workflow.GetSignalChannel(ctx, name).Receive(ctx, &cmd) {
			return
		}
		if err := c.refusal(name, cmd); err != nil {
			c.note(ctx, "%s by %s refused: %s", name, cmd.By, err)
			continue
		}
		c.obey(ctx, name, cmd)
	}
}

// refusal says why a command cannot be obeyed now. A command that was obeyed before is welcome again.
func (c *canary) refusal(name string, cmd Command) error {
	switch {
	case cmd.ID == "" || cmd.By == "":
		return stop("a command needs an ID and who it is from")
	case c.seen[cmd.ID]:
		return nil
	case c.status.Phase.Ended():
		return stop("the release has ended: %s", c.status.Phase)
	case c.status.Phase == Undoing || c.aborted != nil:
		return stop("the release is being undone")
	case c.status.Phase == Retiring:
		return stop("the old track is being retired; to go back, release its image again")
	}
	switch name {
	case Approve:
		return c.refuseApproval(cmd)
	case Abort:
		if cmd.Reason == "" {
			return stop("an abort needs a reason")
		}
	case Pause:
		if c.paused {
			return stop("the release is paused already")
		}
	case Resume:
		if !c.paused {
			return stop("the release is not paused")
		}
	case Promote:
		return c.refusePromotion(cmd)
	}
	return nil
}

// refusePromotion guards the gates: a promotion skips holds and verdicts, and stands for the approval of
// whoever gives it, but not for anybody else's.
func (c *canary) refusePromotion(cmd Command) error {
	if c.promoted != nil || c.status.Phase == Promoting || c.status.Phase == Baking {
		return stop("the release is being promoted already")
	}
	for i, step := range c.plan.Steps {
		g := step.Gate
		if g == nil || c.status.Track[i].State == Passed {
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

func (c *canary) refuseApproval(cmd Command) error {
	q := c.question
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
func (c *canary) obey(ctx workflow.Context, name string, cmd Command) {
	if c.seen[cmd.ID] {
		return
	}
	c.seen[cmd.ID] = true
	text := name + " by " + cmd.By
	if cmd.Reason != "" {
		text += ": " + cmd.Reason
	}
	c.note(ctx, "%s", text)
	switch name {
	case Approve:
		c.question.approvals = append(c.question.approvals, cmd.By)
	case Abort:
		c.aborted = &cmd
		c.cancel()
	case Pause:
		c.paused = true
	case Resume:
		c.paused = false
	case Promote:
		c.promoted, c.paused = &cmd, false
	}
	c.status.Paused = c.paused
}
