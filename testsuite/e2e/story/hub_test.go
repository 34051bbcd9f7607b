// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
)

// secret is in every receiver of these tests and must be nowhere else.
const secret = "canary-5e0c7a91"

// webhookKey signs; its base64 holds the canary too.
const webhookKey = secret + "-of-24-bytes"

// hub is the part of GitHub that a release speaks to, and a receiver of signed webhooks.
type hub struct {
	*httptest.Server

	mu          sync.Mutex
	deployments []map[string]any
	// states of the deployments and marks of the commits, each as "<environment or context>: <state>".
	states, marks []string
	// statuses by the deployment's ID, newest first.
	statuses map[string][]map[string]any
	// hooks are the events that came with a good signature, each once; copies are those that came again.
	hooks  []string
	ids    map[string]bool
	copies int
	wrong  []string
	// stuck is a receiver that never answers, until it is closed.
	stuck chan struct{}
}

func openHub(t *testing.T) *hub {
	t.Helper()
	world.Plant("a receiver's secret", secret)
	world.Plant("the key of a signed webhook", base64.StdEncoding.EncodeToString([]byte(webhookKey)))
	h := &hub{statuses: map[string][]map[string]any{}, ids: map[string]bool{}, stuck: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /repos/acme/shop/deployments", h.authorized(h.listDeployments))
	mux.HandleFunc("POST /repos/acme/shop/deployments", h.authorized(h.createDeployment))
	mux.HandleFunc("GET /repos/acme/shop/deployments/{id}/statuses", h.authorized(h.listStatuses))
	mux.HandleFunc("POST /repos/acme/shop/deployments/{id}/statuses", h.authorized(h.createStatus))
	mux.HandleFunc("GET /repos/acme/shop/commits/{sha}/statuses", h.authorized(func(w http.ResponseWriter, _ *http.Request) { reply(w, []any{}) }))
	mux.HandleFunc("POST /repos/acme/shop/statuses/{sha}", h.authorized(h.mark))
	mux.HandleFunc("POST /hook", h.hook)
	mux.HandleFunc("POST /stuck", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-h.stuck:
		case <-r.Context().Done():
		}
	})
	h.Server = httptest.NewServer(mux)
	t.Cleanup(func() { close(h.stuck); h.Close() })
	return h
}

// receivers is a worker's file with all that the hub can be, and one where nobody listens.
func (h *hub) receivers() string {
	return fmt.Sprintf(`receivers:
  hub:
    github: {token: %[2]s, url: %[1]s}
  hook:
    webhook: {url: "%[1]s/hook?token=%[2]s", secret: whsec_%[3]s}
  stuck:
    discord: {url: "%[1]s/stuck?token=%[2]s"}
  away:
    discord: {url: "http://127.0.0.1:1/%[2]s"}
`, h.URL, secret, base64.StdEncoding.EncodeToString([]byte(webhookKey)))
}

func (h *hub) authorized(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+secret {
			http.Error(w, `{"message": "Bad credentials"}`, http.StatusUnauthorized)
			return
		}
		h.mu.Lock()
		defer h.mu.Unlock()
		next(w, r)
	}
}

func reply(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}

func read(r *http.Request) map[string]any {
	body := map[string]any{}
	_ = json.NewDecoder(r.Body).Decode(&body)
	return body
}

func (h *hub) listDeployments(w http.ResponseWriter, r *http.Request) {
	reply(w, slices.DeleteFunc(slices.Clone(h.deployments), func(d map[string]any) bool { return d["ref"] != r.URL.Query().Get("sha") }))
}

func (h *hub) createDeployment(w http.ResponseWriter, r *http.Request) {
	d := read(r)
	d["id"] = len(h.deployments) + 1
	h.deployments = append(h.deployments, d)
	w.WriteHeader(http.StatusCreated)
	reply(w, d)
}

func (h *hub) listStatuses(w http.ResponseWriter, r *http.Request) {
	reply(w, append([]map[string]any{}, h.statuses[r.PathValue("id")]...))
}

func (h *hub) createStatus(w http.ResponseWriter, r *http.Request) {
	s, id := read(r), r.PathValue("id")
	h.statuses[id] = append([]map[string]any{s}, h.statuses[id]...)
	h.states = append(h.states, fmt.Sprint(s["state"]))
	w.WriteHeader(http.StatusCreated)
	reply(w, s)
}

func (h *hub) mark(w http.ResponseWriter, r *http.Request) {
	s := read(r)
	h.marks = append(h.marks, fmt.Sprintf("%s: %s", s["context"], s["state"]))
	w.WriteHeader(http.StatusCreated)
	reply(w, s)
}

// hook verifies as the specification of Standard Webhooks says.
func (h *hub) hook(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	id := r.Header.Get("webhook-id")
	mac := hmac.New(sha256.New, []byte(webhookKey))
	_, _ = fmt.Fprintf(mac, "%s.%s.%s", id, r.Header.Get("webhook-timestamp"), body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("webhook-signature") != want {
		h.wrong = append(h.wrong, id)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if h.ids[id] {
		h.copies++
		return
	}
	h.ids[id] = true
	var event struct {
		Type string
		Data struct{ Release string }
	}
	_ = json.Unmarshal(body, &event)
	if !strings.HasPrefix(id, event.Data.Release+"/") {
		h.wrong = append(h.wrong, id)
	}
	h.hooks = append(h.hooks, event.Type)
}

// heard is a copy of what has come so far.
func (h *hub) heard() (states, marks, hooks []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.states), slices.Clone(h.marks), slices.Clone(h.hooks)
}
