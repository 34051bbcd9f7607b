// SPDX-License-Identifier: Apache-2.0

package github

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/google/go-github/v89/github"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// defaultAddress is that of github.com; a GitHub Enterprise Server has its own.
const defaultAddress = "https://api.github.com"

// maxDescription is GitHub's own limit, in characters.
const maxDescription = 140

// Config of GitHub.
type Config struct {
	// Token with write access to Deployments and Commit statuses; or else App.
	Token outbound.Secret `json:"token,omitzero"`
	// App with the same rights, in place of a token.
	App *App `json:"app,omitempty"`
	// URL of the API; default https://api.github.com. A GitHub Enterprise Server has https://HOST/api/v3.
	URL string `json:"url,omitempty"`
}

// Notifier tells one GitHub.
type Notifier struct {
	address string
	api     *github.Client
	sender  *outbound.Sender
	// app is nil where there is a token.
	app *installed
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses a configuration without a token and an App, and one with both.
func New(c Config, now func() time.Time) (*Notifier, error) {
	if c.Token.Given() == (c.App != nil) {
		return nil, errors.New("token: give one with write access to Deployments and Commit statuses, or an app")
	}
	address := strings.TrimSuffix(cmp.Or(c.URL, defaultAddress), "/") + "/"
	if err := webhook.Address(outbound.NewSecret(address)); err != nil {
		return nil, err
	}
	n := &Notifier{address: address, sender: outbound.NewSender(now, c.Token)}
	client := outbound.Client()
	options := []github.ClientOptionsFunc{
		github.WithHTTPClient(client), github.WithUserAgent("slipway-worker"), github.WithURLs(&address, nil), github.WithDisableRateLimitCheck(),
	}
	var err error
	switch c.App {
	case nil:
		options = append(options, github.WithAuthToken(c.Token.Reveal()))
	default:
		if n.app, err = install(*c.App, address, now); err != nil {
			return nil, err
		}
		client.Transport = n.app
	}
	if n.api, err = github.NewClient(options...); err != nil {
		return nil, errors.New("url: write one such as https://github.example/api/v3")
	}
	return n, nil
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // every event closes the one before
	}
	owner, repository, ok := strings.Cut(m.Source.Repository, "/")
	if !ok || m.Source.Commit == "" {
		return fault.New(fault.Invalid, "release %s names no repository and commit; start it with --repository and --commit", m.Release)
	}
	t := teller{Notifier: n, m: m, owner: owner, repository: repository}
	if err := t.answerJob(ctx); err != nil {
		return err
	}
	deployment, err := t.deployment(ctx)
	if err != nil {
		return err
	}
	if err := t.deploymentStatus(ctx, deployment); err != nil {
		return err
	}
	if err := t.commitStatus(ctx); err != nil {
		return err
	}
	return t.commentJob(ctx)
}

// teller tells one message.
type teller struct {
	*Notifier
	m                 activities.Message
	owner, repository string
}

// payload ties a deployment to its release.
type payload struct {
	Release string `json:"release"`
}

// deployment is the ID of the release's own, which is made if it is not there.
func (t teller) deployment(ctx context.Context) (int64, error) {
	all, resp, err := t.api.Repositories.ListDeployments(ctx, t.owner, t.repository, &github.DeploymentsListOptions{
		SHA: t.m.Source.Commit, Environment: t.m.Environment, ListOptions: github.ListOptions{PerPage: 100},
	})
	if err != nil {
		return 0, t.explain(resp, err)
	}
	for _, d := range all {
		if releaseOf(d.Payload) == t.m.Release {
			return d.GetID(), nil
		}
	}
	made, resp, err := t.api.Repositories.CreateDeployment(ctx, t.owner, t.repository, github.DeploymentRequest{
		Ref: t.m.Source.Commit, Environment: &t.m.Environment, Payload: payload{t.m.Release}, Task: new(plan.DeploymentTask),
		Description: new(outbound.Cut(t.m.Service+" by "+t.m.Strategy+", release "+t.m.Release, maxDescription)),
		// Whether the commit may be released is decided already.
		AutoMerge: new(false), RequiredContexts: []string{}, ProductionEnvironment: new(t.m.Environment == "production"),
	})
	if err != nil {
		return 0, t.explain(resp, err)
	}
	return made.GetID(), nil
}

