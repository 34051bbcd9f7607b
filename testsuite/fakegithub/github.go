// SPDX-License-Identifier: Apache-2.0

package fakegithub

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// GitHub is a small GitHub.
type GitHub struct {
	// Token that every request must carry as a bearer.
	Token string
	// Now is its clock.
	Now func() time.Time

	mux *http.ServeMux

	mu          sync.Mutex
	last        int64
	hooks       map[int64]*Hook
	deliveries  []*Delivery
	deployments []*Deployment
	statuses    []*CommitStatus
	apps        map[string]*app
	jobs        []*Job
}

// New makes one without hooks and deployments.
func New(token string, now func() time.Time) *GitHub {
	g := &GitHub{Token: token, Now: now, mux: http.NewServeMux(), hooks: map[int64]*Hook{}, apps: map[string]*app{}}
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /repos/{owner}/{repo}/hooks/{hook}/deliveries":                        g.listDeliveries,
		"GET /repos/{owner}/{repo}/hooks/{hook}/deliveries/{delivery}":             g.getDelivery,
		"POST /repos/{owner}/{repo}/hooks/{hook}/deliveries/{delivery}/attempts":   g.redeliver,
		"POST /repos/{owner}/{repo}/deployments":                                   g.createDeployment,
		"GET /repos/{owner}/{repo}/deployments":                                    g.listDeployments,
		"POST /repos/{owner}/{repo}/deployments/{deployment}/statuses":             g.createDeploymentStatus,
		"GET /repos/{owner}/{repo}/deployments/{deployment}/statuses":              g.listDeploymentStatuses,
		"POST /repos/{owner}/{repo}/statuses/{sha}":                                g.createCommitStatus,
		"GET /repos/{owner}/{repo}/commits/{sha}/statuses":                         g.listCommitStatuses,
		"GET /app/hook/deliveries":                                                 g.listDeliveries,
		"GET /app/hook/deliveries/{delivery}":                                      g.getDelivery,
		"POST /app/installations/{installation}/access_tokens":                     g.issueToken,
		"GET /repos/{owner}/{repo}/actions/runs/{run}/pending_deployments":         g.listPending,
		"POST /repos/{owner}/{repo}/actions/runs/{run}/deployment_protection_rule": g.answerJob,
	} {
		g.mux.HandleFunc(pattern, handle)
	}
	return g
}

// ServeHTTP answers as api.github.com does.
func (g *GitHub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !g.admits(r) {
		fail(w, http.StatusUnauthorized, "Bad credentials")
		return
	}
	g.mux.ServeHTTP(w, r)
}

// next is an ID that was never given before. The caller holds the lock.
func (g *GitHub) next() int64 {
	g.last++
	return 1_000_000 + g.last
}

func repository(r *http.Request) string { return r.PathValue("owner") + "/" + r.PathValue("repo") }

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

func fail(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]string{"message": message, "documentation_url": "https://docs.github.com/rest"})
}

func read(w http.ResponseWriter, r *http.Request, to any) bool {
	if err := json.NewDecoder(r.Body).Decode(to); err != nil {
		fail(w, http.StatusBadRequest, "Problems parsing JSON")
		return false
	}
	return true
}
