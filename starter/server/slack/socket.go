// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"errors"
	"fmt"
	"time"

	slackapi "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// listen receives clicks by Socket Mode until ctx is done. The connection is made again whenever it breaks.
func (a *App) listen(ctx context.Context) error {
	socket := socketmode.New(a.api)
	ended := make(chan error, 1)
	go func() { ended <- a.connected(ctx, socket) }()
	for {
		select {
		case err := <-ended:
			return err
		case e := <-socket.Events:
			a.receive(ctx, socket, e)
		}
	}
}

// connected runs the connection. Only a token that Slack refuses ends it.
func (a *App) connected(ctx context.Context, socket *socketmode.Client) error {
	for {
		err := socket.RunContext(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if answer, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
			return fmt.Errorf("open Socket Mode: %w; check SLIPWAY_SLACK_APP_TOKEN", answer)
		}
		a.log.Warn("socket was lost", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(a.config.Every): //nolint:forbidigo // it waits for a real Slack
		}
	}
}

// receive acknowledges what it has taken over. What it has no room for is not acknowledged, so that Slack says so.
func (a *App) receive(ctx context.Context, socket *socketmode.Client, e socketmode.Event) {
	var c *click
	var err error
	switch data := e.Data.(type) {
	case slackapi.InteractionCallback:
		c, err = fromInteraction(data)
	case slackapi.SlashCommand:
		c, err = fromCommand(data)
	default:
		return
	}
	var payload any
	if err != nil {
		a.log.Warn("socket request was refused", "error", err)
		if e.Type == socketmode.EventTypeSlashCommand {
			payload = map[string]string{"text": err.Error()}
		}
	} else if !a.accept(c) {
		a.log.Warn("socket request had no room", "envelope", e.Request.EnvelopeID)
		return
	}
	if err := socket.AckCtx(ctx, e.Request.EnvelopeID, payload); err != nil {
		a.log.Warn("socket request was not acknowledged", "error", err)
	}
}
