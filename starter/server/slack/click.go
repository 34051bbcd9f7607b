// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"slices"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/slack/payload"
	"github.com/slipwayhq/slipway/workflows"
)

// click is what somebody has done in Slack.
type click struct {
	payload.Click
	// asks is true where a form must ask for the reason first.
	asks bool
	// answerTo is where a slash command is answered.
	answerTo string
}

// seen is what was looked at, as a decision names it.
func (c click) seen() client.Seen {
	t := c.Target
	return client.Seen{Release: t.Release, Where: t.Where, Digest: t.Digest, PlanHash: t.PlanHash}
}

// targetOf is what the buttons of a release's message are about.
func targetOf(s workflows.Status) payload.Target {
	seen := client.SeenIn(s)
	return payload.Target{Lane: s.Environment + "/" + s.Service, Release: seen.Release, Where: seen.Where, Digest: seen.Digest, PlanHash: seen.PlanHash}
}

// byModal are the commands that need a reason: they end a release, or skip what its plan asks for.
func byModal(command string) bool {
	return slices.Contains([]string{workflows.Reject, workflows.Abort, workflows.Promote, workflows.Override}, command)
}

func known(command string) bool {
	return byModal(command) || slices.Contains([]string{workflows.Approve, workflows.Pause, workflows.Resume}, command)
}

// parseInteraction reads the JSON of a payload. What is none of ours is no click and no error.
func parseInteraction(text []byte) (*click, error) { return ours(payload.Parse(text)) }

func fromInteraction(in slackapi.InteractionCallback) (*click, error) { return ours(payload.From(in)) }

// ours lets pass what this app has buttons and forms for.
func ours(c *payload.Click, err error) (*click, error) {
	if err != nil || c == nil || !known(c.Command) || c.Form && !byModal(c.Command) {
		return nil, err
	}
	return &click{Click: *c, asks: byModal(c.Command) && !c.Form}, nil
}

// fromCommand reads what is typed behind /slipway.
func fromCommand(in slackapi.SlashCommand) (*click, error) {
	c, err := payload.Typed(in)
	if err != nil {
		return nil, err
	}
	return &click{Click: *c, answerTo: in.ResponseURL}, nil
}
