// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// claims are what either issuer says of a job.
type claims struct {
	ID          string `json:"jti"`
	Ref         string `json:"ref"`
	RefType     string `json:"ref_type"`
	Environment string `json:"environment"`
	Commit      string `json:"sha"`

	// GitHub.
	Repository   string `json:"repository"`
	RepositoryID string `json:"repository_id"`
	OwnerID      string `json:"repository_owner_id"`
	Workflow     string `json:"job_workflow_ref"`
	Event        string `json:"event_name"`
	Actor        string `json:"actor"`
	Server       string `json:"server_url"`
	RunID        string `json:"run_id"`

	// GitLab.
	ProjectPath    string `json:"project_path"`
	ProjectID      string `json:"project_id"`
	NamespaceID    string `json:"namespace_id"`
	Config         string `json:"ci_config_ref_uri"`
	PipelineSource string `json:"pipeline_source"`
	User           string `json:"user_login"`
}

// event is what a trigger is compared with. A claim that is missing fits nothing.
func (c claims) event(i *issuer, at time.Time) (sender.Event, error) {
	e := sender.Event{
		Sender: i.sender, Event: plan.EventRelease, Key: i.url + " " + c.ID, Environment: c.Environment, Commit: c.Commit, At: at,
		Repository: c.Repository, RepositoryID: c.RepositoryID, OwnerID: c.OwnerID, Workflows: []string{c.Workflow}, By: "github:" + c.Actor,
	}
	if i.sender == plan.SenderGitLabToken {
		e.Repository, e.RepositoryID, e.OwnerID = c.ProjectPath, c.ProjectID, c.NamespaceID
		e.Workflows, e.By = []string{c.Config}, "gitlab:"+c.User
		return e, c.ofGitLab(&e)
	}
	if c.Server != "" && c.RunID != "" {
		e.URL = c.Server + "/" + c.Repository + "/actions/runs/" + c.RunID
	}
	return e, c.ofGitHub(&e)
}

func (c claims) ofGitHub(e *sender.Event) error {
	branch, isBranch := strings.CutPrefix(c.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(c.Ref, "refs/tags/")
	switch {
	case strings.HasPrefix(c.Event, "pull_request"):
		return refused("the job runs for a pull request, from which nothing is released")
	case isBranch:
		e.Branch = branch
	case isTag:
		e.Tag = tag
	}
	return c.complete(map[string]string{
		"repository": c.Repository, "repository_id": c.RepositoryID, "repository_owner_id": c.OwnerID, "ref": c.Ref,
		"job_workflow_ref": c.Workflow, "event_name": c.Event, "actor": c.Actor,
	})
}

func (c claims) ofGitLab(e *sender.Event) error {
	switch {
	case strings.HasPrefix(c.PipelineSource, "merge_request") || c.PipelineSource == "external_pull_request_event":
		return refused("the job runs for a merge request, from which nothing is released")
	case c.RefType == "branch":
		e.Branch = c.Ref
	case c.RefType == "tag":
		e.Tag = c.Ref
	}
	return c.complete(map[string]string{
		"project_path": c.ProjectPath, "project_id": c.ProjectID, "namespace_id": c.NamespaceID, "ref": c.Ref, "ref_type": c.RefType,
		"ci_config_ref_uri": c.Config, "pipeline_source": c.PipelineSource, "user_login": c.User,
	})
}

// complete refuses a token that leaves out what it is judged by.
func (c claims) complete(needed map[string]string) error {
	needed["jti"] = c.ID
	for name, value := range needed {
		if value == "" {
			return refused("the token has no claim %s", name)
		}
	}
	return nil
}

// payload reads the middle of a token, which nobody has verified.
func payload(token string, to any) error {
	_, rest, _ := strings.Cut(token, ".")
	middle, _, ok := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(middle)
	if !ok || err != nil || json.Unmarshal(text, to) != nil {
		return refused("the token cannot be read")
	}
	return nil
}
