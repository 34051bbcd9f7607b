// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
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

const audience = "https://slipway.example"

// now is the time of every token.
var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

// court is an issuer that is trusted, and what judges its tokens.
type court struct {
	*fakeissuer.Issuer
	t    testing.TB
	url  string
	jobs *access.Jobs
}

func sit(t *testing.T, name string) *court {
	t.Helper()
	issuer, url := fakeissuer.Serve(t)
	c := &court{Issuer: issuer, t: t, url: url}
	jobs, err := access.NewJobs(access.JobsConfig{Audience: audience, Issuers: map[string]string{name: url}, Now: func() time.Time { return now }})
	require.NoError(t, err)
	c.jobs = jobs
	return c
}

// github are the claims of a job of GitHub Actions; a change of nil takes one away.
func (c *court) github(changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": c.url, "aud": audience, "sub": "repo:acme/shop:environment:production", "jti": "token-1",
		"iat": now.Unix(), "nbf": now.Add(-5 * time.Minute).Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"repository": "acme/shop", "repository_id": "7", "repository_owner_id": "3", "ref": "refs/heads/main", "ref_type": "branch",
		"job_workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main", "event_name": "push", "actor": "octocat",
		"environment": "production", "sha": "abc", "server_url": "https://github.com", "run_id": "99",
	}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (c *court) sign(tb testing.TB, claims map[string]any) string {
	tb.Helper()
	token, err := c.Sign(claims)
	require.NoError(tb, err)
	return token
}

func TestATokenOfGitHubActionsSaysWhichJobItIs(t *testing.T) {
	c := sit(t, "githubToken")
	token := c.sign(t, c.github(nil))
	require.True(t, access.Looks(token))
	got, err := c.jobs.Verify(t.Context(), token)
	require.NoError(t, err)
	require.True(t, got.At.Equal(now))
	got.At = now
	require.Empty(t, cmp.Diff(sender.Event{
		Sender: "githubToken", Event: "release", Key: c.url + " token-1", Repository: "acme/shop", RepositoryID: "7", OwnerID: "3", Branch: "main",
		Environment: "production", Workflows: []string{"acme/shop/.github/workflows/release.yml@refs/heads/main"}, Commit: "abc",
		By: "github:octocat", At: now, URL: "https://github.com/acme/shop/actions/runs/99",
	}, got))
	got, err = c.jobs.Verify(t.Context(), c.sign(t, c.github(map[string]any{"ref": "refs/tags/v2", "jti": "token-2"})))
	require.NoError(t, err)
	require.Equal(t, "v2", got.Tag)
	require.Empty(t, got.Branch)
	got, err = c.jobs.Verify(t.Context(), c.sign(t, c.github(map[string]any{"ref": "refs/pull/7/merge"})))
	require.NoError(t, err)
	require.Empty(t, got.Branch+got.Tag, "it fits no branch of a plan")
}

func gitlab(c *court, changes map[string]any) map[string]any {
	claims := map[string]any{
		"iss": c.url, "aud": audience, "jti": "token-1", "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"project_path": "acme/shop", "project_id": "7", "namespace_id": "3", "ref": "main", "ref_type": "branch", "environment": "production", "sha": "abc",
		"ci_config_ref_uri": "gitlab.example/acme/shop//.gitlab-ci.yml@refs/heads/main", "pipeline_source": "push", "user_login": "ada",
	}
	maps.Copy(claims, changes)
	return claims
}

func TestATokenOfGitLabSaysWhichJobItIs(t *testing.T) {
	c := sit(t, "gitlabToken")
	got, err := c.jobs.Verify(t.Context(), c.sign(t, gitlab(c, nil)))
	require.NoError(t, err)
	got.At = now
	require.Empty(t, cmp.Diff(sender.Event{
		Sender: "gitlabToken", Event: "release", Key: c.url + " token-1", Repository: "acme/shop", RepositoryID: "7", OwnerID: "3", Branch: "main",
		Environment: "production", Workflows: []string{"gitlab.example/acme/shop//.gitlab-ci.yml@refs/heads/main"}, Commit: "abc", By: "gitlab:ada", At: now,
	}, got))
	got, err = c.jobs.Verify(t.Context(), c.sign(t, gitlab(c, map[string]any{"ref_type": "tag", "ref": "v2"})))
	require.NoError(t, err)
	require.Equal(t, "v2", got.Tag)
	for name, value := range map[string]string{"pipeline_source": "merge_request_event", "user_login": "", "namespace_id": ""} {
		_, err = c.jobs.Verify(t.Context(), c.sign(t, gitlab(c, map[string]any{name: value})))
		require.Error(t, err, name)
	}
}

