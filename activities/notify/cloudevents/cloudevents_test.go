// SPDX-License-Identifier: Apache-2.0

package cloudevents_test

import (
	"net/http"
	"net/url"
	"slices"
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
	conformance.Rules
	mu   sync.Mutex
	seen []string
}

func (b *broker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+conformance.Canary {
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	b.OneOf(r.Header.Get("Content-Type"), "application/cloudevents+json; charset=UTF-8")
	var e map[string]any
	b.Read(r.Body, &e)
	text := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type", "subject", "time", "datacontenttype"} {
		value, ok := e[name].(string)
		b.Hold(ok && value != "", "attribute %s is needed: %v", name, e[name])
		text[name] = value
	}
	b.OneOf(text["specversion"], "1.0")
	_, err := url.Parse(text["source"])
	b.Hold(err == nil, "source: %v", err)
	_, err = time.Parse(time.RFC3339, text["time"])
	b.Hold(err == nil, "time: %v", err)
	data, _ := e["data"].(map[string]any)
	b.Hold(data["release"] == text["subject"], "data is of another release: %v", data)
	b.mu.Lock()
	defer b.mu.Unlock()
	name := text["source"] + " " + text["id"]
	if slices.Contains(b.seen, name) {
		return
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
		Service: func() conformance.Service { return &broker{Rules: conformance.Rules{T: t}} },
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
