// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// Who can send an event, as a plan writes it.
const (
	SenderGitHub      = "github"
	SenderGitLab      = "gitlab"
	SenderBitbucket   = "bitbucket"
	SenderGeneric     = "generic"
	SenderCloudEvents = "cloudevents"
	SenderDockerHub   = "dockerhub"
	SenderHarbor      = "harbor"
	SenderQuay        = "quay"
	// SenderGitHubToken and SenderGitLabToken are CI jobs that show a token of their own in place of a secret.
	SenderGitHubToken = "githubToken"
	SenderGitLabToken = "gitlabToken"
)

// The events that senders send, as a plan writes them.
const (
	EventWorkflowRun        = "workflow_run"
	EventPackage            = "package"
	EventDeployment         = "deployment"
	EventRepositoryDispatch = "repository_dispatch"
	// EventProtectionRule is a job that waits to enter an environment of GitHub until the release has ended.
	EventProtectionRule = "deployment_protection_rule"
	EventPipeline       = "pipeline"
	EventCommitStatus   = "commit_status"
	EventPush           = "push"
	EventRelease        = "release"
)

// DeploymentTask is the task of the deployments by which Slipway shows releases at GitHub: no trigger takes one.
const DeploymentTask = "slipway"

// maxTriggers bounds what an event is compared with.
const maxTriggers = 20

// Trigger is an event that starts a release by this plan. Every field that is set must fit the event.
type Trigger struct {
	// Sender is github, gitlab, bitbucket, generic, cloudevents, dockerhub, harbor or quay; or githubToken
	// or gitlabToken for CI jobs that start releases with a token of their own.
	Sender string `json:"sender"`
	// Event of the sender. github: workflow_run (default), package, deployment, repository_dispatch, or
	// deployment_protection_rule for a job that waits for the outcome. gitlab: pipeline. bitbucket:
	// commit_status. dockerhub, harbor, quay: push. generic and cloudevents: release, or the type that the
	// event carries.
	Event string `json:"event,omitempty"`
	// Repository that the event is of, such as acme/checkout: of source code, or for dockerhub, harbor and
	// quay of images. For cloudevents it is the source.
	Repository string `json:"repository"`
	// RepositoryID is its number, which survives a renaming; needed for githubToken and gitlabToken.
	RepositoryID string `json:"repositoryID,omitempty"`
	// OwnerID is the number of its owner, or of a GitLab namespace; needed for githubToken and gitlabToken.
	OwnerID string `json:"ownerID,omitempty"`
	// Branch such as main or release/*, where * stands for anything but a slash. Needed for workflow_run,
	// deployment_protection_rule, pipeline, commit_status, githubToken and gitlabToken.
	Branch string `json:"branch,omitempty"`
	// Tag of the image such as v*; needed for package and push.
	Tag string `json:"tag,omitempty"`
	// Workflow that must have succeeded: of GitHub its name or file, of Bitbucket the key of the status. For
	// githubToken it is the job_workflow_ref, for gitlabToken the ci_config_ref_uri. Needed for
	// workflow_run, githubToken and gitlabToken.
	Workflow string `json:"workflow,omitempty"`
	// Environment that the event names; default for deployment, deployment_protection_rule, githubToken and
	// gitlabToken: the plan's own.
	Environment string `json:"environment,omitempty"`
	// Image that is released: its repository alone, such as ghcr.io/acme/checkout, where the event names an
	// image of it; or with a tag made of {commit}, {short} (7 characters of it), {branch} and {tag}.
	Image string `json:"image"`
}

// sending is a sender and its events, the default first. Without events, the event carries any type.
type sending struct {
	sender string
	events []string
}

func sendings() []sending {
	return []sending{
		{SenderGitHub, []string{EventWorkflowRun, EventPackage, EventDeployment, EventRepositoryDispatch, EventProtectionRule}},
		{SenderGitLab, []string{EventPipeline}},
		{SenderBitbucket, []string{EventCommitStatus}},
		{SenderGeneric, nil},
		{SenderCloudEvents, nil},
		{SenderDockerHub, []string{EventPush}},
		{SenderHarbor, []string{EventPush}},
		{SenderQuay, []string{EventPush}},
		{SenderGitHubToken, []string{EventRelease}},
		{SenderGitLabToken, []string{EventRelease}},
	}
}

// Senders are all there are.
func Senders() []string {
	var out []string
	for _, s := range sendings() {
		out = append(out, s.sender)
	}
	return out
}

func knownEvents(sender string) ([]string, bool) {
	i := slices.IndexFunc(sendings(), func(s sending) bool { return s.sender == sender })
	if i < 0 {
		return nil, false
	}
	return sendings()[i].events, true
}

// byToken reports whether the sender is a CI job with a token.
func (t Trigger) byToken() bool {
	return t.Sender == SenderGitHubToken || t.Sender == SenderGitLabToken
}

// waits reports whether a job of GitHub waits for the outcome.
func (t Trigger) waits() bool { return t.Sender == SenderGitHub && t.Event == EventProtectionRule }

func (t *Trigger) fill(environment string) {
	events, _ := knownEvents(t.Sender)
	event := EventRelease
	if len(events) > 0 {
		event = events[0]
	}
	or(&t.Event, event)
	if t.Event == EventDeployment || t.waits() || t.byToken() {
		or(&t.Environment, environment)
	}
}

