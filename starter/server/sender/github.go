// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// GitHub sends webhooks of a repository, an organisation or an app. Only X-Hub-Signature-256 is taken: the
// SHA-1 beside it is not, and a delivery without a signature never is.
type GitHub struct {
	Secrets Secrets
	// API is where GitHub's is, such as https://api.github.com: a job that waits is answered nowhere else.
	API string
}

var _ Sender = GitHub{}

// Verify implements Sender.
func (g GitHub) Verify(d Delivery) error { return g.Secrets.hexSignature(d, "X-Hub-Signature-256") }

// repositoryOf is the part that all events of GitHub have.
type repositoryOf struct {
	Repository struct {
		ID       json.Number `json:"id"`
		FullName string      `json:"full_name"`
		Owner    struct {
			ID json.Number `json:"id"`
		} `json:"owner"`
	} `json:"repository"`
	Sender login  `json:"sender"`
	Action string `json:"action"`
}

type login struct {
	Login string `json:"login"`
}

// event begins an event of the repository. By is whom its parts name; else who sent it.
func (r repositoryOf) event(name string, by login) Event {
	if by.Login == "" {
		by = r.Sender
	}
	return Event{
		Sender: plan.SenderGitHub, Event: name, By: "github:" + by.Login,
		Repository: r.Repository.FullName, RepositoryID: r.Repository.ID.String(), OwnerID: r.Repository.Owner.ID.String(),
	}
}

// Read implements Sender.
func (g GitHub) Read(d Delivery) ([]Event, error) {
	if kind, _, _ := mime.ParseMediaType(d.Header.Get("Content-Type")); kind != "application/json" {
		return nil, &Answer{http.StatusUnsupportedMediaType, "set the webhook's content type to application/json"}
	}
	read := map[string]func(Delivery) (Event, error){
		"workflow_run": workflowRun, "package": containerPackage, "registry_package": containerPackage,
		"deployment": deployment, "repository_dispatch": repositoryDispatch,
		"deployment_protection_rule": g.protectionRule, "deployment_review": deploymentReview,
	}[d.Header.Get("X-GitHub-Event")]
	switch name := d.Header.Get("X-GitHub-Event"); {
	case name == "ping":
		return nil, nothing("GitHub says hello, and the secret is right")
	case read == nil:
		return nil, unknown("the event %q starts no release; subscribe to workflow runs, packages, deployments, deployment protection rules, deployment reviews or repository dispatch", name)
	}
	e, err := read(d)
	if err != nil {
		return nil, err
	}
	if e.Repository == "" {
		return nil, unreadable("the event names no repository")
	}
	return []Event{e}, nil
}

func workflowRun(d Delivery) (Event, error) {
	var in struct {
		repositoryOf
		Run struct {
			ID             json.Number `json:"id"`
			Attempt        int         `json:"run_attempt"`
			Name           string      `json:"name"`
			Path           string      `json:"path"`
			Branch         string      `json:"head_branch"`
			Commit         string      `json:"head_sha"`
			Event          string      `json:"event"`
			Conclusion     string      `json:"conclusion"`
			StartedAt      time.Time   `json:"run_started_at"`
			UpdatedAt      time.Time   `json:"updated_at"`
			URL            string      `json:"html_url"`
			Actor          login       `json:"triggering_actor"`
			HeadRepository struct {
				ID json.Number `json:"id"`
			} `json:"head_repository"`
		} `json:"workflow_run"`
	}
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	run := in.Run
	switch {
	case run.ID == "":
		return Event{}, unreadable("the event has no workflow_run")
	case in.Action != "completed":
		return Event{}, nothing("the workflow run is %s", in.Action)
	case run.Conclusion != "success":
		return Event{}, nothing("the workflow run ended as %s", run.Conclusion)
	case strings.HasPrefix(run.Event, "pull_request") || run.HeadRepository.ID != in.Repository.ID:
		return Event{}, &Answer{http.StatusForbidden, "the workflow ran for a pull request or a fork, from which nothing is released"}
	}
	e := in.event(plan.EventWorkflowRun, run.Actor)
	e.Key = fmt.Sprintf("run/%s/%d", run.ID, run.Attempt)
	e.Branch, e.Commit, e.At, e.Began, e.URL = run.Branch, run.Commit, run.UpdatedAt, run.StartedAt, run.URL
	e.Workflows = []string{run.Name, run.Path, path.Base(run.Path)}
	return e, nil
}

