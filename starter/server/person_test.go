// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakeissuer"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

// gatedPlan asks a group, and not whoever has requested the release.
const gatedPlan = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: checkout, environment: production}
spec:
  target: {namespace: shop, deployment: checkout, service: checkout}
  traffic: {gatewayAPI: {route: checkout}}
  strategy:
    canary:
      steps: [{weight: 10, hold: 5m, gate: {approvers: ["@team-checkout"], fourEyes: true, within: 1h}}]
      bake: 10m
  analysis: {source: {prometheus: {preset: traefik}}}
`

// rights of people, below the tokens of the house.
const rights = `
people:
  - {group: "@everybody", rights: [read, start, approve], services: [production/checkout]}
  - {name: ann@acme.example, rights: [read, start, steer], services: ['production/*']}
`

// login is the company's.
type login struct {
	*fakeissuer.Issuer
	t   *testing.T
	url string
}

// withPeople furnishes a house that takes the tokens of people, and those of CI jobs from somebody else.
func withPeople(t *testing.T) (*house, *login) {
	t.Helper()
	h := furnish(t)
	text, err := os.ReadFile(filepath.Join(h.secrets, "api-tokens"))
	require.NoError(t, err)
	h.write(h.secrets, "api-tokens", string(text)+rights)
	h.write(h.plans, "checkout.yaml", gatedPlan)
	l := openLogin(t)
	h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_OIDC_AUDIENCE"] = l.url, "slipway"
	return h, l
}

func openLogin(t *testing.T) *login {
	t.Helper()
	issuer, url := fakeissuer.Serve(t)
	return &login{issuer, t, url}
}

// token is one of a person of the company; changes as pairs.
func (l *login) token(name string, groups []string, changes ...any) string {
	l.t.Helper()
	claims := map[string]any{
		"iss": l.url, "aud": "slipway", "sub": name, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"email": name + "@acme.example", "email_verified": true, "groups": append([]string{"everybody"}, groups...),
	}
	for i := 0; i < len(changes); i += 2 {
		claims[changes[i].(string)] = changes[i+1]
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	token, err := l.Sign(claims)
	require.NoError(l.t, err)
	return token
}

func (l *login) how() string { return "oidc:" + strings.TrimPrefix(l.url, "http://") }

const gate = "/api/v1/releases/production/checkout/"

func TestAGateIsOpenedByAPersonOfTheGroupWhoHasNotRequestedTheRelease(t *testing.T) {
	h, l := withPeople(t)
	h.live = newLive(t, h.temporal)
	h.open()
	team := []string{"team-checkout", "wiki"}
	status, text := h.ask("POST", "/api/v1/releases", fmt.Sprintf(`{"service": "production/checkout", "image": %q}`, world.NewImage), append(h.as(l.token("Ann", team)), "Idempotency-Key", "one")...)
	require.Equal(t, 202, status, text)
	request := h.temporal.requests()["production/checkout person ann@acme.example one"]
	require.Equal(t, "ann@acme.example", request.By)

	h.live.stage()
	approve := func(name string, groups []string) func() (int, string) {
		return func() (int, string) {
			return h.ask("POST", gate+"checkout-production/approve", `{"reason": "looks good"}`, append(h.as(l.token(name, groups)), "Idempotency-Key", "same")...)
		}
	}
	when := 10 * time.Minute // the gate is open
	own := h.live.at(when, approve("ann", team))
	outsider := h.live.at(when+time.Minute, approve("eve", []string{"wiki"}))
	other := h.live.at(when+2*time.Minute, approve("bob", team))
	late := h.live.at(when+3*time.Minute, approve("carol", team))
	ended := h.live.run(request, "checkout-production")

	for _, want := range []struct {
		*visit
		status int
		text   string
	}{
		{own, 409, "ann@acme.example has requested the release, and this question needs somebody else"},
		{outsider, 409, "eve@acme.example is not among the approvers [@team-checkout]"},
		{other, 200, `"id":"checkout-production"`},
		{late, 409, "nothing is waiting for an approval"},
	} {
		status, text := want.answered(t)
		require.Equal(t, want.status, status, text)
		require.Contains(t, text, want.text)
	}
	require.Equal(t, workflows.Promoted, ended.Phase, ended.Outcome)
	require.Equal(t, "ann@acme.example", ended.RequestedBy)
	var story []string
	for _, e := range ended.Log {
		if strings.Contains(e.Text, "approve by") {
			story = append(story, e.Text)
		}
	}
	require.Empty(t, cmp.Diff([]string{
		"approve by eve@acme.example refused: eve@acme.example is not among the approvers [@team-checkout]", "approve by bob@acme.example (" + l.how() + "): looks good",
	}, story), "who has requested it, and who comes too late, are told so at once")
	said := h.live.said[2]
	require.Equal(t, "bob@acme.example", said.Who)
	require.Equal(t, l.how(), said.How)
	require.Empty(t, cmp.Diff([]string{"@team-checkout"}, said.Groups), "the others are nobody's concern")
	require.Empty(t, h.live.said[1].Groups)
}

func TestWhatAPersonMayNotDoIsRefused(t *testing.T) {
	h, l := withPeople(t)
	jobs := openLogin(t)
	h.env["SLIPWAY_JOB_AUDIENCE"], h.env["SLIPWAY_GITHUB_ISSUER"] = "https://slipway.example", jobs.url
	h.open()
	h.temporal.set("runs", workflows.Baking)
	evil := openLogin(t)
	job := []any{
		"aud", "https://slipway.example", "jti", "1", "repository", "acme/shop", "repository_id", "7", "repository_owner_id", "3", "ref", "refs/heads/main",
		"event_name", "push", "job_workflow_ref", "acme/shop/.github/workflows/release.yml@refs/heads/main", "actor", "ada",
	}
	tests := map[string]struct {
		token        string
		method, path string
		status       int
		text         string
	}{
		"all is well":                  {l.token("ann", nil), "POST", gate + "runs/approve", 200, `"id":"runs"`},
		"no right":                     {l.token("bob", nil), "POST", gate + "runs/pause", 403, "bob@acme.example has no right to steer for production/checkout"},
		"another service":              {l.token("bob", nil), "POST", releases + "runs/approve", 403, "bob@acme.example has no right to approve for production/shop"},
		"no groups":                    {l.token("bob", nil, "groups", nil), "GET", gate + "runs", 403, "bob@acme.example has no right to read"},
		"the name of a token":          {l.token("ci", nil, "groups", nil), "GET", gate + "runs", 403, "ci@acme.example has no right to read"},
		"another issuer":               {evil.token("ann", nil), "GET", gate + "runs", 401, "of an issuer that this server does not trust"},
		"another issuer that says not": {evil.token("ann", nil, "iss", l.url), "GET", gate + "runs", 401, "its signature, its kind or its time is wrong"},
		"made for jobs":                {l.token("ann", nil, "aud", "https://slipway.example"), "GET", gate + "runs", 401, "for another audience"},
		"expired":                      {l.token("ann", nil, "exp", now.Add(-time.Hour).Unix()), "GET", gate + "runs", 401, "the token has expired"},
		"not verified":                 {l.token("ann", nil, "email_verified", false), "GET", gate + "runs", 401, "e-mail address is not verified"},
		"a group as a name":            {l.token("ann", nil, "email", "@team-checkout"), "POST", gate + "runs/approve", 401, "names nobody"},
		"a job's token":                {jobs.token("ann", []string{"team-checkout"}, job...), "POST", gate + "runs/approve", 403, "the token of a CI job starts releases and looks at them"},
		"a job's token, to start":      {jobs.token("ann", nil, "aud", "https://slipway.example"), "POST", "/api/v1/releases", 401, "the token has no claim"},
		"a job's claims":               {l.token("ann", nil, job[2:]...), "POST", gate + "runs/approve", 401, "of a CI job, and no person's own"},
		"something oversize":           {l.token("ann", nil, "photo", strings.Repeat("x", 16<<10)), "GET", gate + "runs", 401, "more than 16 KiB"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, text := h.ask(tt.method, tt.path, "", h.as(tt.token)...)
			require.Equal(t, tt.status, status, text)
			require.Contains(t, text, tt.text)
			for part := range strings.SplitSeq(tt.token, ".") {
				require.NotContains(t, text+h.log.String(), part)
			}
		})
	}
	require.Len(t, h.temporal.commands(), 1)
	d := h.temporal.decision()
	require.Equal(t, "ann@acme.example", d.Who)
	require.Equal(t, l.how(), d.How)
	require.Empty(t, d.Groups, "the release asks nobody")
}

func TestAPromotionNamesTheGroupsOfWhoGivesIt(t *testing.T) {
	h, l := withPeople(t)
	h.open()
	h.temporal.set("runs", workflows.Stepping)
	status, text := h.ask("POST", gate+"runs/promote", "", h.as(l.token("bob", []string{"team-checkout"}))...)
	require.Equal(t, 200, status, text)
	require.Equal(t, []string{"@everybody", "@team-checkout"}, h.temporal.decision().Groups)
	var many []string
	for i := range 64 {
		many = append(many, fmt.Sprintf("group-%d", i))
	}
	status, text = h.ask("POST", gate+"runs/promote", "", h.as(l.token("bob", many))...)
	require.Equal(t, 409, status, text)
	require.Contains(t, text, "bob@acme.example has 65 groups, and a promotion names at most 64: approve when the release asks")
}

func TestKeysOfIdempotencyAreTheirCallersOwn(t *testing.T) {
	h, l := withPeople(t)
	h.env["SLIPWAY_OIDC_NAME_CLAIM"] = "sub"
	h.open()
	start := func(token string) {
		status, text := h.ask("POST", "/api/v1/releases", `{"service": "production/checkout", "image": "ghcr.io/acme/shop`+digest+`"}`, append(h.as(token), "Idempotency-Key", "k")...)
		require.Equal(t, 202, status, text)
	}
	start(l.token("ci", nil))
	start(l.token("bob", nil))
	start(h.token) // it is called ci
	start(h.token)
	by := map[string]string{}
	for key, r := range h.temporal.requests() {
		by[key] = r.By
	}
	require.Empty(t, cmp.Diff(map[string]string{
		"production/checkout person ci k": "ci", "production/checkout person bob k": "bob", "production/checkout api ci k": "token:ci",
	}, by))
}

func TestALoginThatIsAwayIsNoMatterForTokensOfOurs(t *testing.T) {
	h, l := withPeople(t)
	h.open()
	l.Away(true)
	token := l.token("ann", nil)
	status, text := h.ask("GET", "/api/v1/plans", "", h.as(token)...)
	require.Equal(t, 503, status)
	require.Contains(t, text, "the keys of "+l.url+" could not be fetched: try again")
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(h.reader)...)
	require.Equal(t, 200, status, text)
	l.Away(false)
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(token)...)
	require.Equal(t, 200, status, text)
	l.Away(true)
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(l.token("ann", nil))...)
	require.Equal(t, 200, status, text)
	require.NoError(t, l.Rotate())
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(l.token("ann", nil))...)
	require.Equal(t, 503, status, text)
	require.NotContains(t, h.log.String(), token)
}