// releaseOf reads a payload, which GitHub gives back as an object or as the text of one.
func releaseOf(raw json.RawMessage) string {
	var p payload
	if json.Unmarshal(raw, &p) == nil {
		return p.Release
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		_ = json.Unmarshal([]byte(text), &p) // somebody else's
	}
	return p.Release
}

func (t teller) deploymentStatus(ctx context.Context, deployment int64) error {
	want := github.DeploymentStatusRequest{State: state(t.m.Event), Description: new(outbound.Cut(t.m.Text, maxDescription)), LogURL: t.link()}
	all, resp, err := t.api.Repositories.ListDeploymentStatuses(ctx, t.owner, t.repository, deployment, &github.ListOptions{PerPage: 100})
	if err != nil {
		return t.explain(resp, err)
	}
	for _, s := range all {
		if s.GetState() == want.State && s.GetDescription() == *want.Description && s.GetLogURL() == deref(want.LogURL) {
			return nil
		}
	}
	_, resp, err = t.api.Repositories.CreateDeploymentStatus(ctx, t.owner, t.repository, deployment, want)
	return t.explain(resp, err)
}

func (t teller) commitStatus(ctx context.Context) error {
	name := "slipway/" + t.m.Environment + "/" + t.m.Service
	want := github.RepoStatus{State: new(mark(t.m.Event)), Description: new(outbound.Cut(t.m.Text, maxDescription)), TargetURL: t.link(), Context: &name}
	all, resp, err := t.api.Repositories.ListStatuses(ctx, t.owner, t.repository, t.m.Source.Commit, &github.ListOptions{PerPage: 100})
	if err != nil {
		return t.explain(resp, err)
	}
	for _, s := range all { // newest first
		if s.GetContext() != name {
			continue
		}
		if s.GetState() == *want.State && s.GetDescription() == *want.Description && s.GetTargetURL() == deref(want.TargetURL) {
			return nil
		}
		break
	}
	_, resp, err = t.api.Repositories.CreateStatus(ctx, t.owner, t.repository, t.m.Source.Commit, want)
	return t.explain(resp, err)
}

// link to the release, with the event behind it, which tells two statuses apart that say the same.
func (t teller) link() *string {
	if t.m.Link == "" {
		return nil
	}
	return new(t.m.Link + "#" + strings.TrimPrefix(t.m.Key, t.m.Release+"/"))
}

// patience with a limit of which GitHub does not say how long it lasts.
const patience = time.Minute

// explain sorts an error of the library, whose own text says too much and too little.
func (t teller) explain(resp *github.Response, err error) error {
	if err == nil {
		return nil
	}
	host := strings.TrimPrefix(strings.TrimPrefix(strings.TrimSuffix(t.address, "/"), "https://"), "http://")
	if resp == nil || resp.Response == nil {
		return outbound.Unreachable(host, err)
	}
	if limit, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		return fault.Later(max(deref(limit.RetryAfter), patience), "%s asks to be left alone: %s", host, limit.Message)
	}
	body, _ := io.ReadAll(resp.Body) // the library has read it, and put it back
	text := reason(body)
	if t.app != nil {
		text = t.app.hide(text)
	}
	if err := t.sender.Assess(resp.Response, text); err != nil {
		return err
	}
	return outbound.Unreachable(host, err)
}

// reason is what a body says in words.
func reason(body []byte) string {
	var said struct {
		Message string `json:"message"`
		Errors  []struct {
			Message string `json:"message"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil || said.Message == "" {
		return string(body)
	}
	for _, e := range said.Errors {
		if e.Message != "" {
			said.Message += ": " + e.Message
		}
	}
	return said.Message
}

// state of a deployment, by GitHub's words.
func state(e plan.Event) string {
	switch e {
	case plan.GateWaits, plan.Held:
		return "pending"
	case plan.Promoted:
		return "success"
	case plan.Undone:
		return "failure"
	case plan.Failed, plan.NeedsPerson:
		return "error"
	case plan.Started, plan.StepPassed:
	}
	return "in_progress"
}

// mark on a commit, by GitHub's words.
func mark(e plan.Event) string {
	if !e.Ends() {
		return "pending"
	}
	return state(e)
}

func deref[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}
