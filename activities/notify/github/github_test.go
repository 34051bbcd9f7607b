// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/github"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// object is one of GitHub's, as JSON.
type object map[string]any

func (o object) text(field string) string { s, _ := o[field].(string); return s }

// hub is the part of GitHub that the notifier speaks to.
type hub struct {
	conformance.Rules
	mux         *http.ServeMux
	mu          sync.Mutex
	deployments []object
	statuses    map[string][]object // of a deployment, newest first
	// issue, where it is set, answers an App that asks for a token.
	issue http.HandlerFunc
	marks []object // newest first
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{Rules: conformance.Rules{T: t}, mux: http.NewServeMux(), statuses: map[string][]object{}}
	h.mux.HandleFunc("GET /repos/acme/checkout/deployments", func(w http.ResponseWriter, r *http.Request) {
		found := []object{}
		for _, d := range h.deployments {
			if d["ref"] == r.URL.Query().Get("sha") && d["environment"] == r.URL.Query().Get("environment") {
				found = append(found, d)
			}
		}
		h.Answer(w, http.StatusOK, found)
	})
	h.mux.HandleFunc("POST /repos/acme/checkout/deployments", func(w http.ResponseWriter, r *http.Request) {
		d := h.read(r)
		contexts, ok := d["required_contexts"].([]any)
		h.Hold(ok && len(contexts) == 0 && d["auto_merge"] == false, "it would wait for other checks, or merge: %v", d)
		d["id"] = len(h.deployments) + 1
		h.deployments = append(h.deployments, d)
		h.Answer(w, http.StatusCreated, d)
	})
	h.mux.HandleFunc("GET /repos/acme/checkout/deployments/{id}/statuses", func(w http.ResponseWriter, r *http.Request) {
		h.Answer(w, http.StatusOK, h.statuses[r.PathValue("id")])
	})
	h.mux.HandleFunc("POST /repos/acme/checkout/deployments/{id}/statuses", func(w http.ResponseWriter, r *http.Request) {
		s := h.read(r)
		h.OneOf(s.text("state"), "error", "failure", "inactive", "in_progress", "queued", "pending", "success")
		h.AtMost(140, s.text("description"))
		h.statuses[r.PathValue("id")] = append([]object{s}, h.statuses[r.PathValue("id")]...)
		h.Answer(w, http.StatusCreated, s)
	})
	h.mux.HandleFunc("GET /repos/acme/checkout/commits/{sha}/statuses", func(w http.ResponseWriter, _ *http.Request) {
		h.Answer(w, http.StatusOK, h.marks)
	})
	h.mux.HandleFunc("POST /repos/acme/checkout/statuses/{sha}", func(w http.ResponseWriter, r *http.Request) {
		s := h.read(r)
		h.OneOf(s.text("state"), "error", "failure", "pending", "success")
		h.AtMost(140, s.text("description"))
		h.marks = append([]object{s}, h.marks...)
		h.Answer(w, http.StatusCreated, s)
	})
	return h
}

func (h *hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.issue != nil && strings.HasPrefix(r.URL.Path, "/app/") {
		h.issue(w, r)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+conformance.Canary {
		h.Answer(w, http.StatusUnauthorized, object{"message": "Bad credentials"})
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mux.ServeHTTP(w, r)
}

func (h *hub) read(r *http.Request) object {
	var o object
	h.Read(r.Body, &o)
	return o
}

// Shown are the deployment statuses of the first deployment, oldest first.
func (h *hub) Shown() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []string
	for _, s := range h.statuses["1"] {
		out = append([]string{s.text("state")}, out...)
	}
	return out
}

func notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	n, err := github.New(github.Config{Token: outbound.NewSecret(conformance.Canary), URL: address}, time.Now)
	require.NoError(t, err)
	return n
}

func serve(t *testing.T, h http.Handler) activities.Notifier {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return notifier(t, server.URL)
}

func TestGitHubConforms(t *testing.T) {
	conformance.Run(t, conformance.Kind{
		Service: func() conformance.Service { return newHub(t) }, Notifier: notifier,
	})
}

