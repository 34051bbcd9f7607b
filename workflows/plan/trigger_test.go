// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

func triggered(trigger string) string { return short + "  triggers:\n    - " + trigger + "\n" }

func TestATriggerIsFilled(t *testing.T) {
	tests := map[string]struct {
		trigger string
		want    plan.Trigger
	}{
		"a workflow of GitHub": {
			"{sender: github, repository: acme/shop, branch: main, workflow: build.yml, image: 'ghcr.io/acme/shop:{commit}'}",
			plan.Trigger{Sender: "github", Event: "workflow_run", Repository: "acme/shop", Branch: "main", Workflow: "build.yml", Image: "ghcr.io/acme/shop:{commit}"},
		},
		"a deployment into the plan's own environment": {
			"{sender: github, event: deployment, repository: acme/shop, image: ghcr.io/acme/shop}",
			plan.Trigger{Sender: "github", Event: "deployment", Repository: "acme/shop", Environment: "production", Image: "ghcr.io/acme/shop"},
		},
		"a job that waits": {
			"{sender: github, event: deployment_protection_rule, repository: acme/shop, branch: main, image: 'ghcr.io/acme/shop:{commit}'}\n  notifications: [{to: [hub]}]",
			plan.Trigger{
				Sender: "github", Event: "deployment_protection_rule", Repository: "acme/shop", Branch: "main", Environment: "production",
				Image: "ghcr.io/acme/shop:{commit}",
			},
		},
		"a pushed image": {
			"{sender: harbor, repository: shop/checkout, tag: v*, image: registry.example/shop/checkout}",
			plan.Trigger{Sender: "harbor", Event: "push", Repository: "shop/checkout", Tag: "v*", Image: "registry.example/shop/checkout"},
		},
		"an event of another type": {
			"{sender: cloudevents, event: com.example.built, repository: //ci.example/shop, image: registry.example/shop}",
			plan.Trigger{Sender: "cloudevents", Event: "com.example.built", Repository: "//ci.example/shop", Image: "registry.example/shop"},
		},
		"a job with a token": {
			"{sender: githubToken, repository: acme/shop, repositoryID: '1', ownerID: '2', branch: main, workflow: 'acme/shop/.github/workflows/release.yml@refs/heads/main', image: ghcr.io/acme/shop}",
			plan.Trigger{
				Sender: "githubToken", Event: "release", Repository: "acme/shop", RepositoryID: "1", OwnerID: "2", Branch: "main",
				Workflow: "acme/shop/.github/workflows/release.yml@refs/heads/main", Environment: "production", Image: "ghcr.io/acme/shop",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff([]plan.Trigger{tt.want}, load(t, triggered(tt.trigger)).Spec.Triggers))
		})
	}
}

