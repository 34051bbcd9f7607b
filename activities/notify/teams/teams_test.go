// SPDX-License-Identifier: Apache-2.0

package teams_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/teams"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// channel is a workflow that posts the cards which it gets.
type channel struct {
	conformance.Rules
	mu   sync.Mutex
	seen []string
}

func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("sig") != conformance.Canary {
		http.Error(w, `{"error": {"code": "DirectApiAuthorizationRequired"}}`, http.StatusUnauthorized)
		return
	}
	text, err := io.ReadAll(r.Body)
	c.Hold(err == nil && len(text) < 28<<10, "the limit of a message in Teams: %d bytes", len(text))
	var p struct {
		Type        string
		Attachments []struct {
			ContentType string
			Content     json.RawMessage
		}
	}
	c.Read(bytes.NewReader(text), &p)
	c.OneOf(p.Type, "message")
	c.Hold(len(p.Attachments) == 1, "%d attachments", len(p.Attachments))
	c.OneOf(p.Attachments[0].ContentType, "application/vnd.microsoft.card.adaptive")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, string(p.Attachments[0].Content))
	w.WriteHeader(http.StatusAccepted)
}

func (c *channel) Shown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	n, err := teams.New(teams.Config{URL: outbound.NewSecret(address + "/workflows/1?api-version=1&sig=" + conformance.Canary)}, time.Now)
	require.NoError(t, err)
	return n
}

func TestTeamsConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Doubles: true, Service: func() conformance.Service { return &channel{Rules: conformance.Rules{T: t}} }, Notifier: notifier,
	})
}

func TestTheCardSaysWhoIsWaitedForAndUntilWhen(t *testing.T) {
	c := &channel{Rules: conformance.Rules{T: t}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	require.NoError(t, notifier(t, server.URL).Notify(t.Context(), conformance.Message(plan.GateWaits)))
	var got, want any
	require.NoError(t, json.Unmarshal([]byte(c.Shown()[0]), &got))
	require.NoError(t, json.Unmarshal([]byte(`{
		"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
		"body": [
			{"type": "TextBlock", "text": "checkout in production waits for people", "size": "Medium", "weight": "Bolder", "color": "Warning", "wrap": true},
			{"type": "TextBlock", "text": "what happened & why <b>", "wrap": true},
			{"type": "FactSet", "facts": [
				{"title": "Release", "value": "checkout-abc123"},
				{"title": "Image", "value": "registry.example/checkout@0123456789ab"},
				{"title": "Requested by", "value": "alice"},
				{"title": "Step", "value": "2 of 5, 25 %"},
				{"title": "Commit", "value": "acme/checkout@012345678901"},
				{"title": "Waits for", "value": "people"},
				{"title": "Until", "value": "2030-01-01 10:00:00 UTC, then the release is undone"}
			]}
		],
		"actions": [
			{"type": "Action.OpenUrl", "title": "Release", "url": "https://temporal.example/namespaces/default/workflows/production%2Fcheckout/run-1/history"},
			{"type": "Action.OpenUrl", "title": "Pipeline", "url": "https://ci.example/runs/1"}
		]
	}`), &want))
	require.Empty(t, cmp.Diff(want, got))
}

func TestAChannelNeedsAnAddress(t *testing.T) {
	_, err := teams.New(teams.Config{}, time.Now)
	require.ErrorContains(t, err, "url: write one such as")
}
