// SPDX-License-Identifier: Apache-2.0

package sender_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"

const ofGitHub = `"repository": {"id": 7, "full_name": "acme/shop", "owner": {"id": 3, "login": "acme"}}, "sender": {"login": "octocat"}}`

const workflowRun = `{"action": "completed", "workflow_run": {"id": 99, "run_attempt": 2, "name": "Build", "path": ".github/workflows/build.yml",
	"head_branch": "main", "head_sha": "` + commit + `", "event": "push", "status": "completed", "conclusion": "success",
	"run_started_at": "2030-01-01T08:50:00Z", "updated_at": "2030-01-01T08:59:00Z", "html_url": "https://github.com/acme/shop/actions/runs/99", "triggering_actor": {"login": "ada"},
	"head_repository": {"id": 7}}, ` + ofGitHub

func github(s sender.Secrets) sender.Sender {
	return sender.GitHub{Secrets: s, API: "https://api.github.com"}
}

func fromGitHub(event, body string) subject {
	return subject{
		with: github, body: body, proof: "X-Hub-Signature-256", signs: true,
		header: map[string]string{"Content-Type": "application/json", "X-Github-Event": event},
		prove: func(d *sender.Delivery, secret string) {
			d.Header.Set("X-Hub-Signature-256", "sha256="+fakegithub.Sign(secret, d.Body))
		},
		forged: map[string]func(d *sender.Delivery){
			"the SHA-1 alone": func(d *sender.Delivery) {
				d.Header.Del("X-Hub-Signature-256")
				d.Header.Set("X-Hub-Signature", "sha1=01dc10d0c83e72ed246219cdd91669667fe2ca59")
			},
			"a signature without its kind": func(d *sender.Delivery) { d.Header.Set("X-Hub-Signature-256", fakegithub.Sign(secret, d.Body)) },
			"a signature of another kind": func(d *sender.Delivery) {
				d.Header.Set("X-Hub-Signature-256", "sha1="+fakegithub.Sign(secret, d.Body))
			},
			"a signature by an empty secret": func(d *sender.Delivery) {
				d.Header.Set("X-Hub-Signature-256", "sha256="+fakegithub.Sign("", d.Body))
			},
			"letters that are no hexadecimal": func(d *sender.Delivery) {
				d.Header.Set("X-Hub-Signature-256", "sha256=zz"+fakegithub.Sign(secret, d.Body)[2:])
			},
		},
	}
}

func ofGitHubEvent(event sender.Event) []sender.Event {
	event.Sender, event.Repository, event.RepositoryID, event.OwnerID = "github", "acme/shop", "7", "3"
	return []sender.Event{event}
}

func TestGitHubsWorkflowRuns(t *testing.T) {
	s := fromGitHub("workflow_run", workflowRun)
	s.want = ofGitHubEvent(sender.Event{
		Event: "workflow_run", Key: "run/99/2", Branch: "main", Commit: commit, By: "github:ada",
		Workflows: []string{"Build", ".github/workflows/build.yml", "build.yml"},
		At:        now.Add(-time.Minute), Began: now.Add(-10 * time.Minute), URL: "https://github.com/acme/shop/actions/runs/99",
	})
	s.refused = map[string]refusal{
		"a run that began":              {`"completed"`, `"requested"`, 200},
		"a run that failed":             {`"success"`, `"failure"`, 200},
		"a run that was cancelled":      {`"success"`, `"cancelled"`, 200},
		"a run for a pull request":      {`"push"`, `"pull_request"`, 403},
		"a run with a fork's code":      {`"push"`, `"pull_request_target"`, 403},
		"a run of a fork":               {`"head_repository": {"id": 7}`, `"head_repository": {"id": 8}`, 403},
		"no run":                        {`"workflow_run"`, `"workflow"`, 400},
		"no repository":                 {`"full_name": "acme/shop", `, "", 400},
		"a number where a text belongs": {`"main"`, "7", 400},
	}
	conform(t, s)
}

