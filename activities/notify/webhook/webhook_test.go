// SPDX-License-Identifier: Apache-2.0

package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// secret holds the canary both as it is written and as it signs.
func secret() outbound.Secret {
	return outbound.NewSecret("whsec_" + base64.StdEncoding.EncodeToString([]byte(conformance.Canary+"-of-24-bytes")))
}

func now() time.Time { return time.Unix(1614265330, 0) }

// inbox is a receiver that does what the specification says.
type inbox struct {
	conformance.Rules
	mu   sync.Mutex
	ids  map[string]bool
	seen []string
	last string
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	i.Hold(err == nil, "read body: %v", err)
	id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	stamp, err := strconv.ParseInt(at, 10, 64)
	i.Hold(err == nil, "webhook-timestamp: %v", err)
	key, err := webhook.Key(secret())
	i.Hold(err == nil, "secret: %v", err)
	if r.Header.Get("webhook-signature") != webhook.Sign(key, id, time.Unix(stamp, 0), body) {
		http.Error(w, "wrong signature", http.StatusUnauthorized)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.ids[id] {
		i.ids[id] = true
		i.seen, i.last = append(i.seen, id), string(body)
	}
}

func (i *inbox) Shown() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.seen
}

func TestWebhookConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return &inbox{Rules: conformance.Rules{T: t}, ids: map[string]bool{}} },
		Notifier: func(t *testing.T, address string) activities.Notifier {
			t.Helper()
			n, err := webhook.New(webhook.Config{URL: outbound.NewSecret(address + "/hooks/" + conformance.Canary), Secret: secret()}, now)
			require.NoError(t, err)
			return n
		},
	})
}

func TestTheSignatureIsThatOfTheSpecification(t *testing.T) {
	key, err := webhook.Key(outbound.NewSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", now(), []byte(`{"test": 2432232314}`)))
}

func TestTheBodySaysWhatHappened(t *testing.T) {
	i := &inbox{Rules: conformance.Rules{T: t}, ids: map[string]bool{}}
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	n, err := webhook.New(webhook.Config{URL: outbound.NewSecret(server.URL), Secret: secret()}, now)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.GateWaits)))
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(i.last), &got))
	data := got["data"].(map[string]any)
	require.Equal(t, "release.gate", got["type"])
	require.Equal(t, "2030-01-01T09:00:00Z", got["timestamp"])
	for field, want := range map[string]any{
		"key": "checkout-abc123/gate/2", "severity": "warning", "release": "checkout-abc123", "title": "checkout in production waits for people",
		"weight": 25.0, "step": 2.0, "steps": 5.0, "owner": "people", "deadline": "2030-01-01T10:00:00Z", "atDeadline": "the release is undone",
	} {
		require.Equal(t, want, data[field], field)
	}
	require.Equal(t, "acme/checkout", data["source"].(map[string]any)["repository"])
}

func TestWhatCannotWorkIsRefusedWithoutNamingIt(t *testing.T) {
	good := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 24))
	for name, tt := range map[string]struct{ url, secret, want string }{
		"no URL":               {"", good, "url: write one such as"},
		"another scheme":       {"ftp://canary.example", good, "url: write one such as"},
		"a secret that is not": {"https://hooks.example", "canary!", "secret: write whsec_"},
		"a short secret":       {"https://hooks.example", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23)), "24 to 64"},
		"a long secret":        {"https://hooks.example", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65)), "24 to 64"},
		"none":                 {"https://hooks.example", "", "secret: write whsec_"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := webhook.New(webhook.Config{URL: outbound.NewSecret(tt.url), Secret: outbound.NewSecret(tt.secret)}, now)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), "canary")
		})
	}
}
