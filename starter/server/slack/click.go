// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/workflows"
)

const (
	actionPrefix = "slipway_"
	reasonField  = "slipway_reason"
	// maxTarget is what Slack keeps with a button, in bytes.
	maxTarget = 2000
)

// target is what somebody was looking at when they clicked. It is no authority: it only says what they mean, and the
// release refuses what it is not.
type target struct {
	lane string
	seen client.Seen
	// channel to answer in, for a modal, which has none.
	channel string
}

// String is one line; no part of it contains the separator.
func (t target) String() string {
	return strings.Join([]string{t.lane, t.seen.Release, t.seen.Where, t.seen.Digest, t.seen.PlanHash, t.channel}, "|")
}

func parseTarget(text string) (target, error) {
	p := strings.Split(text, "|")
	if len(text) > maxTarget || len(p) != 6 || p[1] == "" || p[2] == "" {
		return target{}, errors.New("the button is not one of this version; look at the newest message of the release")
	}
	if _, err := client.ParseLane(p[0]); err != nil {
		return target{}, err
	}
	return target{p[0], client.Seen{Release: p[1], Where: p[2], Digest: p[3], PlanHash: p[4]}, p[5]}, nil
}

// click is what somebody has done in Slack.
type click struct {
	team, user, channel string
	command             string
	target              target
	reason              string
	// asks is true where a modal must ask for the reason first; trigger opens it.
	asks    bool
	trigger string
	// id makes it count once.
	id string
	// answerTo is where a slash command is answered.
	answerTo string
	// from is how somebody came by it, for the log.
	from string
}

// byModal are the commands that need a reason.
func byModal(command string) bool { return command == workflows.Reject || command == workflows.Abort }

// parseInteraction reads the JSON of a payload. What is none of ours is no click and no error.
func parseInteraction(payload []byte) (*click, error) {
	var in slackapi.InteractionCallback
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, fmt.Errorf("read interaction: %w", err)
	}
	return fromInteraction(in)
}

func fromInteraction(in slackapi.InteractionCallback) (*click, error) {
	c := click{team: in.Team.ID, user: in.User.ID, channel: in.Channel.ID, trigger: in.TriggerID, from: string(in.Type)}
	switch in.Type { //nolint:exhaustive // everything else is none of ours
	case slackapi.InteractionTypeBlockActions:
		if len(in.ActionCallback.BlockActions) != 1 {
			return nil, nil
		}
		a := in.ActionCallback.BlockActions[0]
		c.command = strings.TrimPrefix(a.ActionID, actionPrefix)
		if c.command == a.ActionID || !known(c.command) {
			return nil, nil
		}
		c.asks = byModal(c.command)
		return c.about(a.Value, a.ActionTs)
	case slackapi.InteractionTypeViewSubmission:
		c.command = strings.TrimPrefix(in.View.CallbackID, actionPrefix)
		if c.command == in.View.CallbackID || !byModal(c.command) {
			return nil, nil
		}
		if in.View.State != nil {
			c.reason = in.View.State.Values[reasonField][reasonField].Value
		}
		return c.about(in.View.PrivateMetadata, in.View.ID)
	}
	return nil, nil
}

func known(command string) bool {
	return slices.Contains([]string{workflows.Approve, workflows.Reject, workflows.Pause, workflows.Resume, workflows.Abort}, command)
}

// about completes a click with what was looked at. Slack repeats a click with the same moment.
func (c click) about(value, moment string) (*click, error) {
	t, err := parseTarget(value)
	if err != nil {
		return nil, err
	}
	if c.user == "" || c.team == "" || moment == "" {
		return nil, errors.New("read interaction: it does not say who clicked, or when")
	}
	if c.channel == "" {
		c.channel = t.channel
	}
	c.target, c.id = t, once(c.team, c.user, c.command, value, moment)
	return &c, nil
}

// once is the same for the same, and different for everything else.
func once(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return "slack-" + hex.EncodeToString(sum[:12])
}

// parseForm reads the body of a slash command.
func parseForm(body []byte) (slackapi.SlashCommand, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return slackapi.SlashCommand{}, fmt.Errorf("read command: %w", err)
	}
	return slackapi.SlashCommand{
		TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), UserID: form.Get("user_id"), Command: form.Get("command"),
		Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
	}, nil
}

const usage = "`/slipway status production/checkout`, `/slipway pause production/checkout`, or `/slipway abort production/checkout REASON`"

// statusCommand asks, and tells a release nothing.
const statusCommand = "status"

// fromCommand reads "status|pause|abort ENVIRONMENT/NAME [REASON]".
func fromCommand(in slackapi.SlashCommand) (*click, error) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(in.Text), " ")
	lane, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if !slices.Contains([]string{statusCommand, workflows.Pause, workflows.Abort}, verb) {
		return nil, errors.New("write " + usage)
	}
	if _, err := client.ParseLane(lane); err != nil {
		return nil, fmt.Errorf("%w; write %s", err, usage)
	}
	reason = strings.TrimSpace(reason)
	if verb == workflows.Abort && reason == "" {
		return nil, errors.New("an abort needs a reason: `/slipway abort " + lane + " REASON`")
	}
	return &click{
		team: in.TeamID, user: in.UserID, channel: in.ChannelID, command: verb, target: target{lane: lane}, reason: reason,
		id: once(in.TeamID, in.UserID, in.Text, in.TriggerID), answerTo: in.ResponseURL, from: "command",
	}, nil
}