func TestGitHubsPackages(t *testing.T) {
	s := fromGitHub("registry_package", `{"action": "published", "registry_package": {"name": "shop", "namespace": "Acme", "package_type": "CONTAINER",
		"package_version": {"version": "`+digest+`", "html_url": "https://github.com/acme/shop/pkgs/1", "updated_at": "2030-01-01T08:59:00Z",
		"author": {"login": "ada"}, "container_metadata": {"tag": {"name": "v2", "digest": "`+digest+`"}}}}, `+ofGitHub)
	s.want = ofGitHubEvent(sender.Event{
		Event: "package", Key: "package/ghcr.io/acme/shop@" + digest + "/v2", Tag: "v2", Image: "ghcr.io/acme/shop@" + digest,
		By: "github:ada", At: now.Add(-time.Minute), URL: "https://github.com/acme/shop/pkgs/1",
	})
	s.refused = map[string]refusal{
		"a package that is no image": {`"CONTAINER"`, `"npm"`, 200},
		"an image without a tag":     {`"v2"`, `""`, 200},
		"a package that is deleted":  {`"published"`, `"deleted"`, 200},
		"no package":                 {`"registry_package"`, `"x"`, 400},
	}
	conform(t, s)
}

func TestGitHubsDeployments(t *testing.T) {
	s := fromGitHub("deployment", `{"action": "created", "deployment": {"id": 5, "sha": "`+commit+`", "ref": "main", "environment": "production",
		"payload": {"image": "ghcr.io/acme/shop@`+digest+`"}, "created_at": "2030-01-01T08:59:00Z", "creator": {"login": "ada"}, "url": "https://example.com/5"}, `+ofGitHub)
	s.want = ofGitHubEvent(sender.Event{
		Event: "deployment", Key: "deployment/5", Branch: "main", Commit: commit, Environment: "production", Image: "ghcr.io/acme/shop@" + digest,
		By: "github:ada", At: now.Add(-time.Minute), URL: "https://example.com/5",
	})
	s.refused = map[string]refusal{
		"no deployment":         {`"id": 5`, `"no": 5`, 400},
		"one of Slipway itself": {`"id": 5`, `"id": 5, "task": "slipway"`, 200},
	}
	conform(t, s)
	own := s.delivery(`{"action": "created", "deployment": {"id": 5, "task": "slipway", "payload": "{\"release\": \"x\"}"}, `+ofGitHub, secret)
	_, err := s.with(nil).Read(own)
	require.EqualError(t, err, "nothing to do: Slipway has created this deployment itself, to show a release")
	for _, payload := range []string{`"text"`, `{}`, `""`, `null`, `{"image": 7}`} {
		d := s.delivery(`{"action": "created", "deployment": {"id": 5, "payload": `+payload+`}, `+ofGitHub, secret)
		got, err := s.with(nil).Read(d)
		require.NoError(t, err)
		require.Empty(t, got[0].Image)
	}
}

func TestGitHubsRepositoryDispatch(t *testing.T) {
	body := `{"action": "release", "branch": "main", "client_payload": {"image": "ghcr.io/acme/shop:v2", "commit": "` + commit + `", "environment": "staging"}, ` + ofGitHub
	s := fromGitHub("repository_dispatch", body)
	got, err := s.with(nil).Read(s.delivery(body, ""))
	require.NoError(t, err)
	s.want = ofGitHubEvent(sender.Event{
		Event: "repository_dispatch", Key: got[0].Key, Branch: "main", Commit: commit, Environment: "staging", Image: "ghcr.io/acme/shop:v2",
		Workflows: []string{"release"}, By: "github:octocat", At: now,
	})
	require.Regexp(t, "^dispatch/[0-9a-f]{64}$", got[0].Key)
	conform(t, s)
	other, err := s.with(nil).Read(s.delivery(strings.Replace(strings.ReplaceAll(body, " ", ""), `"image"`, `"z":1,"image"`, 1), ""))
	require.NoError(t, err)
	require.NotEqual(t, got[0].Key, other[0].Key)
	same, err := s.with(nil).Read(s.delivery(strings.ReplaceAll(body, ": ", ":  "), ""))
	require.NoError(t, err)
	require.Equal(t, got[0].Key, same[0].Key, "blanks are no difference")
}

const protectionRule = `{"action": "requested", "environment": "production", "event": "push",
	"deployment_callback_url": "https://api.github.com/repos/acme/shop/actions/runs/99/deployment_protection_rule",
	"deployment": {"id": 5, "sha": "` + commit + `", "ref": "main", "environment": "production", "created_at": "2030-01-01T08:59:00Z",
	"creator": {"login": "github-actions[bot]"}}, "pull_requests": [], ` + ofGitHub

