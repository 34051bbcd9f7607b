// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/testsuite/fakeissuer"
)

// client is this server's ID at the login of a company.
const client = "slipway"

// company is one whose people are known.
type company struct {
	*fakeissuer.Issuer
	t      *testing.T
	url    string
	people *access.People
}

// found founds one; a change is of what is read of its tokens.
func found(t *testing.T, change func(*access.PeopleConfig)) *company {
	t.Helper()
	issuer, url := fakeissuer.Serve(t)
	config := access.PeopleConfig{Issuer: url, Audience: client, Name: "email", Groups: "groups", Now: func() time.Time { return now }}
	if change != nil {
		change(&config)
	}
	c := &company{Issuer: issuer, t: t, url: url}
	people, err := access.NewPeople(config)
	require.NoError(t, err)
	c.people = people
	return c
}

// ann are the claims of a person; a change of nil takes one away.
func (c *company) ann(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": c.url, "aud": client, "azp": client, "sub": "f3c1", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(),
		"email": "Ann@acme.example", "email_verified": true, "preferred_username": "ann", "name": "Ann", "groups": []string{"team-checkout", "everybody"},
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (c *company) sign(claims map[string]any) string {
	c.t.Helper()
	token, err := c.Sign(claims)
	require.NoError(c.t, err)
	return token
}

// how is how its people are recognised.
func (c *company) how() string { return "oidc:" + strings.TrimPrefix(c.url, "http://") }

func TestATokenOfTheCompanySaysWhoAPersonIs(t *testing.T) {
	c := found(t, nil)
	token := c.sign(c.ann(nil))
	require.True(t, access.Looks(token))
	issuer, err := access.IssuerOf(token)
	require.NoError(t, err)
	require.True(t, c.people.Know(issuer))
	for range 3 { // it is one of a session, and comes many times
		got, err := c.people.Verify(t.Context(), token)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(access.Person{Name: "ann@acme.example", Groups: []string{"@team-checkout", "@everybody"}, How: c.how()}, got))
	}
	var nobody *access.People
	require.False(t, nobody.Know(issuer))
}