// packageOf is a version of a package; two events carry it under two names.
type packageOf struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
	Type      string `json:"package_type"`
	Version   struct {
		Version   string    `json:"version"`
		URL       string    `json:"html_url"`
		UpdatedAt time.Time `json:"updated_at"`
		Author    login     `json:"author"`
		Container struct {
			Tag struct {
				Name   string `json:"name"`
				Digest string `json:"digest"`
			} `json:"tag"`
		} `json:"container_metadata"`
	} `json:"package_version"`
}

func containerPackage(d Delivery) (Event, error) {
	var in struct {
		repositoryOf
		Package         packageOf `json:"package"`
		RegistryPackage packageOf `json:"registry_package"`
	}
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	p := in.Package
	if p.Name == "" {
		p = in.RegistryPackage
	}
	tag := p.Version.Container.Tag
	switch {
	case p.Name == "":
		return Event{}, unreadable("the event has no package")
	case !strings.EqualFold(p.Type, "container"):
		return Event{}, nothing("the package is not an image")
	case in.Action != "published" && in.Action != "updated":
		return Event{}, nothing("the package is %s", in.Action)
	case tag.Name == "":
		return Event{}, nothing("the image has no tag")
	}
	e := in.event(plan.EventPackage, p.Version.Author)
	if e.Repository == "" { // a package need not belong to a repository
		e.Repository = p.Namespace + "/" + p.Name
	}
	digest := tag.Digest
	if digest == "" {
		digest = p.Version.Version
	}
	e.Image = "ghcr.io/" + strings.ToLower(p.Namespace+"/"+p.Name) + "@" + digest
	e.Key, e.Tag, e.At, e.URL = "package/"+e.Image+"/"+tag.Name, tag.Name, p.Version.UpdatedAt, p.Version.URL
	return e, nil
}

func deployment(d Delivery) (Event, error) {
	var in struct {
		repositoryOf
		Deployment struct {
			ID          json.Number `json:"id"`
			Commit      string      `json:"sha"`
			Ref         string      `json:"ref"`
			Environment string      `json:"environment"`
			Task        string      `json:"task"`
			Payload     anyPayload  `json:"payload"`
			CreatedAt   time.Time   `json:"created_at"`
			Creator     login       `json:"creator"`
			URL         string      `json:"url"`
		} `json:"deployment"`
	}
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	one := in.Deployment
	switch {
	case one.ID == "":
		return Event{}, unreadable("the event has no deployment")
	case one.Task == plan.DeploymentTask:
		return Event{}, nothing("Slipway has created this deployment itself, to show a release")
	}
	e := in.event(plan.EventDeployment, one.Creator)
	e.Key, e.Commit, e.Branch, e.Environment = "deployment/"+one.ID.String(), one.Commit, one.Ref, one.Environment
	e.At, e.URL, e.Image = one.CreatedAt, one.URL, one.Payload.Image
	return e, nil
}

// anyPayload is what somebody has put into a deployment: an object, or a text, of which an image is read.
type anyPayload struct{ Image string }

// UnmarshalJSON takes everything; most of it says nothing.
func (p *anyPayload) UnmarshalJSON(b []byte) error {
	var object struct {
		Image string `json:"image"`
	}
	if json.Unmarshal(b, &object) == nil {
		p.Image = object.Image
	}
	return nil
}

// repositoryDispatch carries what its maker writes into client_payload. The event itself has neither number
// nor time, so that its content is its identity.
func repositoryDispatch(d Delivery) (Event, error) {
	var in dispatch
	if err := decode(d.Body, &in); err != nil {
		return Event{}, err
	}
	var told struct {
		Image       string `json:"image"`
		Commit      string `json:"commit"`
		Environment string `json:"environment"`
		URL         string `json:"url"`
	}
	if len(in.Payload) > 0 {
		if err := decode(in.Payload, &told); err != nil {
			return Event{}, err
		}
	}
	e := in.event(plan.EventRepositoryDispatch, login{})
	content, err := in.content()
	if err != nil {
		return Event{}, err
	}
	e.Key, e.At, e.Branch, e.Workflows = "dispatch/"+content, d.At, in.Branch, []string{in.Action}
	e.Image, e.Commit, e.Environment, e.URL = told.Image, told.Commit, told.Environment, told.URL
	return e, nil
}

// dispatch is what somebody has sent through GitHub.
type dispatch struct {
	repositoryOf
	Branch  string          `json:"branch"`
	Payload json.RawMessage `json:"client_payload"`
}

// content names what was sent, however it is written: GitHub's API writes it otherwise than its webhooks.
func (d dispatch) content() (string, error) {
	var payload any
	if len(d.Payload) > 0 {
		if err := decode(d.Payload, &payload); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal([]any{d.Repository.ID, d.Action, d.Branch, payload})
	if err != nil {
		return "", unreadable("read body: %v", err)
	}
	return hash(text), nil
}
