// SPDX-License-Identifier: Apache-2.0

package discord_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/discord"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// channel takes what Discord takes.
type channel struct {
	conformance.Rules
	mu   sync.Mutex
	seen []string
}

func (c *channel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/api/webhooks/1/"+conformance.Canary {
		http.Error(w, `{"message": "Unknown Webhook", "code": 10015}`, http.StatusNotFound)
		return
	}
	var p struct {
		Embeds []struct {
			Title, Description, URL, Timestamp string
			Color                              int
			Fields                             []struct{ Name, Value string }
		}
		AllowedMentions *struct{ Parse []string } `json:"allowed_mentions"`
	}
	c.Read(r.Body, &p)
	c.Hold(len(p.Embeds) == 1, "%d embeds", len(p.Embeds))
	e := p.Embeds[0]
	// The limits of https://discord.com/developers/docs/resources/message#embed-object-embed-limits.
	c.AtMost(256, e.Title)
	c.AtMost(4096, e.Description)
	c.Hold(len(e.Fields) <= 25, "%d fields", len(e.Fields))
	for _, f := range e.Fields {
		c.Hold(f.Name != "" && f.Value != "", "an empty field: %+v", f)
		c.AtMost(1024, f.Value)
	}
	c.Hold(e.Color <= 0xffffff, "color %x", e.Color)
	_, err := time.Parse(time.RFC3339, e.Timestamp)
	c.Hold(err == nil, "timestamp: %v", err)
	c.Hold(p.AllowedMentions != nil && len(p.AllowedMentions.Parse) == 0, "a text may name @everyone")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, e.Title+": "+e.Description)
	w.WriteHeader(http.StatusNoContent)
}

func (c *channel) Shown() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen
}

func TestDiscordConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Doubles: true,
		Service: func() conformance.Service { return &channel{Rules: conformance.Rules{T: t}} },
		Notifier: func(t *testing.T, address string) activities.Notifier {
			t.Helper()
			n, err := discord.New(discord.Config{URL: outbound.NewSecret(address + "/api/webhooks/1/" + conformance.Canary)}, time.Now)
			require.NoError(t, err)
			return n
		},
	})
}

func TestAChannelNeedsAnAddress(t *testing.T) {
	_, err := discord.New(discord.Config{}, time.Now)
	require.ErrorContains(t, err, "url: write one such as")
}
