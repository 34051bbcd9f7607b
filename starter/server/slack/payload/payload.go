// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	// Prefix begins what this app's buttons and forms are called; the name of a command follows.
	Prefix = "slipway_"
	// ReasonField is the one field of a form.
	ReasonField = "slipway_reason"
	// maxTarget is what Slack keeps with a button, in bytes.
	maxTarget = 2000
)

// Target is what somebody was looking at when they clicked. It is no authority: it only says what they mean, and the
// release refuses what it is not.
type Target struct {
	// Lane as "environment/name".
	Lane string
	// Release, where it was, and its image and plan.
	Release, Where, Digest, PlanHash string
	// Channel to answer in, for a form, which has none.
	Channel string
}

// String is one line; no part of it contains the separator.
func (t Target) String() string {
	return strings.Join([]string{t.Lane, t.Release, t.Where, t.Digest, t.PlanHash, t.Channel}, "|")
}

// ParseTarget reads what String has written.
func ParseTarget(text string) (Target, error) {
	p := strings.Split(text, "|")
	if len(text) > maxTarget || len(p) != 6 || p[1] == "" || p[2] == "" {
		return Target{}, errors.New("the button is not one of this version; look at the newest message of the release")
	}
	if err := checkLane(p[0]); err != nil {
		return Target{}, err
	}
	return Target{p[0], p[1], p[2], p[3], p[4], p[5]}, nil
}

func checkLane(text string) error {
	if environment, name, ok := strings.Cut(text, "/"); !ok || !plan.IsLabel(environment) || !plan.IsLabel(name) {
		return fmt.Errorf("%q is not a service: write it as environment/name, such as production/checkout", text)
	}
	return nil
}

// Click is what somebody has done in Slack.
type Click struct {
	Team, User, Channel string
	// Command is what the button or the form is called, without the prefix.
	Command string
	Target  Target
	// Form is true where a form was sent, with the Reason in it. Trigger opens one, for a click.
	Form    bool
	Reason  string
	Trigger string
	// ID is the same for the same click, however often Slack sends it, and different for everything else.
	ID string
}

// Parse reads the JSON of an interaction. What is none of ours is no click and no error.
func Parse(text []byte) (*Click, error) {
	var in slackapi.InteractionCallback
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("read interaction: %w", err)
	}
	return From(in)
}

// From is Parse of what was read already.
func From(in slackapi.InteractionCallback) (*Click, error) {
	c := Click{Team: in.Team.ID, User: in.User.ID, Channel: in.Channel.ID, Trigger: in.TriggerID}
	var ours bool
	switch in.Type { //nolint:exhaustive // everything else is none of ours
	case slackapi.InteractionTypeBlockActions:
		if len(in.ActionCallback.BlockActions) != 1 {
			return nil, nil
		}
		a := in.ActionCallback.BlockActions[0]
		if c.Command, ours = strings.CutPrefix(a.ActionID, Prefix); !ours {
			return nil, nil
		}
		return c.about(a.Value, a.ActionTs)
	case slackapi.InteractionTypeViewSubmission:
		if c.Command, ours = strings.CutPrefix(in.View.CallbackID, Prefix); !ours {
			return nil, nil
		}
		c.Form = true
		if in.View.State != nil {
			c.Reason = in.View.State.Values[ReasonField][ReasonField].Value
		}
		return c.about(in.View.PrivateMetadata, in.View.ID)
	}
	return nil, nil
}

// about completes a click with what was looked at. Slack repeats a click with the same moment.
func (c *Click) about(value, moment string) (*Click, error) {
	t, err := ParseTarget(value)
	if err != nil {
		return nil, err
	}
	if c.User == "" || c.Team == "" || moment == "" {
		return nil, errors.New("read interaction: it does not say who clicked, or when")
	}
	if c.Channel == "" {
		c.Channel = t.Channel
	}
	c.Target, c.ID = t, Once(c.Team, c.User, c.Command, value, moment)
	return c, nil
}

// Once is the same for the same, and different for everything else.
func Once(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "slack-" + hex.EncodeToString(sum[:12])
}