func TestAReleaseIsOneDeploymentWithAStatusForEachEvent(t *testing.T) {
	h := newHub(t)
	n := serve(t, h)
	for _, e := range []plan.Event{plan.Started, plan.StepPassed, plan.GateWaits, plan.Promoted} {
		require.NoError(t, n.Notify(t.Context(), conformance.Message(e)))
	}
	again := conformance.Message(plan.GateWaits)
	again.Key += "-2"
	require.NoError(t, n.Notify(t.Context(), again), "it says the same, but is another one")
	require.Len(t, h.deployments, 1)
	require.Empty(t, cmp.Diff(object{
		"id": 1, "ref": "0123456789012345678901234567890123456789", "environment": "production", "payload": map[string]any{"release": "checkout-abc123"},
		"task": "slipway", "description": "checkout by canary, release checkout-abc123", "auto_merge": false, "required_contexts": []any{}, "production_environment": true,
	}, h.deployments[0]))
	require.Equal(t, []string{"in_progress", "in_progress", "pending", "success", "pending"}, h.Shown())
	require.Equal(t, "https://temporal.example/namespaces/default/workflows/production%2Fcheckout/run-1/history#gate/2-2", h.statuses["1"][0]["log_url"])
	var marks []string
	for _, m := range h.marks {
		require.Equal(t, "slipway/production/checkout", m["context"])
		marks = append(marks, m.text("state"))
	}
	require.Equal(t, []string{"pending", "success", "pending", "pending", "pending"}, marks)
}

func TestADeploymentIsFoundAgainHoweverGitHubWritesItsPayload(t *testing.T) {
	h := newHub(t)
	n := serve(t, h)
	require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.Started)))
	h.deployments[0]["payload"] = `{"release": "checkout-abc123"}`
	h.deployments = append([]object{{"id": 7, "ref": h.deployments[0]["ref"], "environment": "production", "payload": "somebody else's"}}, h.deployments...)
	require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.Promoted)))
	require.Len(t, h.deployments, 2)
	other := conformance.Message(plan.Started)
	other.Release = "checkout-def456"
	require.NoError(t, n.Notify(t.Context(), other))
	require.Len(t, h.deployments, 3, "another release of the same commit is another deployment")
}

func TestGitHubsLimitsAreKept(t *testing.T) {
	reset := time.Now().Add(10 * time.Minute)
	for name, tt := range map[string]struct {
		header map[string]string
		body   string
		least  time.Duration
	}{
		"the hourly limit":          {map[string]string{"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": fmt.Sprint(reset.Unix())}, "API rate limit exceeded", 9 * time.Minute},
		"the secondary limit":       {nil, `","documentation_url":"https://docs.github.com/rest/overview#secondary-rate-limits`, time.Minute},
		"the secondary, with words": {map[string]string{"Retry-After": "90"}, `","documentation_url":"https://docs.github.com/rest/overview#secondary-rate-limits`, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			n := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(http.StatusForbidden)
				_, _ = fmt.Fprintf(w, `{"message":"%s"}`, tt.body)
			}))
			err := n.Notify(t.Context(), conformance.Message(plan.Started))
			var f *fault.Error
			require.ErrorAs(t, err, &f)
			require.Equal(t, fault.Unavailable, f.Kind, err)
			require.GreaterOrEqual(t, f.After, tt.least)
		})
	}
}

func TestAReleaseWithoutACommitIsRefusedInWords(t *testing.T) {
	n := serve(t, newHub(t))
	m := conformance.Message(plan.Started)
	m.Source = activities.Origin{}
	err := n.Notify(t.Context(), m)
	require.ErrorContains(t, err, "release checkout-abc123 names no repository and commit; start it with --repository and --commit")
	require.True(t, fault.Final(err))
}

func TestALongReasonIsCutToWhatGitHubTakes(t *testing.T) {
	h := newHub(t)
	m := conformance.Message(plan.Undone)
	m.Text = strings.Repeat("ä", 500)
	require.NoError(t, serve(t, h).Notify(t.Context(), m))
	require.Equal(t, strings.Repeat("ä", 139)+"…", h.statuses["1"][0]["description"])
}

func TestGitHubNeedsAToken(t *testing.T) {
	_, err := github.New(github.Config{}, time.Now)
	require.ErrorContains(t, err, "token: give one with write access to Deployments and Commit statuses, or an app")
	_, err = github.New(github.Config{Token: outbound.NewSecret("t"), App: &github.App{}}, time.Now)
	require.ErrorContains(t, err, "token: give one")
}
