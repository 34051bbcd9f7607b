// SPDX-License-Identifier: Apache-2.0

package fakegithub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Deployment of a commit into an environment.
type Deployment struct {
	ID          int64           `json:"id"`
	SHA         string          `json:"sha"`
	Ref         string          `json:"ref"`
	Task        string          `json:"task"`
	Payload     json.RawMessage `json:"payload"`
	Environment string          `json:"environment"`
	Description string          `json:"description"`
	CreatedAt   time.Time       `json:"created_at"`
	UpdatedAt   time.Time       `json:"updated_at"`
	StatusesURL string          `json:"statuses_url"`

	// Repository that it is of, Statuses oldest first.
	Repository string             `json:"-"`
	Statuses   []DeploymentStatus `json:"-"`
}

// DeploymentStatus is how a deployment is.
type DeploymentStatus struct {
	ID             int64     `json:"id"`
	State          string    `json:"state"`
	Description    string    `json:"description"`
	Environment    string    `json:"environment"`
	EnvironmentURL string    `json:"environment_url"`
	LogURL         string    `json:"log_url"`
	CreatedAt      time.Time `json:"created_at"`
}

// CommitStatus is a mark on a commit.
type CommitStatus struct {
	ID          int64     `json:"id"`
	State       string    `json:"state"`
	Description string    `json:"description"`
	TargetURL   string    `json:"target_url"`
	Context     string    `json:"context"`
	CreatedAt   time.Time `json:"created_at"`

	Repository string `json:"-"`
	SHA        string `json:"-"`
}

// Deployments of a repository, oldest first.
func (g *GitHub) Deployments(repository string) []Deployment {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Deployment
	for _, d := range g.deployments {
		if d.Repository == repository {
			c := *d
			c.Statuses = slices.Clone(d.Statuses)
			out = append(out, c)
		}
	}
	return out
}

// CommitStatuses of a repository, oldest first.
func (g *GitHub) CommitStatuses(repository string) []CommitStatus {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []CommitStatus
	for _, s := range g.statuses {
		if s.Repository == repository {
			out = append(out, *s)
		}
	}
	return out
}

func (g *GitHub) createDeployment(w http.ResponseWriter, r *http.Request) {
	d := &Deployment{Task: "deploy", Environment: "production"}
	if !read(w, r, d) {
		return
	}
	if d.Ref == "" {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed: ref is missing")
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d.ID, d.CreatedAt, d.UpdatedAt, d.Repository = g.next(), g.Now().UTC(), g.Now().UTC(), repository(r)
	if d.SHA == "" {
		d.SHA = d.Ref
	}
	d.StatusesURL = fmt.Sprintf("http://%s%s/%d/statuses", r.Host, r.URL.Path, d.ID)
	g.deployments = append(g.deployments, d)
	answer(w, http.StatusCreated, d)
}

// listDeployments shows the newest first. The query may name sha, ref, task and environment.
func (g *GitHub) listDeployments(w http.ResponseWriter, r *http.Request) {
	q, found := r.URL.Query(), []Deployment{}
	wanted := func(name, have string) bool { return q.Get(name) == "" || q.Get(name) == have }
	for _, d := range slices.Backward(g.Deployments(repository(r))) {
		if wanted("sha", d.SHA) && wanted("ref", d.Ref) && wanted("task", d.Task) && wanted("environment", d.Environment) {
			found = append(found, d)
		}
	}
	answer(w, http.StatusOK, found)
}

// known are the states that GitHub takes.
func known(state string, more ...string) bool {
	return slices.Contains(append(more, "error", "failure", "pending", "success"), state)
}

func (g *GitHub) createDeploymentStatus(w http.ResponseWriter, r *http.Request) {
	var s DeploymentStatus
	if !read(w, r, &s) {
		return
	}
	if !known(s.State, "inactive", "in_progress", "queued") {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed: state "+s.State)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	d := g.deployment(w, r)
	if d == nil {
		return
	}
	s.ID, s.CreatedAt = g.next(), g.Now().UTC()
	if s.Environment == "" {
		s.Environment = d.Environment
	}
	d.Statuses, d.UpdatedAt = append(d.Statuses, s), s.CreatedAt
	answer(w, http.StatusCreated, s)
}

func (g *GitHub) listDeploymentStatuses(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.deployment(w, r); d != nil {
		newest := slices.Clone(d.Statuses)
		slices.Reverse(newest)
		answer(w, http.StatusOK, newest)
	}
}

// deployment is the one of the request, or nil when that was answered already. The caller holds the lock.
func (g *GitHub) deployment(w http.ResponseWriter, r *http.Request) *Deployment {
	for _, d := range g.deployments {
		if d.Repository == repository(r) && strconv.FormatInt(d.ID, 10) == r.PathValue("deployment") {
			return d
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
	return nil
}

func (g *GitHub) createCommitStatus(w http.ResponseWriter, r *http.Request) {
	s := &CommitStatus{Context: "default"}
	if !read(w, r, s) {
		return
	}
	if !known(s.State) {
		fail(w, http.StatusUnprocessableEntity, "Validation Failed: state "+s.State)
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s.ID, s.CreatedAt, s.Repository, s.SHA = g.next(), g.Now().UTC(), repository(r), r.PathValue("sha")
	g.statuses = append(g.statuses, s)
	answer(w, http.StatusCreated, s)
}

// listCommitStatuses shows the newest first.
func (g *GitHub) listCommitStatuses(w http.ResponseWriter, r *http.Request) {
	found := []CommitStatus{}
	for _, s := range slices.Backward(g.CommitStatuses(repository(r))) {
		if s.SHA == r.PathValue("sha") {
			found = append(found, s)
		}
	}
	answer(w, http.StatusOK, found)
}