func TestBadTriggersAreRefused(t *testing.T) {
	const good = "{sender: github, repository: acme/shop, branch: main, workflow: build.yml, image: 'ghcr.io/acme/shop:{commit}'}"
	tests := map[string]struct{ replace, with, want string }{
		"an unknown sender":             {"sender: github", "sender: gitea", "spec.triggers[0].sender: must be one of github, gitlab, bitbucket"},
		"no sender":                     {"sender: github, ", "", "spec.triggers[0].sender: must be one of github"},
		"an unknown event":              {"sender: github", "sender: github, event: star", "spec.triggers[0].event: must be one of workflow_run, package"},
		"an event of another sender":    {"sender: github", "sender: quay, tag: v*, event: pipeline", "spec.triggers[0].event: must be one of push for quay"},
		"no repository":                 {"repository: acme/shop, ", "", "spec.triggers[0].repository: name the repository"},
		"every repository":              {"acme/shop, branch", "acme/*, branch", "spec.triggers[0].repository: name the repository"},
		"every branch":                  {"branch: main, ", "", "spec.triggers[0].branch: is needed for workflow_run of github"},
		"every workflow":                {"workflow: build.yml, ", "", "spec.triggers[0].workflow: is needed for workflow_run of github"},
		"every tag":                     {"sender: github", "sender: dockerhub", "spec.triggers[0].tag: is needed for push of dockerhub"},
		"a pattern that is none":        {"branch: main", "branch: 'release/['", "spec.triggers[0].branch: must be a name"},
		"no image":                      {", image: 'ghcr.io/acme/shop:{commit}'", "", "spec.triggers[0].image: must be the repository of an image"},
		"an image by its digest":        {"shop:{commit}", "shop@sha256:0000000000000000000000000000000000000000000000000000000000000001", "spec.triggers[0].image: "},
		"a tag that moves":              {"{commit}", "latest", "spec.triggers[0].image: a tag that is always the same"},
		"a placeholder nobody knows":    {"{commit}", "{sha}-{short}", `spec.triggers[0].image: "{sha}-{short}" is not a tag`},
		"a workflow without a tag":      {":{commit}", "", "spec.triggers[0].image: say which tag workflow_run of github has built, such as ghcr.io/acme/shop:{commit}"},
		"a token for a name alone":      {"sender: github", "sender: githubToken", "spec.triggers[0].repositoryID: must be the repository's number"},
		"a token for a name as number":  {"sender: github", "sender: gitlabToken, repositoryID: acme, ownerID: '1'", "spec.triggers[0].repositoryID: must be the repository's number"},
		"a token of any owner":          {"sender: github", "sender: githubToken, repositoryID: '1'", "spec.triggers[0].ownerID: must be the owner's number"},
		"a repository ID that is none":  {"sender: github", "sender: github, repositoryID: acme", "spec.triggers[0].repositoryID: must be a number"},
		"a field that nobody knows":     {"branch: main", "branches: main", `unknown field "branches"`},
		"a repository with a blank":     {"acme/shop, branch", "acme/shop x, branch", "spec.triggers[0].repository: name the repository"},
		"an image in capitals":          {"ghcr.io/acme/shop", "ghcr.io/Acme/shop", "spec.triggers[0].image: must be the repository of an image"},
		"a tag that begins with a dash": {"{commit}", "-{commit}", "is not a tag"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, tt.replace)
			_, err := plan.Load(strings.NewReader(triggered(strings.Replace(good, tt.replace, tt.with, 1))))
			require.ErrorContains(t, err, tt.want)
		})
	}
	t.Run("too many", func(t *testing.T) {
		_, err := plan.Load(strings.NewReader(triggered(strings.Repeat(good+"\n    - ", 20) + good)))
		require.ErrorContains(t, err, "spec.triggers: at most 20 triggers")
	})
}

func TestAJobThatWaitsHearsOfEveryEnd(t *testing.T) {
	const trigger = "{sender: github, event: deployment_protection_rule, repository: acme/shop, branch: main, image: 'ghcr.io/acme/shop:{commit}'}\n  notifications: "
	for notifications, ok := range map[string]bool{
		"[{to: [hub]}]": true,
		"[{to: [chat], severity: warning}, {to: [hub]}]":                  true,
		"[{to: [hub], events: [promoted]}, {to: [hub], severity: error}]": true,
		"[{to: [hub], events: [promoted, undone, failed, needs-person]}]": true,
		"[]":                             false,
		"[{to: [hub], severity: error}]": false,
		"[{to: [hub], events: [promoted, undone]}]":                        false,
		"[{to: [hub], events: [promoted]}, {to: [chat], severity: error}]": false,
	} {
		_, err := plan.Load(strings.NewReader(triggered(trigger + notifications)))
		require.Equal(t, ok, err == nil, "%s: %v", notifications, err)
		if !ok {
			require.ErrorContains(t, err, "spec.triggers[0].event: the job would wait for ever: name the receiver of its GitHub App in spec.notifications")
		}
	}
	_, err := plan.Load(strings.NewReader(triggered(strings.Replace(trigger, "branch: main, ", "", 1) + "[{to: [hub]}]")))
	require.ErrorContains(t, err, "spec.triggers[0].branch: is needed for deployment_protection_rule of github")
	_, err = plan.Load(strings.NewReader(triggered(strings.Replace(trigger, ":{commit}", "", 1) + "[{to: [hub]}]")))
	require.ErrorContains(t, err, "spec.triggers[0].image: say which tag deployment_protection_rule of github has built")
}

func TestAnImageIsCutBeforeItsTag(t *testing.T) {
	for image, want := range map[string][2]string{
		"ghcr.io/acme/shop:{commit}":       {"ghcr.io/acme/shop", "{commit}"},
		"registry.example:5000/shop":       {"registry.example:5000/shop", ""},
		"registry.example:5000/shop:{tag}": {"registry.example:5000/shop", "{tag}"},
		"shop:main-{short}":                {"shop", "main-{short}"},
	} {
		trigger := plan.Trigger{Image: image}
		require.Equal(t, want, [2]string{trigger.Source(), trigger.Template()}, fmt.Sprint(image))
	}
}