// Source is the part of the image before its tag.
func (t Trigger) Source() string {
	name, _ := t.split()
	return name
}

// Template is the tag that the image is given; empty where the event names the image.
func (t Trigger) Template() string {
	_, tag := t.split()
	return tag
}

// split cuts at the colon of a tag, which stands behind the last slash.
func (t Trigger) split() (name, tag string) {
	slash := strings.LastIndex(t.Image, "/")
	if colon := strings.LastIndex(t.Image, ":"); colon > slash {
		return t.Image[:colon], t.Image[colon+1:]
	}
	return t.Image, ""
}

func (c *checker) triggers(all []Trigger, told []Notification) {
	c.must(len(all) <= maxTriggers, "spec.triggers", "at most %d triggers", maxTriggers)
	for i, t := range all {
		at := fmt.Sprintf("spec.triggers[%d]", i)
		c.trigger(at, t)
		c.must(!t.waits() || hearsEveryEnd(told), at+".event",
			"the job would wait for ever: name the receiver of its GitHub App in spec.notifications, without a severity and events that leave an end out")
	}
}

// hearsEveryEnd reports whether some receiver is told however a release ends.
func hearsEveryEnd(all []Notification) bool {
	hears := func(name string) bool {
		return !slices.ContainsFunc(Events(), func(e Event) bool {
			return e.Ends() && !slices.ContainsFunc(Addressees(all, e), func(a Addressee) bool { return a.Name == name })
		})
	}
	return slices.ContainsFunc(all, func(n Notification) bool { return slices.ContainsFunc(n.To, hears) })
}

func (c *checker) trigger(at string, t Trigger) {
	events, ok := knownEvents(t.Sender)
	c.must(ok, at+".sender", "must be one of %s", strings.Join(Senders(), ", "))
	if !ok {
		return
	}
	c.must(len(events) == 0 || slices.Contains(events, t.Event), at+".event", "must be one of %s for %s", strings.Join(events, ", "), t.Sender)
	c.must(t.Repository != "" && !strings.ContainsAny(t.Repository, " *"), at+".repository", "name the repository as its events do, such as acme/checkout")
	for _, f := range []struct{ name, value string }{{".branch", t.Branch}, {".tag", t.Tag}} {
		_, err := path.Match(f.value, "")
		c.must(err == nil, at+f.name, "must be a name, in which * stands for anything but a slash")
	}
	for _, name := range t.needs() {
		c.must(t.field(name) != "", at+"."+name, "is needed for %s of %s", t.Event, t.Sender)
	}
	c.must(t.byToken() || t.RepositoryID == "" || isNumber(t.RepositoryID), at+".repositoryID", "must be a number")
	if t.byToken() {
		c.must(isNumber(t.RepositoryID), at+".repositoryID", "must be the repository's number; names can be taken over by others")
		c.must(isNumber(t.OwnerID), at+".ownerID", "must be the owner's number")
	}
	c.triggerImage(at+".image", t)
}

// needs are the fields without which far too much would start a release.
func (t Trigger) needs() []string {
	switch {
	case t.byToken():
		return []string{"branch", "workflow"}
	case t.Event == EventWorkflowRun && t.Sender == SenderGitHub:
		return []string{"branch", "workflow"}
	case t.waits():
		return []string{"branch"}
	case t.Sender == SenderGitLab, t.Sender == SenderBitbucket:
		return []string{"branch"}
	case t.Event == EventPackage && t.Sender == SenderGitHub:
		return []string{"tag"}
	case t.Sender == SenderDockerHub, t.Sender == SenderHarbor, t.Sender == SenderQuay:
		return []string{"tag"}
	}
	return nil
}

func (t Trigger) field(name string) string {
	return map[string]string{"branch": t.Branch, "tag": t.Tag, "workflow": t.Workflow}[name]
}

// triggerImage checks the repository, and that the tag can be made of what the event brings.
func (c *checker) triggerImage(at string, t Trigger) {
	name, tag := t.split()
	named, err := reference.ParseNormalizedNamed(name)
	c.must(err == nil && reference.IsNameOnly(named), at, "must be the repository of an image, such as ghcr.io/acme/checkout, perhaps with a tag such as {commit}; not %q", t.Image)
	if tag == "" {
		// A pipeline, a status and a job that waits say which commit was built, not which image.
		computed := t.Sender == SenderGitLab || t.Sender == SenderBitbucket || t.Sender == SenderGitHub && t.Event == EventWorkflowRun || t.waits()
		c.must(!computed, at, "say which tag %s of %s has built, such as %s:{commit}", t.Event, t.Sender, name)
		return
	}
	c.must(Placeholders().ReplaceAllString(tag, "x") != tag, at, "a tag that is always the same says nothing of the event; use {commit}, {short}, {branch} or {tag}")
	plain := Placeholders().ReplaceAllString(tag, "x")
	c.must(IsTag(plain), at, "%q is not a tag; of placeholders there are {commit}, {short}, {branch} and {tag}", tag)
}

// Placeholders are what a tag can be made of.
func Placeholders() *regexp.Regexp { return regexp.MustCompile(`\{(commit|short|branch|tag)\}`) }

// IsTag reports whether a text can be the tag of an image.
func IsTag(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`).MatchString(s)
}

func isNumber(s string) bool { return regexp.MustCompile(`^[0-9]{1,20}$`).MatchString(s) }
