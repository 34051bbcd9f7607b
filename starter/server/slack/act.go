// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/slack/payload"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
)

// howSlack is how somebody is recognised here.
const howSlack = "slack"

// act does what somebody has clicked, and tells them what became of it.
func (a *App) act(ctx context.Context, c click) {
	text := a.outcome(ctx, c)
	if text == "" {
		return
	}
	if err := a.answer(ctx, c, text); err != nil {
		a.log.Warn("answer was not delivered", "user", c.User, "command", c.Command, "error", err)
	}
	select {
	case a.nudge <- struct{}{}: // the message is brought up to date now
	default:
	}
}

// outcome is what whoever clicked is told; empty: nothing.
func (a *App) outcome(ctx context.Context, c click) string {
	lane, err := client.ParseLane(c.Target.Lane)
	if err != nil {
		return err.Error()
	}
	switch {
	case c.asks:
		c.Target.Channel = c.Channel
		if _, err := a.api.OpenViewContext(ctx, c.Trigger, modal(c.Command, c.Target)); err != nil {
			a.log.Warn("modal was not opened", "user", c.User, "error", err)
			return fmt.Sprintf("%s was not asked for: Slack did not show its form (%s). Click again, or: `slipway %s %s --reason …`", c.Command, err, c.Command, lane)
		}
		return ""
	case c.Command == payload.Status:
		return a.tellStatus(ctx, c, lane)
	}
	return a.decide(ctx, c, lane)
}

// decide looks the person up, signs, and hands the decision to the release.
func (a *App) decide(ctx context.Context, c click, lane client.Lane) string {
	p, err := a.people.identify(ctx, c.Team, c.User, a.wanted(ctx, c, lane))
	if err != nil {
		a.log.Warn("click was refused", "user", c.User, "command", c.Command, "lane", lane.String(), "error", err)
		return fmt.Sprintf(":no_entry: %s was refused, and nothing has changed: %s", c.Command, escape(err.Error()))
	}
	done, err := a.releases.Decide(ctx, client.Decision{
		Lane: lane, Command: c.Command, Who: p.who, Groups: p.groups, How: howSlack, Reason: reason(c), ID: c.ID, Seen: c.seen(),
	})
	a.log.Info("click was answered", "user", c.User, "who", p.who, "command", c.Command, "lane", lane.String(), "release", c.Target.Release, "error", err)
	var late *client.LateError
	switch {
	case errors.As(err, &late):
		return fmt.Sprintf(":hourglass: too late, and nothing has changed: %s", escape(late.Text))
	case err != nil:
		return fmt.Sprintf(":no_entry: nothing has changed: %s", escape(err.Error()))
	case done.Queued:
		return fmt.Sprintf(":inbox_tray: no worker answers now. Your %s is kept, and counts as soon as one does", c.Command)
	}
	return fmt.Sprintf(":white_check_mark: %s of %s by %s is accepted. Next: %s", c.Command, done.ID, escape(p.who), escape(done.Next))
}

// reason is one that a release accepts.
func reason(c click) string {
	if text := strings.TrimSpace(c.Reason); text != "" {
		return text
	}
	return "clicked in Slack"
}

// wanted are those who may answer what the release asks now: only their groups need to be looked up. Where the release
// does not say, because no worker answers, or because a promotion stands for gates that do not ask yet, they are all that
// are known.
func (a *App) wanted(ctx context.Context, c click, lane client.Lane) []string {
	switch {
	case !workflows.NeedsStatement(c.Command):
		return nil
	case c.Command == workflows.Promote:
		return slices.Collect(maps.Keys(a.config.names.Groups))
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	s, err := a.releases.Status(ctx, lane)
	switch {
	case err != nil:
		return slices.Collect(maps.Keys(a.config.names.Groups))
	case s.Asks == nil:
		return nil
	}
	return s.Asks.Approvers
}

// askWithin is how long a release is asked who may answer it.
const askWithin = 3 * time.Second

func (a *App) tellStatus(ctx context.Context, c click, lane client.Lane) string {
	if _, err := a.people.identify(ctx, c.Team, c.User, nil); err != nil {
		return ":no_entry: " + err.Error()
	}
	s, err := a.releases.Status(ctx, lane)
	if err != nil {
		return err.Error()
	}
	return "```" + escape(view.Screen(s, a.now())) + "```"
}

// answer tells only whoever has clicked.
func (a *App) answer(ctx context.Context, c click, text string) error {
	text = clip(text, maxStory)
	if c.answerTo != "" {
		if err := a.ours(c.answerTo); err != nil {
			return err
		}
		_, _, err := a.api.PostMessageContext(ctx, "", slackapi.MsgOptionResponseURL(c.answerTo, slackapi.ResponseTypeEphemeral), slackapi.MsgOptionText(text, false))
		return err
	}
	for {
		_, err := a.api.PostEphemeralContext(ctx, c.Channel, c.User, slackapi.MsgOptionText(text, false))
		limited, ok := errors.AsType[*slackapi.RateLimitedError](err)
		if !ok {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(limited.RetryAfter): //nolint:forbidigo // Slack has said how long
		}
	}
}

// ours refuses to send anything elsewhere than to Slack.
func (a *App) ours(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("read response_url: %w", err)
	}
	if api, err := url.Parse(a.config.API); err == nil && u.Scheme == api.Scheme && u.Host == api.Host {
		return nil
	}
	if u.Scheme != "https" || u.Hostname() != "hooks.slack.com" && u.Hostname() != "hooks.slack-gov.com" {
		return fmt.Errorf("response_url is of %s, which is not Slack", u.Host)
	}
	return nil
}
