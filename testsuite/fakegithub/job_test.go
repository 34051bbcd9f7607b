// SPDX-License-Identifier: Apache-2.0

package fakegithub_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// as sends a request with a token and returns what is answered.
func as(t *testing.T, token, method, url, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, errors.Join(err, resp.Body.Close()))
	return resp.StatusCode, string(text)
}

func newKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

// statement is what an app signs to ask for a token.
func statement(t *testing.T, issuer string, key *rsa.PrivateKey, until time.Time) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, nil)
	require.NoError(t, err)
	text, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: issuer, Expiry: jwt.NewNumericDate(until)}).Serialize()
	require.NoError(t, err)
	return text
}

func TestAnAppGetsATokenByItsKeyAlone(t *testing.T) {
	g, url := start(t)
	key, soon := newKey(t), g.Now().Add(time.Minute)
	g.InstallApp(7, 9, &key.PublicKey)
	for name, bad := range map[string]string{
		"nothing": "", "the token of a person": "token", "another app": statement(t, "8", key, soon), "another key": statement(t, "7", newKey(t), soon),
		"an old statement": statement(t, "7", key, g.Now().Add(-time.Minute)),
	} {
		status, _ := as(t, bad, "POST", url+"/app/installations/9/access_tokens", "")
		require.Equal(t, 401, status, name)
	}
	status, _ := as(t, statement(t, "7", key, soon), "POST", url+"/app/installations/10/access_tokens", "")
	require.Equal(t, 401, status)
	status, _ = as(t, statement(t, "7", key, soon), "POST", url+"/app/installations/9/access_tokens", "")
	require.Equal(t, 201, status)
}

func TestAJobWaitsUntilItsAppHasAnswered(t *testing.T) {
	var got []string
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Header.Get("X-GitHub-Event"), string(body))
	}))
	defer target.Close()
	g, url := start(t)
	key := newKey(t)
	g.InstallApp(7, 9, &key.PublicKey)
	hook := g.AddHook("acme/shop", target.URL, "secret")
	job, d, err := g.Enter(t.Context(), hook, fakegithub.Entry{
		Repository: "acme/shop", Environment: "production", Branch: "main", Commit: "abc", By: "grace", Event: "push", API: url,
	})
	require.NoError(t, err)
	require.Equal(t, 200, d.StatusCode)
	at := fmt.Sprintf("%s/repos/acme/shop/actions/runs/%d/", url, job.Run)
	require.Equal(t, "deployment_protection_rule", got[0])
	require.Contains(t, got[1], `"deployment_callback_url":"`+at+`deployment_protection_rule"`)

	_, text := as(t, statement(t, "7", key, g.Now().Add(time.Minute)), "POST", url+"/app/installations/9/access_tokens", "")
	var issued struct{ Token string }
	require.NoError(t, json.Unmarshal([]byte(text), &issued))
	_, text = as(t, issued.Token, "GET", at+"pending_deployments", "")
	require.Contains(t, text, `"name":"production"`)
	const yes = `{"environment_name": "production", "state": "approved", "comment": "it serves"}`
	for _, step := range []struct {
		token, body string
		status      int
	}{
		{"token", yes, 403},
		{issued.Token, `{"environment_name": "production", "comment": "it begins"}`, 204},
		{issued.Token, `{"environment_name": "production"}`, 422},
		{issued.Token, `{"environment_name": "production", "state": "fine", "comment": "x"}`, 422},
		{issued.Token, `{"environment_name": "staging", "state": "approved", "comment": "x"}`, 404},
		{issued.Token, yes, 204},
		{issued.Token, yes, 422},
	} {
		status, text := as(t, step.token, "POST", at+"deployment_protection_rule", step.body)
		require.Equal(t, step.status, status, step.body+text)
	}
	_, text = as(t, issued.Token, "GET", at+"pending_deployments", "")
	require.JSONEq(t, "[]", text)
	require.Equal(t, []fakegithub.Job{
		{Repository: "acme/shop", Environment: "production", Run: job.Run, State: "approved", Comments: []string{"it begins", "it serves"}},
	}, g.Jobs())
	_, err = g.Review(t.Context(), hook, job, "ann", "approved")
	require.NoError(t, err)
	require.Equal(t, "deployment_review", got[2])
}
