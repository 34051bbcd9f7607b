// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakeissuer"
)

const companyRights = `people:
- {group: "@team-shop", rights: [read, start, approve], services: ["test/*"]}
- {group: "@everybody", rights: [read, approve], services: ["test/*"]}
`

// company is a login, and a server that believes it.
type company struct {
	reception

	login *fakeissuer.Issuer
	url   string
}

func openCompany(t *testing.T, shop *stage.Shop, q stage.Quick) *company {
	t.Helper()
	file, err := shop.Plan(q)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	c := &company{reception: reception{t: t, shop: shop}}
	c.login, c.url = fakeissuer.Serve(t)
	c.server, err = world.StartServer(t.Context(), stage.ServerOptions{
		Plans:   map[string]string{"shop.yaml": string(text)},
		Secrets: map[string]string{"api-tokens": companyRights},
		Env: map[string]string{
			"SLIPWAY_APPROVAL_KEY": world.Key.Reveal(),
			"SLIPWAY_OIDC_ISSUER":  c.url, "SLIPWAY_OIDC_AUDIENCE": "slipway",
		},
	})
	require.NoError(t, err)
	t.Cleanup(c.close)
	return c
}

// says is what somebody asks the API for after they have logged in.
func (c *company) says(name string, groups []string, method, url, body string) (int, string) {
	c.t.Helper()
	now := time.Now()
	token, err := c.login.Sign(map[string]any{
		"iss": c.url, "aud": "slipway", "sub": name, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"email": name + "@acme.example", "email_verified": true, "groups": append([]string{"everybody"}, groups...),
	})
	require.NoError(c.t, err)
	world.Plant("the login's token of "+name, token)
	c.token = token
	status, said, err := c.ask(c.t.Context(), method, url, body)
	require.NoError(c.t, err)
	return status, said
}

func TestPeopleStartAndApproveWithTheCompanysLogin(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "company"})
	c := openCompany(t, shop, stage.Quick{Steps: []string{`{weight: 10, hold: 1s, gate: {approvers: ["@team-shop"], fourEyes: true, within: 2m}}`}})
	team, built := []string{"team-shop"}, image(t, "v2")
	start := fmt.Sprintf(`{"service": "test/company", "image": %q}`, built)
	status, said := c.says("eve", nil, "POST", c.server.URL+"/api/v1/releases", start)
	require.Equal(t, 403, status, said)
	status, said = c.says("ann", team, "POST", c.server.URL+"/api/v1/releases", start)
	require.Equal(t, 202, status, said)
	var one struct{ Link string }
	require.NoError(t, json.Unmarshal([]byte(said), &one))
	c.until(one.Link, `"asks":`)
	status, said = c.says("eve", nil, "POST", one.Link+"/approve", "")
	require.Equal(t, 409, status, said)
	require.Contains(t, said, "eve@acme.example")
	status, said = c.says("ann", team, "POST", one.Link+"/approve", "")
	require.Equal(t, 409, status, said)
	require.Contains(t, said, "ann@acme.example")
	status, said = c.says("bob", team, "POST", one.Link+"/approve", `{"reason": "looks good"}`)
	require.Equal(t, 200, status, said)
	require.Contains(t, said, "approve by bob@acme.example (oidc:127.0.0.1")
	c.until(one.Link, `"phase":"promoted"`)
	_, said = c.says("eve", nil, "GET", one.Link, "")
	require.Contains(t, said, `"requestedBy":"ann@acme.example"`)
	atRest(t, shop, built)
}
