// SPDX-License-Identifier: Apache-2.0

package access

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// FuzzClaims finds claims that panic, or that are taken though something is missing by which they are judged, or
// though they are of a pull request; and claims of a person that make somebody of them whom a plan could take for a
// group, for a token, or for several.
func FuzzClaims(f *testing.F) {
	f.Add([]byte(`{"jti": "1", "repository": "acme/shop", "repository_id": "7", "repository_owner_id": "3", "ref": "refs/heads/main",
		"job_workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main", "event_name": "push", "actor": "octocat", "environment": "production"}`))
	f.Add([]byte(`{"jti": "1", "project_path": "acme/shop", "project_id": "7", "namespace_id": "3", "ref": "main", "ref_type": "branch",
		"ci_config_ref_uri": "gitlab.example/acme/shop//.gitlab-ci.yml@refs/heads/main", "pipeline_source": "push", "user_login": "ada"}`))
	f.Add([]byte(`{"email": "Ann@acme.example", "email_verified": true, "sub": "1", "preferred_username": "ann", "groups": ["team-checkout"]}`))
	f.Add([]byte(`{"email": "@ops", "email_verified": true, "sub": "token:ci", "preferred_username": "*", "groups": ["", "\n", "@ops"], "_claim_names": {"groups": "s"}}`))
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
		var said profile
		if json.Unmarshal(text, &said) == nil {
			for _, claim := range []string{claimEmail, "preferred_username", claimSubject} {
				namedOne(t, claim, said)
			}
		}
	})
}

// namedOne requires that claims name one person whom nobody takes for somebody else, or nobody.
func namedOne(t *testing.T, claim string, said profile) {
	t.Helper()
	people := &People{config: PeopleConfig{Name: claim, Groups: "groups"}, how: "oidc:login.example"}
	p, err := people.person(said)
	if err != nil {
		if answer, ok := errors.AsType[*sender.Answer](err); !ok || answer.Status != http.StatusUnauthorized || p.Name != "" || p.Groups != nil {
			t.Errorf("%s: %+v, %v", claim, p, err)
		}
		return
	}
	if p.Name == "" || strings.ContainsAny(p.Name, ":*/, \n") || strings.HasPrefix(p.Name, "@") || claim != claimSubject && p.Name != strings.ToLower(p.Name) {
		t.Errorf("%s: taken as %q", claim, p.Name)
	}
	if claim == claimEmail && string(said["email_verified"]) != "true" {
		t.Errorf("taken by an e-mail address that is not verified: %q", p.Name)
	}
	if slices.ContainsFunc(p.Groups, func(g string) bool { return !isGroup(g) }) || len(slices.Compact(slices.Sorted(slices.Values(p.Groups)))) != len(p.Groups) {
		t.Errorf("%s: groups %q", claim, p.Groups)
	}
	for _, job := range []string{"job_workflow_ref", "project_path", "kubernetes.io"} {
		if _, ok := said[job]; ok {
			t.Errorf("%s: taken though it says %s", claim, job)
		}
	}
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