func TestGitHubsJobsThatWait(t *testing.T) {
	s := fromGitHub("deployment_protection_rule", protectionRule)
	s.want = ofGitHubEvent(sender.Event{
		Event: "deployment_protection_rule", Key: "protection/99/5", Branch: "main", Commit: commit, Environment: "production", Run: 99,
		By: "github:octocat", At: now.Add(-time.Minute),
	})
	s.refused = map[string]refusal{
		"a rule of another action":       {`"requested"`, `"removed"`, 200},
		"a job for a pull request":       {`"push"`, `"pull_request_target"`, 403},
		"no environment":                 {`"environment": "production", "event"`, `"event"`, 400},
		"no deployment":                  {`"id": 5`, `"no": 5`, 400},
		"an answer to another host":      {"https://api.github.com/repos", "https://api.github.com.evil.example/repos", 400},
		"an answer in clear":             {"https://api.github.com/repos", "http://api.github.com/repos", 400},
		"an answer with a name before":   {"https://api.github.com/repos", "https://api.github.com@evil.example/repos", 400},
		"an answer of another API":       {"https://api.github.com/repos", "https://github.example/api/v3/repos", 400},
		"an answer to another repo":      {"repos/acme/shop/actions", "repos/acme/till/actions", 400},
		"an answer that climbs":          {"runs/99/", "runs/../99/", 400},
		"an answer of no run":            {"runs/99/", "runs//", 400},
		"an answer of a negative run":    {"runs/99/", "runs/-99/", 400},
		"an answer of run zero":          {"runs/99/", "runs/0/", 400},
		"an answer of an odd number":     {"runs/99/", "runs/+99/", 400},
		"an answer of an endless number": {"runs/99/", "runs/99999999999999999999/", 400},
		"an answer with a query":         {"protection_rule\"", "protection_rule?x=1\"", 400},
		"no answer":                      {"deployment_callback_url", "callback", 400},
		"no repository":                  {`"full_name": "acme/shop", `, "", 400},
	}
	conform(t, s)
}

func TestGitHubsReviews(t *testing.T) {
	s := fromGitHub("deployment_review", `{"action": "approved", "approver": {"login": "ann"}, "comment": "looks good", "since": "2030-01-01T08:58:00Z",
		"workflow_job_runs": [{"id": 1, "environment": "production"}, {"id": 2, "environment": "production"}], "workflow_job_run": {"environment": "staging"},
		"workflow_run": {"id": 99, "run_attempt": 2, "head_sha": "`+commit+`", "html_url": "https://github.com/acme/shop/actions/runs/99"}, `+ofGitHub)
	s.want = ofGitHubEvent(sender.Event{
		Event: "deployment_review", Key: "review/99/2/approved/ann/2030-01-01T08:58:00Z", Commit: commit, Run: 99, By: "github:ann", At: now,
		URL: "https://github.com/acme/shop/actions/runs/99", Review: &sender.Review{Approved: true, Comment: "looks good", Environments: []string{"production", "staging"}},
	})
	s.refused = map[string]refusal{
		"a review that is asked for": {`"approved"`, `"requested"`, 200},
		"nobody who has decided":     {`"approver": {"login": "ann"}`, `"approver": {}`, 400},
		"no run":                     {`"id": 99`, `"no": 99`, 400},
		"no repository":              {`"full_name": "acme/shop", `, "", 400},
	}
	conform(t, s)
	_, err := s.with(nil).Read(s.delivery(strings.ReplaceAll(s.body, `"environment"`, `"env"`), secret))
	require.ErrorContains(t, err, "the event names no workflow run and environments")
	got, err := s.with(nil).Read(s.delivery(strings.Replace(s.body, `"approved"`, `"rejected"`, 1), secret))
	require.NoError(t, err)
	require.False(t, got[0].Review.Approved)
	require.NotEqual(t, s.want[0].Key, got[0].Key)
}

func TestTheVectorOfGitHubsDocumentationIsTaken(t *testing.T) {
	d := sender.Delivery{Body: []byte("Hello, World!"), Header: http.Header{}}
	d.Header.Set("X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17")
	require.NoError(t, github(sender.Secrets{"It's a Secret to Everybody"}).Verify(d))
}

func TestGitHubsOtherEventsStartNothing(t *testing.T) {
	for event, want := range map[string]int{"ping": 200, "push": 422, "": 422, "star": 422} {
		s := fromGitHub(event, "{}")
		_, err := s.with(nil).Read(s.delivery("{}", secret))
		var answer *sender.Answer
		require.ErrorAs(t, err, &answer)
		require.Equal(t, want, answer.Status, event)
	}
	s := fromGitHub("workflow_run", workflowRun)
	s.header["Content-Type"] = "application/x-www-form-urlencoded"
	_, err := s.with(nil).Read(s.delivery(workflowRun, secret))
	require.Empty(t, cmp.Diff(&sender.Answer{Status: 415, Text: "set the webhook's content type to application/json"}, err))
}
