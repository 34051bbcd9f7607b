// SPDX-License-Identifier: Apache-2.0

package bitbucket_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/bitbucket"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

type status struct{ Key, State, Name, URL, Description string }

// bucket keeps one status for each key, as Bitbucket does.
type bucket struct {
	conformance.Rules
	mu   sync.Mutex
	now  map[string]status
	seen []string
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer "+conformance.Canary {
		http.Error(w, `{"type": "error", "error": {"message": "Token is invalid"}}`, http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/2.0/repositories/acme/checkout/commit/0123456789012345678901234567890123456789/statuses/build" {
		http.Error(w, `{"type": "error", "error": {"message": "Resource not found"}}`, http.StatusNotFound)
		return
	}
	var s status
	b.Read(r.Body, &s)
	b.OneOf(s.State, "SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED")
	b.Hold(s.Key != "" && s.URL != "", "key and url are needed: %+v", s)
	b.AtMost(40, s.Key)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.now[s.Key] != s {
		b.seen = append(b.seen, s.State)
	}
	b.now[s.Key] = s
	w.WriteHeader(http.StatusCreated)
}

func (b *bucket) Shown() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	n, err := bitbucket.New(bitbucket.Config{Token: outbound.NewSecret(conformance.Canary), URL: address}, time.Now)
	require.NoError(t, err)
	return n
}

func TestBitbucketConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return &bucket{Rules: conformance.Rules{T: t}, now: map[string]status{}} }, Notifier: notifier,
		// They say the same in this kit's messages.
		Silent: []plan.Event{plan.StepPassed, plan.GateWaits, plan.Held, plan.Failed, plan.NeedsPerson},
	})
}

func TestEveryReleaseOfAServiceWritesTheSameStatus(t *testing.T) {
	b := &bucket{Rules: conformance.Rules{T: t}, now: map[string]status{}}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	n := notifier(t, server.URL)
	m := conformance.Message(plan.Started)
	m.Link, m.Source.URL = "", ""
	require.NoError(t, n.Notify(t.Context(), m))
	m = conformance.Message(plan.Undone)
	m.Release = "checkout-def456"
	require.NoError(t, n.Notify(t.Context(), m))
	require.Equal(t, []string{"INPROGRESS", "FAILED"}, b.Shown())
	require.Len(t, b.now, 1)
	for _, s := range b.now {
		require.Equal(t, "slipway/production/checkout", s.Name)
	}
}

func TestAReleaseWithoutACommitIsRefusedInWords(t *testing.T) {
	m := conformance.Message(plan.Started)
	m.Source = activities.Origin{}
	err := notifier(t, "http://127.0.0.1:1").Notify(t.Context(), m)
	require.ErrorContains(t, err, "start it with --repository and --commit")
	require.True(t, fault.Final(err))
}

func TestBitbucketNeedsAToken(t *testing.T) {
	_, err := bitbucket.New(bitbucket.Config{}, time.Now)
	require.ErrorContains(t, err, "token: give one that may write build statuses")
}
