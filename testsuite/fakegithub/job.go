// SPDX-License-Identifier: Apache-2.0

package fakegithub

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Job of a workflow run that waits to enter an environment, until the app of its protection rule has answered.
type Job struct {
	Repository, Environment string
	// Run is the number of the workflow run.
	Run int64
	// State is approved or rejected, or empty while the job waits. Comments are oldest first.
	State    string
	Comments []string
}

// Jobs that have waited, oldest first.
func (g *GitHub) Jobs() []Job {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []Job
	for _, j := range g.jobs {
		c := *j
		c.Comments = slices.Clone(j.Comments)
		out = append(out, c)
	}
	return out
}

// Entry is a job that comes to an environment with a protection rule.
type Entry struct {
	Repository, Environment, Branch, Commit string
	// By has started the workflow run, for this Event, such as push.
	By, Event string
	// API is the address of this GitHub.
	API string
}

// Enter lets a job wait, and delivers the event of its protection rule to the webhook of the app.
func (g *GitHub) Enter(ctx context.Context, hook int64, e Entry) (Job, Delivery, error) {
	g.mu.Lock()
	job := &Job{Repository: e.Repository, Environment: e.Environment, Run: g.next()}
	deployment, at := g.next(), g.Now().UTC()
	g.jobs = append(g.jobs, job)
	g.mu.Unlock()
	d, err := g.Deliver(ctx, hook, "deployment_protection_rule", map[string]any{
		"action": "requested", "environment": e.Environment, "event": e.Event,
		"deployment_callback_url": fmt.Sprintf("%s/repos/%s/actions/runs/%d/deployment_protection_rule", e.API, e.Repository, job.Run),
		"deployment": map[string]any{
			"id": deployment, "sha": e.Commit, "ref": e.Branch, "task": "deploy", "environment": e.Environment, "created_at": at.Format(time.RFC3339),
			"creator": map[string]any{"login": "github-actions[bot]"}, "payload": map[string]any{},
		},
		"pull_requests": []any{}, "repository": repositoryOf(e.Repository), "sender": map[string]any{"login": e.By}, "installation": map[string]any{"id": 9},
	})
	return *job, d, err
}

// Review lets a person decide about a job, and delivers the event to a webhook. The action is approved or rejected.
func (g *GitHub) Review(ctx context.Context, hook int64, j Job, by, action string) (Delivery, error) {
	return g.Deliver(ctx, hook, "deployment_review", map[string]any{
		"action": action, "approver": map[string]any{"login": by}, "comment": "looked at it", "since": g.Now().UTC().Format(time.RFC3339),
		"workflow_job_runs": []any{map[string]any{"id": 1, "environment": j.Environment, "status": "waiting"}},
		"workflow_run":      map[string]any{"id": j.Run, "run_attempt": 1, "head_sha": "", "html_url": "https://github.com/" + j.Repository},
		"repository":        repositoryOf(j.Repository), "sender": map[string]any{"login": by},
	})
}

func repositoryOf(name string) map[string]any {
	owner, _, _ := strings.Cut(name, "/")
	return map[string]any{"id": 7, "full_name": name, "owner": map[string]any{"id": 3, "login": owner}}
}

// listPending shows the environments that jobs of a run still wait to enter.
func (g *GitHub) listPending(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := []any{}
	for _, j := range g.jobs {
		if g.of(j, r) && j.State == "" {
			out = append(out, map[string]any{"environment": map[string]any{"id": 1, "name": j.Environment}, "current_user_can_approve": false, "reviewers": []any{}})
		}
	}
	answer(w, http.StatusOK, out)
}

// of reports whether a job is of the run that a request names.
func (*GitHub) of(j *Job, r *http.Request) bool {
	return j.Repository == repository(r) && strconv.FormatInt(j.Run, 10) == r.PathValue("run")
}

// reply is what an app says to a job.
type reply struct {
	Environment string `json:"environment_name"`
	State       string `json:"state"`
	Comment     string `json:"comment"`
}

// wrong reports what GitHub does not take.
func (in reply) wrong(j *Job) bool {
	const maxComments, maxComment = 10, 1024
	bare := in.State == ""
	return j.State != "" || bare && (in.Comment == "" || len(j.Comments) >= maxComments) ||
		!slices.Contains([]string{"", "approved", "rejected"}, in.State) || len([]rune(in.Comment)) > maxComment
}

// answerJob takes the answer of an app, and of nobody else.
func (g *GitHub) answerJob(w http.ResponseWriter, r *http.Request) {
	if g.caller(bearer(r)) == nil {
		fail(w, http.StatusForbidden, "Resource not accessible by personal access token")
		return
	}
	var in reply
	if !read(w, r, &in) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.jobs, func(j *Job) bool { return g.of(j, r) && j.Environment == in.Environment })
	switch {
	case i < 0:
		fail(w, http.StatusNotFound, "Not Found")
	case in.wrong(g.jobs[i]):
		fail(w, http.StatusUnprocessableEntity, "Validation Failed")
	default:
		g.jobs[i].State, g.jobs[i].Comments = in.State, append(g.jobs[i].Comments, in.Comment)
		w.WriteHeader(http.StatusNoContent)
	}
}
