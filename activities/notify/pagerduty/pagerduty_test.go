// SPDX-License-Identifier: Apache-2.0

package pagerduty_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/pagerduty"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// service keeps alerts as PagerDuty does.
type service struct {
	conformance.Rules
	mu    sync.Mutex
	open  []string
	shown []string
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.OneOf(r.URL.Path, "/v2/enqueue")
	var e struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		DedupKey   string `json:"dedup_key"`
		Payload    struct{ Summary, Source, Severity string }
	}
	s.Read(r.Body, &e)
	if e.RoutingKey != conformance.Canary {
		http.Error(w, `{"status": "invalid event", "errors": ["Invalid routing key"]}`, http.StatusBadRequest)
		return
	}
	s.AtMost(255, e.DedupKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.open, e.DedupKey)
	switch {
	case e.Action == "resolve" && i >= 0:
		s.open = slices.Delete(s.open, i, i+1)
	case e.Action == "trigger" && i < 0:
		s.Hold(e.Payload.Summary != "" && e.Payload.Source != "", "summary and source are needed: %+v", e.Payload)
		s.AtMost(1024, e.Payload.Summary)
		s.OneOf(e.Payload.Severity, "critical", "error", "warning", "info")
		s.open = append(s.open, e.DedupKey)
		s.shown = append(s.shown, e.Payload.Severity+": "+e.Payload.Summary)
	}
	w.WriteHeader(http.StatusAccepted)
}

func (s *service) Shown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown
}

func notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	n, err := pagerduty.New(pagerduty.Config{RoutingKey: outbound.NewSecret(conformance.Canary), URL: address}, time.Now)
	require.NoError(t, err)
	return n
}

func TestPagerDutyConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return &service{Rules: conformance.Rules{T: t}} }, Notifier: notifier,
		// failed and needs-person are further words of the alert that undone has opened.
		Silent: []plan.Event{plan.Started, plan.StepPassed, plan.Held, plan.Promoted, plan.Failed, plan.NeedsPerson},
	})
}

func TestAWaitIsResolvedByWhateverComesNextAndABadEndStays(t *testing.T) {
	s := &service{Rules: conformance.Rules{T: t}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	n := notifier(t, server.URL)
	closing := conformance.Message(plan.StepPassed)
	closing.Closing = true
	for _, step := range []struct {
		m    activities.Message
		open []string
	}{
		{conformance.Message(plan.Started), nil},
		{conformance.Message(plan.GateWaits), []string{"slipway/checkout-abc123/wait"}},
		{conformance.Message(plan.Held), []string{"slipway/checkout-abc123/wait"}},
		{closing, nil},
		{conformance.Message(plan.GateWaits), []string{"slipway/checkout-abc123/wait"}},
		{conformance.Message(plan.NeedsPerson), []string{"slipway/checkout-abc123/end"}},
	} {
		require.NoError(t, n.Notify(t.Context(), step.m))
		require.ElementsMatch(t, step.open, s.open, step.m.Event)
	}
	require.Equal(t, []string{
		"warning: checkout in production waits for people: what happened & why <b>",
		"warning: checkout in production waits for people: what happened & why <b>",
		"critical: checkout in production needs a person: what happened & why <b>",
	}, s.Shown())
}

func TestAServiceNeedsAKey(t *testing.T) {
	_, err := pagerduty.New(pagerduty.Config{}, time.Now)
	require.ErrorContains(t, err, "routingKey: give that of an integration")
	_, err = pagerduty.New(pagerduty.Config{RoutingKey: outbound.NewSecret("k"), URL: "events.eu.pagerduty.com"}, time.Now)
	require.ErrorContains(t, err, "url: write one such as")
}