// forgery makes a token that must not be taken.
type forgery func(c *court) string

func claiming(changes map[string]any) forgery {
	return func(c *court) string { return c.sign(c.t, c.github(changes)) }
}

// respelled is a good token of which one part is written otherwise.
func respelled(part int, change func(string) string) forgery {
	return func(c *court) string {
		parts := strings.Split(c.sign(c.t, c.github(nil)), ".")
		parts[part] = change(parts[part])
		return strings.Join(parts, ".")
	}
}

// publicPEM is the key that everybody knows, as a secret for HS256.
func publicPEM(tb testing.TB, k *rsa.PrivateKey) []byte {
	tb.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	require.NoError(tb, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func unsigned(tb testing.TB, header string, claims map[string]any) string {
	tb.Helper()
	text, err := json.Marshal(claims)
	require.NoError(tb, err)
	return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(text) + "."
}

func forgeries() map[string]forgery {
	minutes := func(n int) int64 { return now.Add(time.Duration(n) * time.Minute).Unix() }
	return map[string]forgery{
		"the algorithm none": func(c *court) string { return unsigned(c.t, `{"alg":"none"}`, c.github(nil)) },
		"no signature": func(c *court) string {
			return unsigned(c.t, `{"alg":"RS256","kid":"key-1"}`, c.github(nil))
		},
		"HS256 with the public key": func(c *court) string {
			id, private := c.Key()
			token, err := fakeissuer.SignBy(jose.HS256, publicPEM(c.t, private), id, c.github(nil))
			require.NoError(c.t, err)
			return token
		},
		"RS512": func(c *court) string {
			id, private := c.Key()
			token, err := fakeissuer.SignBy(jose.RS512, private, id, c.github(nil))
			require.NoError(c.t, err)
			return token
		},
		"another key under the same ID": func(c *court) string {
			private, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(c.t, err)
			token, err := fakeissuer.SignBy(jose.RS256, private, "key-1", c.github(nil))
			require.NoError(c.t, err)
			return token
		},
		"a key that nobody published": func(c *court) string {
			private, err := rsa.GenerateKey(rand.Reader, 2048)
			require.NoError(c.t, err)
			token, err := fakeissuer.SignBy(jose.RS256, private, "key-9", c.github(nil))
			require.NoError(c.t, err)
			return token
		},
		"claims changed after they were signed": func(c *court) string {
			parts := strings.Split(c.sign(c.t, c.github(nil)), ".")
			other := strings.Split(unsigned(c.t, "{}", c.github(map[string]any{"repository": "evil/shop"})), ".")
			return parts[0] + "." + other[1] + "." + parts[2]
		},
		"a blank in its header":      respelled(0, func(part string) string { return part[:4] + " " + part[4:] }),
		"a line's end in its claims": respelled(1, func(part string) string { return part[:4] + "\n" + part[4:] }),
		"loose bits in its signature": respelled(2, func(part string) string {
			const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			return part[:len(part)-1] + string(digits[strings.IndexByte(digits, part[len(part)-1])+1])
		}),
		"another issuer":          claiming(map[string]any{"iss": "https://evil.example"}),
		"an issuer with a slash":  func(c *court) string { return c.sign(c.t, c.github(map[string]any{"iss": c.url + "/"})) },
		"no issuer":               claiming(map[string]any{"iss": nil}),
		"another audience":        claiming(map[string]any{"aud": "https://github.com/acme"}),
		"no audience":             claiming(map[string]any{"aud": nil}),
		"several audiences":       claiming(map[string]any{"aud": []string{audience, "https://other.example"}}),
		"an end that is over":     claiming(map[string]any{"exp": minutes(-2)}),
		"no end":                  claiming(map[string]any{"exp": nil}),
		"an end in hours":         claiming(map[string]any{"exp": minutes(61)}),
		"a beginning to come":     claiming(map[string]any{"nbf": minutes(2)}),
		"made in the future":      claiming(map[string]any{"iat": minutes(2)}),
		"made at no time":         claiming(map[string]any{"iat": nil}),
		"no identity":             claiming(map[string]any{"jti": nil}),
		"a pull request":          claiming(map[string]any{"event_name": "pull_request"}),
		"a pull request's target": claiming(map[string]any{"event_name": "pull_request_target"}),
		"no event":                claiming(map[string]any{"event_name": nil}),
		"no repository number":    claiming(map[string]any{"repository_id": nil}),
		"no owner number":         claiming(map[string]any{"repository_owner_id": nil}),
		"no workflow":             claiming(map[string]any{"job_workflow_ref": nil}),
		"no branch":               claiming(map[string]any{"ref": nil}),
		"a claim of another kind": claiming(map[string]any{"repository": []string{"acme/shop"}}),
		"nothing":                 func(*court) string { return ".." },
		"no JSON":                 func(*court) string { return "aaaa.bbbb.cccc" },
		"something endless":       func(*court) string { return strings.Repeat("a", 17<<10) + ".b.c" },
		"a token in another form": func(c *court) string {
			parts := strings.Split(c.sign(c.t, c.github(nil)), ".")
			return `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}..`
		},
	}
}

func TestForgedTokensAreRefused(t *testing.T) {
	require.GreaterOrEqual(t, len(forgeries()), 14)
	c := sit(t, "githubToken")
	for name, forge := range forgeries() {
		t.Run(name, func(t *testing.T) {
			c.t = t
			token := forge(c)
			_, err := c.jobs.Verify(t.Context(), token)
			var answer *sender.Answer
			require.ErrorAs(t, err, &answer)
			require.Equal(t, 401, answer.Status, answer.Text)
			require.NotContains(t, answer.Text, token)
		})
	}
}

func TestClocksMayDifferByAMinute(t *testing.T) {
	c := sit(t, "githubToken")
	for _, changes := range []map[string]any{
		{"exp": now.Add(-59 * time.Second).Unix()}, {"nbf": now.Add(59 * time.Second).Unix()}, {"iat": now.Add(59 * time.Second).Unix()},
	} {
		_, err := c.jobs.Verify(t.Context(), c.sign(t, c.github(changes)))
		require.NoError(t, err, changes)
	}
}

func TestANewKeyIsFetchedAndTheOldOneStillCounts(t *testing.T) {
	c := sit(t, "githubToken")
	old := c.sign(t, c.github(nil))
	_, err := c.jobs.Verify(t.Context(), old)
	require.NoError(t, err)
	require.NoError(t, c.Rotate())
	_, err = c.jobs.Verify(t.Context(), c.sign(t, c.github(nil)))
	require.NoError(t, err)
	_, err = c.jobs.Verify(t.Context(), old)
	require.NoError(t, err)
}

func TestAnIssuerThatIsAwayRefusesNobodyForGood(t *testing.T) {
	c := sit(t, "githubToken")
	token := c.sign(t, c.github(nil))
	c.Away(true)
	status := func(token string) int {
		_, err := c.jobs.Verify(t.Context(), token)
		var answer *sender.Answer
		require.ErrorAs(t, err, &answer)
		return answer.Status
	}
	require.Equal(t, 503, status(token), "before its keys were ever fetched")
	c.Away(false)
	_, err := c.jobs.Verify(t.Context(), token)
	require.NoError(t, err)
	require.NoError(t, c.Rotate())
	c.Away(true)
	require.Equal(t, 503, status(c.sign(t, c.github(nil))), "for a key that is not known yet")
	_, err = c.jobs.Verify(t.Context(), token)
	require.NoError(t, err, "a key that is known is enough")
}

func TestTokensOfJobsNeedAnAudience(t *testing.T) {
	_, err := access.NewJobs(access.JobsConfig{Issuers: map[string]string{"githubToken": access.IssuerGitHub}})
	require.ErrorContains(t, err, "need an audience of this server's own")
}
