// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/slack"
)

// slack runs the Slack part by itself.
func (a *app) slack() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use: "slack", Short: "Show releases in Slack and take decisions there, until it is stopped", Args: cobra.NoArgs,
		Long: "Show releases in Slack and take decisions there, until it is stopped. It is configured by SLIPWAY_SLACK_* and\n" +
			"SLIPWAY_APPROVAL_KEY; docs/integrations/slack.md tells how. Run one at a time.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := slack.Configure(env.ToMap(os.Environ()))
			if err != nil {
				return err
			}
			c, err := client.Dial(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			log := slog.New(slog.NewJSONHandler(a.Err, nil))
			return serveSlack(cmd.Context(), address, slack.New(slack.Options{Config: config, Releases: c, Log: log, Now: a.Now}))
		},
	}
	cmd.Flags().StringVar(&address, "listen", ":8081", "where Slack's requests (/slack/…) and health (/healthz, /readyz) are served")
	return cmd
}

// serveSlack runs until ctx is done, and then answers what it has accepted.
func serveSlack(ctx context.Context, address string, s *slack.App) error {
	mux := http.NewServeMux()
	mux.Handle("/slack/", s.Handler())
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "Slack has not answered yet", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Addr: address, Handler: mux, ReadTimeout: 10 * time.Second, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		err := server.ListenAndServe()
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		failed <- err
		cancel()
	}()
	err := s.Run(ctx)
	_ = server.Close()
	if listened := <-failed; listened != nil {
		return fmt.Errorf("listen on %s: %w; set --listen to a free address", address, listened)
	}
	return err
}
