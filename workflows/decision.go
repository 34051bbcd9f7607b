// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// maxBare is how many updates without a statement a release records. Each costs history; later ones are refused
// without a trace.
const maxBare = 10

// said is the command with what its statement says. Nothing beside a statement counts.
func (c Command) said() Command {
	if s := c.Statement; s != nil {
		c.ID, c.By, c.Reason = s.ID, s.Who, s.Reason
	}
	return c
}

// key is what makes the command count once. A command without a statement cannot use up the ID of one with it.
func (c Command) key() string {
	if c.Statement != nil {
		return "statement/" + c.ID
	}
	return c.ID
}

// signer is who says it, and how sure that is.
func (c Command) signer() string {
	switch {
	case c.Statement != nil:
		return c.By + " (" + c.Statement.How + ")"
	case c.verified:
		return c.By
	}
	return c.By + " (unverified)"
}

// among reports whether somebody is one of the approvers, in person or by a group. No approvers are everybody. Before
// the statement is verified nobody knows the groups: then it reports whether they may be.
func (c Command) among(approvers []string) bool {
	return len(approvers) == 0 || slices.ContainsFunc(approvers, func(a string) bool {
		if strings.HasPrefix(a, "@") {
			return !c.verified || slices.Contains(c.Statement.Groups, a)
		}
		return a == c.By
	})
}

// refuseUnbound refuses a decision without a statement, and a statement about something else.
func (r *release) refuseUnbound(name string, cmd Command) error {
	s := cmd.Statement
	switch {
	case s == nil && cmd.Release != "" && cmd.Release != r.status.ID:
		return stop("it is meant for release %s, and this is %s", cmd.Release, r.status.ID)
	case s == nil && !NeedsStatement(name):
		return nil
	case s == nil:
		return stop("%s counts only with a signed statement of who says it, and Temporal's own tools make none: use Slack, or `slipway %s` with a key",
			name, name)
	case s.What != name:
		return stop("the statement says %s, and not %s", s.What, name)
	case s.Release != r.status.ID:
		return stop("the statement is about release %s, and this is %s", s.Release, r.status.ID)
	case s.Digest != r.status.Digest():
		return stop("the statement is about the image %s, and this release is of %s", s.Digest, r.status.Digest())
	case s.PlanHash != r.in.PlanHash:
		return stop("the statement is about another plan than that of this release")
	case s.Step != r.status.Where() && NeedsStatement(name):
		return stop("the statement is about %s, and the release is at %s by now: look again", s.Step, r.status.Where())
	}
	return nil
}

// screen is what an update is asked before it costs anything. The first ones without the statement that they need
// are let in, to be recorded and refused.
func (r *release) screen(name string, cmd Command) error {
	if cmd.bare(name) && r.bare < maxBare {
		return nil
	}
	return r.refusal(name, cmd)
}

// bare is a command without the statement that it needs.
func (c Command) bare(name string) bool { return c.Statement == nil && NeedsStatement(name) }

// take obeys a command, once, or tells in the story why not.
func (r *release) take(ctx workflow.Context, name string, cmd Command) error {
	err := r.weigh(ctx, name, cmd)
	if err == nil {
		return nil
	}
	if cmd.bare(name) {
		r.bare++
	}
	if r.heard++; r.heard <= maxCommands {
		r.note(ctx, "%s by %s refused: %s", name, cmd.By, err)
	}
	return err
}

// weigh verifies first what needs a statement. Anything else is obeyed at once, and looked into afterwards.
func (r *release) weigh(ctx workflow.Context, name string, cmd Command) error {
	if err := r.refusal(name, cmd); err != nil || r.seen[cmd.key()] {
		return err
	}
	if !NeedsStatement(name) {
		r.obey(ctx, name, cmd)
		r.lookInto(ctx, name, cmd)
		return nil
	}
	cmd, err := r.verify(ctx, cmd)
	if err != nil {
		return err
	}
	if err := r.refusal(name, cmd); err != nil { // others may have decided meanwhile
		return err
	}
	r.obey(ctx, name, cmd)
	return nil
}

// verify has the signature checked, by the keys of a worker's own configuration.
func (r *release) verify(ctx workflow.Context, cmd Command) (Command, error) {
	r.verifying++
	defer func() { r.verifying-- }()
	v, err := local(ctx, "Verify who has decided", approval.VerifyDecision, activities.VerifyDecisionIn{Statement: *cmd.Statement, At: workflow.Now(ctx)})
	if err != nil {
		return cmd, stop("the statement could not be verified: %s", plain(err))
	}
	if !v.Believed {
		return cmd, stop("the statement is not believed: %s", v.Reason)
	}
	s := *cmd.Statement
	s.Groups = v.Groups
	cmd.Statement, cmd.verified = &s, true
	return cmd, nil
}

// lookInto finds out whether the name of a command that was obeyed already is true.
func (r *release) lookInto(ctx workflow.Context, name string, cmd Command) {
	if cmd.Statement == nil {
		return
	}
	verified, err := r.verify(ctx, cmd)
	if err != nil {
		r.note(ctx, "who gave that %s is not verified: %s", name, err)
		return
	}
	if r.aborted != nil && r.aborted.key() == cmd.key() {
		r.aborted = &verified
	}
}

// answerLast lets everybody have an answer whose command is being looked at.
func (r *release) answerLast(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(ctx, func() bool { return r.verifying == 0 }) // it is never cancelled
}
