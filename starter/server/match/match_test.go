// SPDX-License-Identifier: Apache-2.0

package match_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/match"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// now is the time of every event.
var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
	digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"
)

func trigger() plan.Trigger {
	return plan.Trigger{
		Sender: plan.SenderGitHub, Event: plan.EventWorkflowRun, Repository: "acme/shop", Branch: "release/*", Workflow: "build.yml",
		Image: "ghcr.io/acme/shop:{branch}-{short}",
	}
}

func event() sender.Event {
	return sender.Event{
		Sender: plan.SenderGitHub, Event: plan.EventWorkflowRun, Key: "run/1/1", Repository: "acme/shop", RepositoryID: "7", OwnerID: "3",
		Branch: "release/2", Workflows: []string{"Build", "build.yml"}, Commit: commit, By: "github:ada", At: now,
	}
}

func TestTrigger(t *testing.T) {
	tests := map[string]struct {
		change func(*plan.Trigger, *sender.Event)
		want   match.Fit
	}{
		"what fits": {func(*plan.Trigger, *sender.Event) {}, match.Fit{Image: "ghcr.io/acme/shop:release-2-0123456"}},
		"another event": {
			func(_ *plan.Trigger, e *sender.Event) { e.Event = "package" },
			match.Fit{Why: `the event is "package", and only "workflow_run" is taken`},
		},
		"another branch": {
			func(_ *plan.Trigger, e *sender.Event) { e.Branch = "main" },
			match.Fit{Why: `the branch is "main", and only "release/*" is taken`},
		},
		"a branch below the pattern": {
			func(_ *plan.Trigger, e *sender.Event) { e.Branch = "release/2/x" },
			match.Fit{Why: `the branch is "release/2/x", and only "release/*" is taken`},
		},
		"no branch": {
			func(_ *plan.Trigger, e *sender.Event) { e.Branch = "" },
			match.Fit{Why: `the branch is "", and only "release/*" is taken`},
		},
		"another workflow": {
			func(_ *plan.Trigger, e *sender.Event) { e.Workflows = []string{"Lint", "lint.yml"} },
			match.Fit{Why: `the workflow is "Lint, lint.yml", and only "build.yml" is taken`},
		},
		"another environment": {
			func(t *plan.Trigger, e *sender.Event) { t.Environment, e.Environment = "production", "staging" },
			match.Fit{Why: `the environment is "staging", and only "production" is taken`},
		},
		"an environment is no pattern": {
			func(t *plan.Trigger, e *sender.Event) { t.Environment, e.Environment = "*", "staging" },
			match.Fit{Why: `the environment is "staging", and only "*" is taken`},
		},
		"a renamed repository of somebody else": {
			func(t *plan.Trigger, _ *sender.Event) { t.RepositoryID = "8" },
			match.Fit{Why: `the repository ID is "7", and only "8" is taken`},
		},
		"another owner": {
			func(t *plan.Trigger, _ *sender.Event) { t.OwnerID = "8" },
			match.Fit{Why: `the owner ID is "3", and only "8" is taken`},
		},
		"a whole commit": {
			func(t *plan.Trigger, _ *sender.Event) { t.Image = "ghcr.io/acme/shop:{commit}" },
			match.Fit{Image: "ghcr.io/acme/shop:" + commit},
		},
		"a commit that is none": {
			func(_ *plan.Trigger, e *sender.Event) { e.Commit = "main:latest" },
			match.Fit{Why: `the commit "main:latest" is no whole hash`},
		},
		"half a commit": {
			func(_ *plan.Trigger, e *sender.Event) { e.Commit = commit[:7] },
			match.Fit{Why: `the commit "0123456" is no whole hash`},
		},
		"a branch that makes no tag": {
			func(_ *plan.Trigger, e *sender.Event) { e.Branch = "release/@sha256" },
			match.Fit{Why: `"release-@sha256-0123456" is not a tag of an image`},
		},
		"a tag that is not told": {
			func(t *plan.Trigger, _ *sender.Event) { t.Image = "ghcr.io/acme/shop:{tag}" },
			match.Fit{Why: "the event says nothing of {tag}, which the image's tag is made of"},
		},
		"a pushed tag": {
			func(t *plan.Trigger, e *sender.Event) {
				t.Image, t.Tag, e.Tag, e.Image = "ghcr.io/acme/shop", "v*", "v2", "ghcr.io/acme/shop:v2"
			},
			match.Fit{Image: "ghcr.io/acme/shop:v2"},
		},
		"a pushed tag that is not wanted": {
			func(t *plan.Trigger, e *sender.Event) {
				t.Image, t.Tag, e.Tag, e.Image = "ghcr.io/acme/shop", "v*", "latest", "ghcr.io/acme/shop:latest"
			},
			match.Fit{Why: `the tag is "latest", and only "v*" is taken`},
		},
		"a digest counts more than a tag": {
			func(t *plan.Trigger, e *sender.Event) {
				t.Image, e.Image = "ghcr.io/acme/shop", "ghcr.io/acme/shop:v2@"+digest
			},
			match.Fit{Image: "ghcr.io/acme/shop@" + digest},
		},
		"an image of Docker Hub in its short form": {
			func(t *plan.Trigger, e *sender.Event) { t.Image, e.Image = "acme/shop", "docker.io/acme/shop:v2" },
			match.Fit{Image: "docker.io/acme/shop:v2"},
		},
		"an image of another repository": {
			func(t *plan.Trigger, e *sender.Event) { t.Image, e.Image = "ghcr.io/acme/shop", "ghcr.io/evil/shop:v2" },
			match.Fit{Why: "the image is of ghcr.io/evil/shop, and only images of ghcr.io/acme/shop are taken"},
		},
		"an image of another registry": {
			func(t *plan.Trigger, e *sender.Event) {
				t.Image, e.Image = "ghcr.io/acme/shop", "ghcr.io.evil.example/acme/shop:v2"
			},
			match.Fit{Why: "the image is of ghcr.io.evil.example/acme/shop, and only images of ghcr.io/acme/shop are taken"},
		},
		"no image": {
			func(t *plan.Trigger, _ *sender.Event) { t.Image = "ghcr.io/acme/shop" }, match.Fit{Why: "the event names no image"},
		},
		"an image that is none": {
			func(t *plan.Trigger, e *sender.Event) {
				t.Image, e.Image = "ghcr.io/acme/shop", "ghcr.io/acme/shop:v2@sha256:1"
			},
			match.Fit{Why: `the event's image "ghcr.io/acme/shop:v2@sha256:1" is none`},
		},
		"neither tag nor digest": {
			func(t *plan.Trigger, e *sender.Event) { t.Image, e.Image = "ghcr.io/acme/shop", "ghcr.io/acme/shop" },
			match.Fit{Why: "the event's image has neither tag nor digest"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tr, e := trigger(), event()
			tt.change(&tr, &e)
			require.Equal(t, tt.want, match.Trigger(tr, e))
		})
	}
}
