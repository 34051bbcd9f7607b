// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// protectionRule is a job that waits to enter an environment of GitHub until the app that the rule belongs to has
// answered: https://docs.github.com/webhooks/webhook-events-and-payloads#deployment_protection_rule.
func (g GitHub) protectionRule(d Delivery) (Event, error) {
	var in struct {
		repositoryOf
		Environment string `json:"environment"`
		// Event that the workflow runs for.
		Event      string `json:"event"`
		Callback   string `json:"deployment_callback_url"`
		Deployment struct {
			ID        json.Number `json:"id"`
			Commit    string      `json:"sha"`
			Ref       string      `json:"ref"`
			CreatedAt time.Time   `json:"created_at"`
			Creator   login       `json:"creator"`
		} `json:"deployment"`
	}
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	switch one := in.Deployment; {
	case in.Action != "requested":
		return Event{}, nothing("the protection rule is %s", brief(in.Action))
	case one.ID == "" || in.Environment == "":
		return Event{}, unreadable("the event names no deployment and environment")
	case strings.HasPrefix(in.Event, "pull_request"):
		return Event{}, &Answer{http.StatusForbidden, "the workflow runs for a pull request, from which nothing is released"}
	}
	run, err := g.waiting(in.Callback, in.Repository.FullName)
	if err != nil {
		return Event{}, err
	}
	// GitHub names whoever has started the run as the sender; the deployment's creator is often its own bot.
	e := in.event(plan.EventProtectionRule, in.Sender)
	if e.By == "github:" {
		e = in.event(plan.EventProtectionRule, in.Deployment.Creator)
	}
	e.Key = fmt.Sprintf("protection/%d/%s", run, in.Deployment.ID)
	e.Run, e.Environment, e.Commit, e.At = run, in.Environment, in.Deployment.Commit, in.Deployment.CreatedAt
	e.Branch = strings.TrimPrefix(in.Deployment.Ref, "refs/heads/")
	return e, nil
}

// waiting is the run that an address for the answer is of. Only the number is taken from it: what answers makes the
// address anew, of the API that it was configured with.
func (g GitHub) waiting(callback, repository string) (int64, error) {
	before := strings.TrimSuffix(g.API, "/") + "/repos/" + repository + "/actions/runs/"
	rest, ours := strings.CutPrefix(callback, before)
	number, ends := strings.CutSuffix(rest, "/deployment_protection_rule")
	run, err := strconv.ParseInt(number, 10, 64)
	if !ours || !ends || err != nil || run <= 0 || strconv.FormatInt(run, 10) != number {
		return 0, unreadable("deployment_callback_url is not of a run of %s at %s: set SLIPWAY_GITHUB_API if GitHub's API is elsewhere", brief(repository), g.API)
	}
	return run, nil
}

// deploymentReview is what a person has decided at GitHub about a job that waits to enter an environment.
func deploymentReview(d Delivery) (Event, error) {
	type jobRun struct {
		Environment string `json:"environment"`
	}
	var in struct {
		repositoryOf
		Approver login    `json:"approver"`
		Comment  string   `json:"comment"`
		Since    string   `json:"since"`
		Job      jobRun   `json:"workflow_job_run"`
		Jobs     []jobRun `json:"workflow_job_runs"`
		Run      struct {
			ID      int64  `json:"id"`
			Attempt int    `json:"run_attempt"`
			Commit  string `json:"head_sha"`
			URL     string `json:"html_url"`
		} `json:"workflow_run"`
	}
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	var environments []string
	for _, j := range append(in.Jobs, in.Job) {
		if j.Environment != "" && !slices.Contains(environments, j.Environment) {
			environments = append(environments, j.Environment)
		}
	}
	switch {
	case in.Action != "approved" && in.Action != "rejected":
		return Event{}, nothing("the review is %s", brief(in.Action))
	case in.Approver.Login == "":
		return Event{}, unreadable("the event does not say who has decided")
	case in.Run.ID <= 0 || len(environments) == 0 || len(environments) > maxParts:
		return Event{}, unreadable("the event names no workflow run and environments, or more than %d", maxParts)
	}
	e := in.event("deployment_review", in.Approver)
	// The signature covers no time. Whoever sends a review again says the same of the same run once more.
	e.Key = fmt.Sprintf("review/%d/%d/%s/%s/%s", in.Run.ID, in.Run.Attempt, in.Action, in.Approver.Login, in.Since)
	e.Run, e.Commit, e.URL, e.At = in.Run.ID, in.Run.Commit, in.Run.URL, d.At
	e.Review = &Review{Approved: in.Action == "approved", Comment: in.Comment, Environments: environments}
	return e, nil
}

// brief is a text of a stranger that an answer may repeat.
func brief(s string) string {
	const most = 100
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