func TestANameComesFromTheClaimThatIsConfigured(t *testing.T) {
	tests := map[string]struct {
		claim   string
		changes map[string]any
		want    access.Person
	}{
		"the user name, in lower case":        {"preferred_username", map[string]any{"preferred_username": "Ann", "email_verified": false}, access.Person{Name: "ann", Groups: []string{"@team-checkout", "@everybody"}}},
		"the subject, as it is":               {"sub", map[string]any{"sub": "auth0|F3c1"}, access.Person{Name: "auth0|F3c1", Groups: []string{"@team-checkout", "@everybody"}}},
		"a claim with an address":             {"https://acme.example/login", map[string]any{"https://acme.example/login": "ann"}, access.Person{Name: "ann", Groups: []string{"@team-checkout", "@everybody"}}},
		"no groups":                           {"email", map[string]any{"groups": nil}, access.Person{Name: "ann@acme.example"}},
		"groups that no plan can name":        {"email", map[string]any{"groups": []string{"", "a\nb", strings.Repeat("x", 200), "ops", "ops"}}, access.Person{Name: "ann@acme.example", Groups: []string{"@ops"}}},
		"a group that is called like one":     {"email", map[string]any{"groups": []string{"@ops"}}, access.Person{Name: "ann@acme.example", Groups: []string{"@@ops"}}},
		"claims that are kept somewhere else": {"email", map[string]any{"_claim_names": map[string]any{"photo": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"endpoint": "http://127.0.0.1:1"}}}, access.Person{Name: "ann@acme.example", Groups: []string{"@team-checkout", "@everybody"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := found(t, func(p *access.PeopleConfig) { p.Name = tt.claim })
			tt.want.How = c.how()
			got, err := c.people.Verify(t.Context(), c.sign(c.ann(tt.changes)))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// impostor makes a token that nobody must be recognised by.
type impostor func(c *company) string

func saying(changes map[string]any) impostor {
	return func(c *company) string { return c.sign(c.ann(changes)) }
}

func (c *company) signedBy(algorithm jose.SignatureAlgorithm, private any, id string) string {
	c.t.Helper()
	token, err := fakeissuer.SignBy(algorithm, private, id, c.ann(nil))
	require.NoError(c.t, err)
	return token
}

func (c *company) foreignKey(id string) string {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(c.t, err)
	return c.signedBy(jose.RS256, private, id)
}

// signatures are tokens that the company has not signed.
func signatures() map[string]impostor {
	return map[string]impostor{
		"the algorithm none": func(c *company) string { return unsigned(c.t, `{"alg":"none"}`, c.ann(nil)) },
		"no signature":       func(c *company) string { return unsigned(c.t, `{"alg":"RS256","kid":"key-1"}`, c.ann(nil)) },
		"HS256 with the public key": func(c *company) string {
			id, private := c.Key()
			return c.signedBy(jose.HS256, publicPEM(c.t, private), id)
		},
		"another key under the same ID": func(c *company) string { return c.foreignKey("key-1") },
		"a key that nobody published":   func(c *company) string { return c.foreignKey("key-9") },
		"claims changed after they were signed": func(c *company) string {
			parts := strings.Split(c.sign(c.ann(nil)), ".")
			other := strings.Split(unsigned(c.t, "{}", c.ann(map[string]any{"email": "eve@acme.example"})), ".")
			return parts[0] + "." + other[1] + "." + parts[2]
		},
		"nothing":            func(*company) string { return ".." },
		"no JSON":            func(*company) string { return "aaaa.bbbb.cccc" },
		"something oversize": func(c *company) string { return c.sign(c.ann(map[string]any{"photo": strings.Repeat("x", 16<<10)})) },
		"a token in another form": func(c *company) string {
			parts := strings.Split(c.sign(c.ann(nil)), ".")
			return `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}..`
		},
	}
}

// statements are tokens that the company has signed, for somebody or something else.
func statements() map[string]impostor {
	after := func(d time.Duration) int64 { return now.Add(d).Unix() }
	return map[string]impostor{
		"another issuer":             saying(map[string]any{"iss": "https://evil.example"}),
		"an issuer with a slash":     func(c *company) string { return c.sign(c.ann(map[string]any{"iss": c.url + "/"})) },
		"no issuer":                  saying(map[string]any{"iss": nil}),
		"another audience":           saying(map[string]any{"aud": "wiki"}),
		"no audience":                saying(map[string]any{"aud": nil}),
		"several audiences":          saying(map[string]any{"aud": []string{client, "wiki"}}),
		"an end that is over":        saying(map[string]any{"exp": after(-2 * time.Minute)}),
		"no end":                     saying(map[string]any{"exp": nil}),
		"an end in days":             saying(map[string]any{"exp": after(25 * time.Hour)}),
		"a beginning to come":        saying(map[string]any{"nbf": after(2 * time.Minute)}),
		"a beginning without end":    saying(map[string]any{"nbf": 1e300}),
		"a beginning that is a text": saying(map[string]any{"nbf": "now"}),
		"made in the future":         saying(map[string]any{"iat": after(2 * time.Minute)}),
		"made at no time":            saying(map[string]any{"iat": nil}),

		"an e-mail that is not verified": saying(map[string]any{"email_verified": false}),
		"an e-mail nobody speaks of":     saying(map[string]any{"email_verified": nil}),
		"verified as a text":             saying(map[string]any{"email_verified": "true"}),
		"no name":                        saying(map[string]any{"email": nil}),
		"an empty name":                  saying(map[string]any{"email": ""}),
		"a name that is a list":          saying(map[string]any{"email": []string{"ann@acme.example"}}),
		"a claim in other letters":       saying(map[string]any{"email": nil, "Email": "ann@acme.example"}),
		"a group's name":                 saying(map[string]any{"email": "@team-checkout"}),
		"a token's name":                 saying(map[string]any{"email": "token:ci"}),
		"a name of GitHub":               saying(map[string]any{"email": "github:ann"}),
		"a name of Slack":                saying(map[string]any{"email": "slack:T0/U0"}),
		"a SPIFFE ID":                    saying(map[string]any{"email": "spiffe://acme.example/ann"}),
		"everybody":                      saying(map[string]any{"email": "*"}),
		"a name in two lines":            saying(map[string]any{"email": "ann@acme.example\nbob@acme.example"}),
		"a name that ends a line":        saying(map[string]any{"email": "ann@acme.example\n"}),
		"a name that looks like Ann's":   saying(map[string]any{"email": "аnn@acme.example"}), // its first letter is Cyrillic
		"an endless name":                saying(map[string]any{"email": strings.Repeat("a", 201)}),

		"groups that are a text":     saying(map[string]any{"groups": "team-checkout"}),
		"groups that are a number":   saying(map[string]any{"groups": 7}),
		"groups that are an object":  saying(map[string]any{"groups": map[string]any{"team-checkout": true}}),
		"groups of numbers":          saying(map[string]any{"groups": []int{7}}),
		"groups kept somewhere else": saying(map[string]any{"groups": nil, "_claim_names": map[string]any{"groups": "src"}, "_claim_sources": map[string]any{"src": map[string]any{"endpoint": "http://127.0.0.1:1"}}}),
		"a job of GitHub Actions":    saying(map[string]any{"repository_id": "7", "job_workflow_ref": "acme/shop/.github/workflows/x.yml@refs/heads/main"}),
		"a job of GitLab":            saying(map[string]any{"project_path": "acme/shop", "pipeline_id": "8", "user_email": "ann@acme.example"}),
		"a pod":                      saying(map[string]any{"kubernetes.io": map[string]any{"namespace": "shop"}}),
		"the notice of a logout":     saying(map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}),
		"somebody who acts for Ann":  saying(map[string]any{"act": map[string]any{"sub": "robot"}}),
	}
}

func TestImpostorsAreNotRecognised(t *testing.T) {
	all := signatures()
	maps.Copy(all, statements())
	require.GreaterOrEqual(t, len(all), 14)
	c := found(t, nil)
	for name, forge := range all {
		t.Run(name, func(t *testing.T) {
			c.t = t
			token := forge(c)
			got, err := c.people.Verify(t.Context(), token)
			var answer *sender.Answer
			require.ErrorAs(t, err, &answer)
			require.Equal(t, 401, answer.Status, answer.Text)
			require.Empty(t, cmp.Diff(access.Person{}, got))
			for part := range strings.SplitSeq(token, ".") {
				if len(part) > 8 {
					require.NotContains(t, answer.Text, part)
				}
			}
			require.NotContains(t, answer.Text, "acme", "what a token says is nobody's concern but its owner's")
		})
	}
}

func TestAPersonMayDoWhatIsWrittenForTheirNameAndGroups(t *testing.T) {
	file, err := access.ParseTokens([]byte(`people:
  - {name: ann@acme.example, rights: [start], services: [production/checkout]}
  - {name: ann@acme.example, rights: [read], services: ['production/*']}
  - {group: "@team-checkout", rights: [approve, steer], services: ['*/checkout']}
  - {name: spiffe://acme.example/robot, rights: [read], services: ['staging/*']}
`))
	require.NoError(t, err)
	require.Equal(t, 4, file.People())
	require.Zero(t, file.Len())
	tests := map[string]struct {
		person access.Person
		may    []string
	}{
		"by name and by group": {access.Person{Name: "ann@acme.example", Groups: []string{"@team-checkout"}}, []string{
			"approve production/checkout", "approve staging/checkout", "read production/checkout", "read production/other", "start production/checkout", "steer production/checkout", "steer staging/checkout",
		}},
		"by group alone":           {access.Person{Name: "bob@acme.example", Groups: []string{"@ops", "@team-checkout"}}, []string{"approve production/checkout", "approve staging/checkout", "steer production/checkout", "steer staging/checkout"}},
		"by name alone":            {access.Person{Name: "ann@acme.example"}, []string{"read production/checkout", "read production/other", "start production/checkout"}},
		"a program":                {access.Person{Name: "spiffe://acme.example/robot"}, []string{"read staging/checkout"}},
		"somebody else":            {access.Person{Name: "eve@acme.example", Groups: []string{"@ops", "team-checkout"}}, nil},
		"somebody without a name":  {access.Person{}, nil},
		"a group that is a person": {access.Person{Name: "@team-checkout"}, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			caller := file.Entitle(tt.person)
			require.Equal(t, tt.person.Name, caller.Who())
			var may []string
			for _, right := range []access.Right{access.Approve, access.Read, access.Start, access.Steer} {
				for _, service := range []string{"production/checkout", "production/other", "staging/checkout"} {
					if caller.May(right, service) {
						may = append(may, string(right)+" "+service)
					}
				}
			}
			require.Empty(t, cmp.Diff(tt.may, may))
		})
	}
}

func TestTheKeysOfPeopleMayChange(t *testing.T) {
	c := found(t, nil)
	old := c.sign(c.ann(nil))
	verify := func(token string) error {
		_, err := c.people.Verify(t.Context(), token)
		return err
	}
	require.NoError(t, verify(old))
	require.NoError(t, c.Rotate())
	require.NoError(t, verify(c.sign(c.ann(nil))))
	require.NoError(t, verify(old), "both keys are published")
	require.NoError(t, c.Rotate())
	c.Withdraw()
	require.NoError(t, verify(c.sign(c.ann(nil))))
	// The library answers a moment before it keeps what it has fetched.
	require.Eventually(t, func() bool { return verify(old) != nil }, 10*time.Second, time.Millisecond)
	require.ErrorContains(t, verify(old), "its signature, its kind or its time is wrong", "a key that was withdrawn is forgotten with the next one")
}

func TestALoginThatIsAwayRefusesNobodyForGood(t *testing.T) {
	c := found(t, nil)
	token := c.sign(c.ann(nil))
	c.Away(true)
	status := func(token string) (int, string) {
		_, err := c.people.Verify(t.Context(), token)
		var answer *sender.Answer
		require.ErrorAs(t, err, &answer)
		return answer.Status, answer.Text
	}
	code, text := status(token)
	require.Equal(t, 503, code, "before its keys were ever fetched")
	require.Equal(t, "the keys of "+c.url+" could not be fetched: try again", text)
	c.Away(false)
	_, err := c.people.Verify(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, c.Rotate())
	c.Away(true)
	code, _ = status(c.sign(c.ann(nil)))
	require.Equal(t, 503, code, "for a key that is not known yet")
	_, err = c.people.Verify(t.Context(), token)
	require.NoError(t, err, "a key that is known is enough")
}

func TestEveryAlgorithmIsTakenByWhichNobodyWhoVerifiesCanSign(t *testing.T) {
	c := found(t, nil)
	id, private := c.Key()
	for _, algorithm := range []jose.SignatureAlgorithm{jose.RS256, jose.RS512, jose.PS256, jose.PS512} {
		got, err := c.people.Verify(t.Context(), c.signedBy(algorithm, private, id))
		require.NoError(t, err, algorithm)
		require.Equal(t, "ann@acme.example", got.Name)
	}
}

func TestALoginThatHangsKeepsNobodyLongerThanTheyWait(t *testing.T) {
	asked, over := make(chan struct{}, 1), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(s.Close)
	c := found(t, nil)
	token := c.sign(c.ann(map[string]any{"iss": s.URL}))
	people, err := access.NewPeople(access.PeopleConfig{Issuer: s.URL, Audience: client, Name: "email", Groups: "groups", Now: func() time.Time { return now }})
	require.NoError(t, err)
	first := make(chan error, 1)
	go func() {
		_, err := people.Verify(context.WithoutCancel(t.Context()), token)
		first <- err
	}()
	<-asked
	gone, leave := context.WithCancel(t.Context())
	leave()
	_, err = people.Verify(gone, token)
	require.ErrorContains(t, err, "could not be fetched: try again", "whoever waits for the first may leave")
	close(over)
	require.ErrorContains(t, <-first, "could not be fetched: try again")
}

func TestPeopleNeedAnIssuerThatNobodyCanBe(t *testing.T) {
	good := access.PeopleConfig{Issuer: "https://login.example/realms/acme", Audience: client, Name: "email", Groups: "groups"}
	_, err := access.NewPeople(good)
	require.NoError(t, err)
	for want, change := range map[string]func(*access.PeopleConfig){
		`the issuer "http://login.example" must be an address with https`: func(c *access.PeopleConfig) { c.Issuer = "http://login.example" },
		`the issuer "login.example" must be`:                              func(c *access.PeopleConfig) { c.Issuer = "login.example" },
		"need an audience of this server's own":                           func(c *access.PeopleConfig) { c.Audience = "" },
		"name the claims":                                                 func(c *access.PeopleConfig) { c.Groups = "" },
		"the claim name is what people choose to be called":               func(c *access.PeopleConfig) { c.Name = "name" },
	} {
		bad := good
		change(&bad)
		_, err := access.NewPeople(bad)
		require.ErrorContains(t, err, want)
	}
}
