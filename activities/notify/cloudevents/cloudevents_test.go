// SPDX-License-Identifier: Apache-2.0

package cloudevents_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/cloudevents"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// broker takes what the specification allows, and each event once.
type broker struct {
	t    *testing.T
	mu   sync.Mutex
	seen []string
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+conformance.Canary {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	require.Equal(b.t, "application/cloudevents+json; charset=UTF-8", r.Header.Get("Content-Type"))
	var e map[string]any
	require.NoError(b.t, json.NewDecoder(r.Body).Decode(&e))
	text := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype"} {
		value, ok := e[name].(string)
		require.True(b.t, ok && value != "", "attribute %s is needed: %v", name, e[name])
		text[name] = value
	}
	require.Equal(b.t, "1.0", text["specversion"])
	_, err := url.Parse(text["source"])
	require.NoError(b.t, err)
	_, err = time.Parse(time.RFC3339, text["time"])
	require.NoError(b.t, err)
	require.Equal(b.t, text["subject"], e["data"].(map[string]any)["release"])
	b.mu.Lock()
	defer b.mu.Unlock()
	name := text["source"] + " " + text["id"]
	for _, s := range b.seen {
		if s == name {
			return
		}
	}
	b.seen = append(b.seen, name)
	w.WriteHeader(http.StatusAccepted)
}

func (b *broker) Shown() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func TestCloudEventsConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return &broker{t: t} },
		Notifier: func(t *testing.T, address string) activities.Notifier {
			t.Helper()
			n, err := cloudevents.New(cloudevents.Config{URL: outbound.NewSecret(address), Token: outbound.NewSecret(conformance.Canary)}, time.Now)
			require.NoError(t, err)
			return n
		},
	})
}

func TestABrokerNeedsAnAddress(t *testing.T) {
	_, err := cloudevents.New(cloudevents.Config{}, time.Now)
	require.ErrorContains(t, err, "url: write one such as")
}
