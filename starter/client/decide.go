// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

const (
	// stands is how long a signed decision is good for: longer than workers are away when they are replaced.
	stands = time.Hour
	// glance is how long a command that must not wait looks at the release before.
	glance = time.Second
	// HowKey is how somebody is recognised who has the key itself.
	HowKey = "key"
)

// Decision is what somebody wants who was recognised.
type Decision struct {
	Lane Lane
	// Command is one of those that a release knows, such as workflows.Approve.
	Command string
	// Who it is, as plans name them, their groups, and How they were recognised.
	Who    string
	Groups []string
	How    string
	Reason string
	// Edits says, with a resume, what becomes of what somebody else has changed: see [workflows.Command].
	Edits string
	// ID makes it count once; a repetition has the same. Default: random.
	ID string
	// Seen is what they have looked at; the zero value: how it is now.
	Seen Seen
}

// Seen is exactly what somebody has decided about.
type Seen struct{ Release, Where, Digest, PlanHash string }

// SeenIn is what a status shows.
func SeenIn(s workflows.Status) Seen { return Seen{s.ID, s.Where(), s.Digest(), s.PlanHash} }

// Decided is what became of a decision.
type Decided struct {
	workflows.Status
	// Queued is true where no worker answers now: it is kept in Temporal, and counts when one does.
	Queued bool
}

// LateError is a decision about something that is over. Nothing was changed.
type LateError struct{ Text string }

// Error says how it is now.
func (e *LateError) Error() string { return e.Text }

// Decide tells a release what somebody has decided, in a statement that is bound to what they have looked at, and
// signed where this client has a key. What the release refuses is an error with its reason.
func (c *Client) Decide(ctx context.Context, d Decision) (Decided, error) {
	if d.ID == "" {
		d.ID = rand.Text()
	}
	needed := workflows.NeedsStatement(d.Command)
	if needed && c.key.IsZero() {
		return Decided{}, &RefusedError{fmt.Sprintf("%s %s: it counts only with a signed statement; set SLIPWAY_APPROVAL_KEY to a key that the workers trust (see `slipway key`), or decide in Slack",
			d.Command, d.Lane)}
	}
	now, err := c.look(ctx, d, needed)
	if late := overtaken(d, now); err == nil && late != nil {
		return Decided{Status: now}, late
	}
	switch {
	case err == nil:
		d.Seen = SeenIn(now)
	case needed && d.Seen == Seen{}:
		return Decided{}, err // nobody can sign what nobody has seen
	}
	cmd := workflows.Command{ID: d.ID, By: d.Who, Reason: statement.Clip(d.Reason), Release: d.Seen.Release}
	if !c.key.IsZero() {
		signed, err := c.sign(d)
		if err != nil && needed {
			return Decided{}, err
		}
		if err == nil {
			cmd = workflows.Command{Statement: signed}
		}
	}
	cmd.Edits = d.Edits
	return c.deliver(ctx, d, cmd)
}

// look asks how the release is. It does not wait long for that where it can do without.
func (c *Client) look(ctx context.Context, d Decision, needed bool) (workflows.Status, error) {
	if !needed || d.Seen != (Seen{}) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, glance)
		defer cancel()
	}
	return c.Status(ctx, d.Lane)
}

// overtaken is a decision about a release, or a question in it, that is over.
func overtaken(d Decision, now workflows.Status) error {
	seen := d.Seen
	switch {
	case seen.Release != "" && now.ID != seen.Release:
		return &LateError{fmt.Sprintf("release %s is over; the newest release of %s is %s", seen.Release, d.Lane, now.ID)}
	case seen.Release != "" && now.Phase.Ended():
		return &LateError{fmt.Sprintf("release %s has ended already: %s: %s", now.ID, now.Phase, now.Outcome)}
	case seen.Where != "" && now.Where() != seen.Where && (d.Command == workflows.Promote || d.Command == workflows.Override):
		return &LateError{fmt.Sprintf("release %s has gone on from %s to %s meanwhile: look again; next: %s", now.ID, seen.Where, now.Where(), now.Next)}
	case seen.Where != "" && now.Where() != seen.Where && workflows.NeedsStatement(d.Command):
		return &LateError{fmt.Sprintf("that question has been answered, or its time is over: release %s is at %s by now; next: %s", now.ID, now.Where(), now.Next)}
	}
	return nil
}

// sign makes the statement that only its signer can have made.
func (c *Client) sign(d Decision) (*statement.Signed, error) {
	at := time.Now().Truncate(time.Millisecond) //nolint:forbidigo // a statement says when it was made
	signed, err := c.key.Sign(statement.Statement{
		ID: d.ID, Who: d.Who, Groups: d.Groups, How: d.How, What: d.Command, Reason: statement.Clip(d.Reason), At: at, Expires: at.Add(stands),
		Release: d.Seen.Release, Step: d.Seen.Where, Digest: d.Seen.Digest, PlanHash: d.Seen.PlanHash,
	})
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", d.Command, d.Lane, err)
	}
	return &signed, nil
}

// deliver tells the release by update, for the answer, and where no worker is there to give one by signal. Both
// carry the same ID, so it counts once.
func (c *Client) deliver(ctx context.Context, d Decision, cmd workflows.Command) (Decided, error) {
	s, err := c.tell(ctx, d.Lane, d.Command, update{id: d.ID, cmd: cmd})
	if err == nil || !unanswered(err) || ctx.Err() != nil {
		return Decided{Status: s}, err
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if sent := c.temporal.SignalWorkflow(ctx, d.Lane.String(), "", d.Command, cmd); sent != nil {
		return Decided{}, errors.Join(err, explain(sent, d.Lane))
	}
	return Decided{Queued: true}, nil
}

// unanswered is an error that says nothing about what the release thinks of it.
func unanswered(err error) bool {
	var late *serviceerror.DeadlineExceeded
	return errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded)
}
