// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// FuzzClaims finds claims that panic, or that are taken though something is missing by which they are judged, or
// though they are of a pull request.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"jti": "1", "repository": "acme/shop", "repository_id": "7", "repository_owner_id": "3", "ref": "refs/heads/main",
		"job_workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main", "event_name": "push", "actor": "octocat", "environment": "production"}`))
	f.Add([]byte(`{"jti": "1", "project_path": "acme/shop", "project_id": "7", "namespace_id": "3", "ref": "main", "ref_type": "branch",
		"ci_config_ref_uri": "gitlab.example/acme/shop//.gitlab-ci.yml@refs/heads/main", "pipeline_source": "push", "user_login": "ada"}`))
	f.Add([]byte(`{"event_name": "pull_request_target", "pipeline_source": "merge_request_event"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c claims
		if json.Unmarshal(text, &c) != nil {
			return
		}
		for _, name := range []string{plan.SenderGitHubToken, plan.SenderGitLabToken} {
			e, err := c.event(&issuer{url: "https://issuer.example", sender: name}, time.Unix(0, 0))
			if err == nil {
				judged(t, name, c, e)
				continue
			}
			if answer, ok := errors.AsType[*sender.Answer](err); !ok || answer.Status != http.StatusUnauthorized {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// judged requires of a token that is taken all that a plan may bind it to.
func judged(t *testing.T, name string, c claims, e sender.Event) {
	t.Helper()
	for what, value := range map[string]string{
		"repository": e.Repository, "repository's number": e.RepositoryID, "owner's number": e.OwnerID, "workflow": e.Workflows[0], "identity": c.ID,
	} {
		if value == "" {
			t.Errorf("%s: taken without a %s: %+v", name, what, c)
		}
	}
	if e.Branch != "" && e.Tag != "" || !strings.HasSuffix(e.Key, " "+c.ID) {
		t.Errorf("%s: %+v", name, e)
	}
	if name == plan.SenderGitHubToken && strings.HasPrefix(c.Event, "pull_request") || name == plan.SenderGitLabToken && strings.HasPrefix(c.PipelineSource, "merge_request") {
		t.Errorf("%s: taken from a pull request: %+v", name, c)
	}
}
