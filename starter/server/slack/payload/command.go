// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	slackapi "github.com/slack-go/slack"
)

// What can be typed behind /slipway. The last two are what a release is told; Status asks, and tells it nothing.
const (
	Status = "status"
	pause  = "pause"
	abort  = "abort"
)

const usage = "`/slipway status production/checkout`, `/slipway pause production/checkout`, or `/slipway abort production/checkout REASON`"

// ParseForm reads the body of a slash command.
func ParseForm(text []byte) (slackapi.SlashCommand, error) {
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return slackapi.SlashCommand{}, fmt.Errorf("read command: %w", err)
	}
	return slackapi.SlashCommand{
		TeamID: form.Get("team_id"), ChannelID: form.Get("channel_id"), UserID: form.Get("user_id"), Command: form.Get("command"),
		Text: form.Get("text"), ResponseURL: form.Get("response_url"), TriggerID: form.Get("trigger_id"),
	}, nil
}

// Typed reads "status|pause|abort ENVIRONMENT/NAME [REASON]".
func Typed(in slackapi.SlashCommand) (*Click, error) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(in.Text), " ")
	lane, reason, _ := strings.Cut(strings.TrimSpace(rest), " ")
	if verb != Status && verb != pause && verb != abort {
		return nil, errors.New("write " + usage)
	}
	if err := checkLane(lane); err != nil {
		return nil, fmt.Errorf("%w; write %s", err, usage)
	}
	reason = strings.TrimSpace(reason)
	if verb == abort && reason == "" {
		return nil, errors.New("an abort needs a reason: `/slipway abort " + lane + " REASON`")
	}
	return &Click{
		Team: in.TeamID, User: in.UserID, Channel: in.ChannelID, Command: verb, Target: Target{Lane: lane}, Reason: reason,
		ID: Once(in.TeamID, in.UserID, in.Text, in.TriggerID),
	}, nil
}
