// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/starter/server/missed"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxMissedAge is how far back missed deliveries are fetched: GitHub keeps them for three days.
const maxMissedAge = 72 * time.Hour

// missing fetches the deliveries of GitHub that did not arrive, or that could not be handed over. GitHub itself
// never tries again.
type missing struct {
	server *Server
	hooks  []*missed.Hook
}

func newMissing(s *Server) (*missing, error) {
	m := &missing{server: s}
	if err := m.ofApp(); err != nil {
		return nil, err
	}
	if len(s.config.GitHubHooks) == 0 {
		return m, nil
	}
	text, err := s.config.secret(fileMissed)
	if err != nil {
		return nil, err
	}
	token := strings.TrimSpace(text)
	if token == "" {
		return nil, fmt.Errorf("read secret of %s: the file is empty; SLIPWAY_GITHUB_HOOKS needs a token that may read webhooks", fileMissed)
	}
	for _, name := range s.config.GitHubHooks {
		h, err := missed.NewHook(s.config.GitHubAPI, name, token)
		if err != nil {
			return nil, fmt.Errorf("read environment: SLIPWAY_GITHUB_HOOKS: %w", err)
		}
		m.hooks = append(m.hooks, h)
	}
	return m, nil
}

// ofApp adds the hook of the App, if there is one.
func (m *missing) ofApp() error {
	s := m.server
	if s.config.GitHubApp == 0 {
		return nil
	}
	key, err := s.config.secret(fileApp)
	if err != nil {
		return err
	}
	h, err := missed.NewApp(s.config.GitHubAPI, s.config.GitHubApp, key, s.now)
	if err != nil {
		return fmt.Errorf("read secret of %s: %w", fileApp, err)
	}
	m.hooks = append(m.hooks, h)
	return nil
}

// run looks after the start, and then again and again.
func (m *missing) run(ctx context.Context) {
	if len(m.hooks) == 0 {
		return
	}
	tick, stop := m.server.world.Tick(m.server.config.MissedInterval)
	defer stop()
	for {
		m.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick:
		}
	}
}

// look takes every delivery that failed and is not settled yet.
func (m *missing) look(ctx context.Context) {
	s := m.server
	for _, h := range m.hooks {
		found, err := h.Failed(ctx, s.now().Add(-maxMissedAge))
		if err != nil {
			s.logger.Error("missed deliveries not read", "hook", h.Name, "error", err)
			continue
		}
		for _, f := range found {
			if err := m.fetch(ctx, h, f); err != nil {
				s.metrics.missed.WithLabelValues("failed").Inc()
				s.logger.Error("missed delivery not taken", "hook", h.Name, "delivery", f.ID, "error", err)
			}
		}
	}
}

// fetch takes one the way that it would have come in. GitHub has told its payload over a connection of its own,
// which stands for the signature.
func (m *missing) fetch(ctx context.Context, h *missed.Hook, f missed.Delivery) error {
	s := m.server
	header, body, err := h.Fetch(ctx, f)
	if err != nil {
		return err
	}
	taken, event, err := s.take(ctx, s.senders[plan.SenderGitHub], sender.Delivery{Header: header, Body: body, At: f.DeliveredAt}, maxMissedAge)
	if answer, ok := errors.AsType[*sender.Answer](err); ok && answer.Status < http.StatusInternalServerError {
		h.Settle(f)
		s.metrics.missed.WithLabelValues("refused").Inc()
		s.logger.Info("missed delivery starts nothing", "hook", h.Name, "delivery", f.ID, "event", event, "reason", answer.Text)
		return nil
	}
	if err != nil {
		return err
	}
	h.Settle(f)
	s.metrics.missed.WithLabelValues("taken").Inc()
	s.logger.Info("missed delivery taken", "hook", h.Name, "delivery", f.ID, "event", event, "releases", ids(taken))
	return nil
}
