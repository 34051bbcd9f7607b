// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/api"
	"github.com/slipwayhq/slipway/starter/server/slack"
)

// serve takes events and serves the API until it is told to stop.
func (a *app) serve() *cobra.Command {
	return &cobra.Command{
		Use: "serve", Short: "Take webhooks and serve the API; configured by the environment", Args: cobra.NoArgs,
		Long: `Take webhooks and serve the API until SIGTERM.

It is configured by the environment: docs/configuration.md lists every variable, docs/integrations says how
to connect GitHub, GitLab and others.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := server.Configure(env.ToMap(os.Environ()))
			if err != nil {
				return err
			}
			logger := slog.New(slog.NewJSONHandler(a.Err, &slog.HandlerOptions{Level: c.LogLevel}))
			return a.runServer(cmd.Context(), c, logger)
		},
	}
}

func (a *app) runServer(ctx context.Context, c server.Config, logger *slog.Logger) error {
	temporal, err := client.DialLater(logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	parts, err := a.chat(temporal, logger)
	if err != nil {
		return err
	}
	s, err := server.New(c, server.World{Temporal: temporal.SignWith(c.ApprovalKey), Logger: logger, Now: a.Now, Tick: tick, Parts: parts})
	if err != nil {
		return err
	}
	var listen net.ListenConfig
	on, err := listen.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; set SLIPWAY_LISTEN to a free address", c.Listen, err)
	}
	return s.Run(ctx, on)
}

// chat is the Slack part, where the environment configures it.
func (a *app) chat(temporal *client.Client, logger *slog.Logger) ([]server.Part, error) {
	environment := env.ToMap(os.Environ())
	if environment["SLIPWAY_SLACK_BOT_TOKEN"] == "" {
		return nil, nil
	}
	config, err := slack.Configure(environment)
	if err != nil {
		return nil, err
	}
	return []server.Part{slackPart{slack.New(slack.Options{Config: config, Releases: temporal, Log: logger, Now: a.Now}), logger}}, nil
}

// slackPart is Slack beside webhooks and API. Its decisions have a way of their own: it adds nothing to the API.
type slackPart struct {
	app    *slack.App
	logger *slog.Logger
}

// Register implements server.Part.
func (p slackPart) Register(mux *http.ServeMux) { mux.Handle("/slack/", p.app.Handler()) }

// Routes implements server.Part.
func (slackPart) Routes() []api.Route { return nil }

// Run implements server.Part. A Slack that refuses its token ends this part alone: webhooks are still taken.
func (p slackPart) Run(ctx context.Context) {
	if err := p.app.Run(ctx); err != nil {
		p.logger.Error("slack ended", "error", err)
	}
}

func tick(every time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}

// token makes a token of the API.
func (a *app) token() *cobra.Command {
	var name string
	var rights, services []string
	cmd := &cobra.Command{
		Use: "token --name NAME --right RIGHT --service SERVICE", Args: cobra.NoArgs,
		Short: "Make a token for the API of slipway serve; only its hash is kept there",
		RunE: func(*cobra.Command, []string) error {
			token, hash := access.NewToken()
			entry := access.Token{Name: name, SHA256: hash, Services: services}
			for _, r := range rights {
				entry.Rights = append(entry.Rights, access.Right(r))
			}
			text, err := access.FormatTokens(entry)
			if err != nil {
				return err
			}
			if a.json {
				return a.encode(map[string]string{"token": token, "file": text})
			}
			return a.print("# Give this to %s, and keep it nowhere else:\n#   %s\n# Add this to the file api-tokens of SLIPWAY_SECRETS:\n%s", name, token, text)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "who it is for; it stands in logs and with the releases")
	cmd.Flags().StringSliceVar(&rights, "right", nil, "read, start, steer or approve; may be given again")
	cmd.Flags().StringSliceVar(&services, "service", nil, "environment/name, such as production/*; may be given again")
	for _, flag := range []string{"name", "right", "service"} {
		_ = cmd.MarkFlagRequired(flag)
	}
	return cmd
}
