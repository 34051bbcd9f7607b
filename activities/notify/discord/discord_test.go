// SPDX-License-Identifier: Apache-2.0

package discord_test

import (
	"encoding/json"
	"net/http"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/discord"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// channel takes what Discord takes.
type channel struct {
	t    *testing.T
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
	require.NoError(c.t, json.NewDecoder(r.Body).Decode(&p))
	require.Len(c.t, p.Embeds, 1)
	e := p.Embeds[0]
	// The limits of https://discord.com/developers/docs/resources/message#embed-object-embed-limits.
	require.LessOrEqual(c.t, utf8.RuneCountInString(e.Title), 256)
	require.LessOrEqual(c.t, utf8.RuneCountInString(e.Description), 4096)
	require.LessOrEqual(c.t, len(e.Fields), 25)
	for _, f := range e.Fields {
		require.NotEmpty(c.t, f.Name)
		require.NotEmpty(c.t, f.Value)
		require.LessOrEqual(c.t, utf8.RuneCountInString(f.Value), 1024)
	}
	require.LessOrEqual(c.t, e.Color, 0xffffff)
	_, err := time.Parse(time.RFC3339, e.Timestamp)
	require.NoError(c.t, err)
	require.NotNil(c.t, p.AllowedMentions)
	require.Empty(c.t, p.AllowedMentions.Parse, "a text may name @everyone")
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
		Service: func() conformance.Service { return &channel{t: t} },
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
