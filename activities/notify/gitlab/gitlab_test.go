// SPDX-License-Identifier: Apache-2.0

package gitlab_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/gitlab"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

type status struct {
	State       string `json:"state,omitempty"`
	Status      string `json:"status,omitempty"`
	Name        string `json:"name"`
	TargetURL   string `json:"target_url,omitempty"`
	Description string `json:"description,omitempty"`
}

// lab keeps the statuses of one commit, by GitLab's rules.
type lab struct {
	conformance.Rules
	mu   sync.Mutex
	seen []status
}

func (l *lab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	const commit = "0123456789012345678901234567890123456789"
	switch {
	case r.Header.Get("Private-Token") != conformance.Canary:
		http.Error(w, `{"message": "401 Unauthorized"}`, http.StatusUnauthorized)
	case r.Method == http.MethodGet && r.URL.EscapedPath() == "/api/v4/projects/acme%2Fcheckout/repository/commits/"+commit+"/statuses":
		newest := []status{}
		if n := len(l.seen); n > 0 && l.seen[n-1].Name == r.URL.Query().Get("name") {
			newest = append(newest, status{Status: l.seen[n-1].State, Name: l.seen[n-1].Name})
		}
		l.Answer(w, http.StatusOK, newest)
	case r.Method == http.MethodPost && r.URL.EscapedPath() == "/api/v4/projects/acme%2Fcheckout/statuses/"+commit:
		var s status
		l.Read(r.Body, &s)
		l.OneOf(s.State, "pending", "running", "success", "failed", "canceled", "skipped")
		l.AtMost(255, s.Description)
		if n := len(l.seen); n > 0 && l.seen[n-1].State == s.State {
			http.Error(w, `{"message": "Cannot transition status via :run from :running"}`, http.StatusBadRequest)
			return
		}
		l.seen = append(l.seen, s)
		w.WriteHeader(http.StatusCreated)
	default:
		http.Error(w, `{"message": "404 Project Not Found"}`, http.StatusNotFound)
	}
}

func (l *lab) Shown() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, s := range l.seen {
		out = append(out, s.State)
	}
	return out
}

func notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	n, err := gitlab.New(gitlab.Config{Token: outbound.NewSecret(conformance.Canary), URL: address}, time.Now)
	require.NoError(t, err)
	return n
}

func TestGitLabConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return &lab{Rules: conformance.Rules{T: t}} }, Notifier: notifier,
		// What is shown already: running, then failed.
		Silent: []plan.Event{plan.StepPassed, plan.GateWaits, plan.Held, plan.Failed, plan.NeedsPerson},
	})
}

func TestTheStatusIsNamedForServiceAndEnvironment(t *testing.T) {
	l := &lab{Rules: conformance.Rules{T: t}}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	n := notifier(t, server.URL)
	require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.Started)))
	require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.Promoted)))
	require.Equal(t, status{
		State: "success", Name: "slipway/production/checkout", Description: "what happened & why <b>",
		TargetURL: "https://temporal.example/namespaces/default/workflows/production%2Fcheckout/run-1/history",
	}, l.seen[1])
}

func TestAReleaseWithoutACommitIsRefusedInWords(t *testing.T) {
	m := conformance.Message(plan.Started)
	m.Source.Commit = ""
	err := notifier(t, "http://127.0.0.1:1").Notify(t.Context(), m)
	require.ErrorContains(t, err, "start it with --repository and --commit")
	require.True(t, fault.Final(err))
}

func TestGitLabNeedsAToken(t *testing.T) {
	_, err := gitlab.New(gitlab.Config{}, time.Now)
	require.ErrorContains(t, err, "token: give one with the scope api")
}
