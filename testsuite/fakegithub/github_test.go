// SPDX-License-Identifier: Apache-2.0

package fakegithub_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

func start(t *testing.T) (*fakegithub.GitHub, string) {
	t.Helper()
	g := fakegithub.New("token", func() time.Time { return time.Unix(1_900_000_000, 0) })
	s := httptest.NewServer(g)
	t.Cleanup(s.Close)
	return g, s.URL
}

// ask sends a request and reads a JSON answer, whose status it returns with its Link header.
func ask(t *testing.T, method, url, body string, to any) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer token")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	if to != nil {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(to))
	}
	return resp.StatusCode, resp.Header.Get("Link")
}

func TestADeliveryIsSignedAsGitHubSigns(t *testing.T) {
	// The vector of GitHub's documentation.
	require.Equal(t, "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		fakegithub.Sign("It's a Secret to Everybody", []byte("Hello, World!")))
	var got http.Header
	var body []byte
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer target.Close()
	g, _ := start(t)
	d, err := g.Deliver(t.Context(), g.AddHook("acme/shop", target.URL, "secret"), "workflow_run", map[string]string{"action": "completed"})
	require.NoError(t, err)
	require.Equal(t, 200, d.StatusCode)
	require.Equal(t, "completed", d.Action)
	require.Equal(t, "workflow_run", got.Get("X-GitHub-Event"))
	require.Equal(t, "sha256="+fakegithub.Sign("secret", body), got.Get("X-Hub-Signature-256"))
	require.Equal(t, d.GUID, got.Get("X-GitHub-Delivery"))
}

func TestDeliveriesAreRememberedNewestFirstAndTriedAgainWithTheSameGUID(t *testing.T) {
	up := false
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer target.Close()
	g, url := start(t)
	hook := g.AddHook("acme/shop", target.URL, "secret")
	for i := range 3 {
		_, err := g.Deliver(t.Context(), hook, "push", map[string]int{"n": i})
		require.NoError(t, err)
	}
	api := url + "/repos/acme/shop/hooks/" + strconv.FormatInt(hook, 10) + "/deliveries"
	var first, second []fakegithub.Delivery
	_, link := ask(t, "GET", api+"?per_page=2", "", &first)
	require.Len(t, first, 2)
	require.Greater(t, first[0].ID, first[1].ID)
	require.Nil(t, first[0].Request, "a list has no payloads")
	next, _, _ := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	_, link = ask(t, "GET", next, "", &second)
	require.Len(t, second, 1)
	require.Empty(t, link)
	var one fakegithub.Delivery
	ask(t, "GET", api+"/"+strconv.FormatInt(first[0].ID, 10), "", &one)
	require.JSONEq(t, `{"n": 2}`, string(one.Request.Payload))
	require.Equal(t, 503, one.StatusCode)

	up = true
	status, _ := ask(t, "POST", api+"/"+strconv.FormatInt(first[0].ID, 10)+"/attempts", "", nil)
	require.Equal(t, 202, status)
	ask(t, "GET", api, "", &first)
	require.Equal(t, 200, first[0].StatusCode)
	require.True(t, first[0].Redelivery)
	require.Equal(t, one.GUID, first[0].GUID)
}

func TestAHookWhoseAddressDoesNotAnswerIsADeliveryThatFailed(t *testing.T) {
	target := httptest.NewServer(http.NotFoundHandler())
	target.Close()
	g, _ := start(t)
	d, err := g.Deliver(t.Context(), g.AddHook("acme/shop", target.URL, ""), "push", struct{}{})
	require.NoError(t, err)
	require.Zero(t, d.StatusCode)
	_, err = g.Deliver(t.Context(), 1, "push", struct{}{})
	require.ErrorContains(t, err, "there is no hook 1")
}

func TestDeploymentsAndStatusesAreKept(t *testing.T) {
	g, url := start(t)
	var d fakegithub.Deployment
	status, _ := ask(t, "POST", url+"/repos/acme/shop/deployments", `{"ref": "abc", "environment": "staging"}`, &d)
	require.Equal(t, 201, status)
	at := url + "/repos/acme/shop/deployments/" + strconv.FormatInt(d.ID, 10) + "/statuses"
	require.Equal(t, at, d.StatusesURL)
	for _, state := range []string{"in_progress", "success"} {
		status, _ = ask(t, "POST", at, `{"state": "`+state+`", "log_url": "https://example.com"}`, nil)
		require.Equal(t, 201, status)
	}
	var statuses []fakegithub.DeploymentStatus
	ask(t, "GET", at, "", &statuses)
	require.Equal(t, "success", statuses[0].State)
	require.Equal(t, "staging", statuses[0].Environment)
	require.Equal(t, statuses[1], g.Deployments("acme/shop")[0].Statuses[0])
	var found []fakegithub.Deployment
	ask(t, "GET", url+"/repos/acme/shop/deployments?environment=production", "", &found)
	require.Empty(t, found)
	status, _ = ask(t, "POST", url+"/repos/acme/shop/statuses/abc", `{"state": "success", "context": "slipway"}`, nil)
	require.Equal(t, 201, status)
	var marks []fakegithub.CommitStatus
	ask(t, "GET", url+"/repos/acme/shop/commits/abc/statuses", "", &marks)
	require.Equal(t, "slipway", marks[0].Context)
	require.Equal(t, "abc", g.CommitStatuses("acme/shop")[0].SHA)
}

func TestWhatGitHubRefusesIsRefused(t *testing.T) {
	g, url := start(t)
	hook := g.AddHook("acme/shop", "http://127.0.0.1:1", "")
	tests := map[string]struct {
		method, path, body string
		status             int
	}{
		"a hook of another repository":    {"GET", "/repos/acme/other/hooks/" + strconv.FormatInt(hook, 10) + "/deliveries", "", 404},
		"an unknown delivery":             {"GET", "/repos/acme/shop/hooks/" + strconv.FormatInt(hook, 10) + "/deliveries/7", "", 404},
		"a deployment of nothing":         {"POST", "/repos/acme/shop/deployments", `{}`, 422},
		"a deployment that is not JSON":   {"POST", "/repos/acme/shop/deployments", `{`, 400},
		"a status of no deployment":       {"POST", "/repos/acme/shop/deployments/7/statuses", `{"state": "success"}`, 404},
		"a state that nobody knows":       {"POST", "/repos/acme/shop/statuses/abc", `{"state": "fine"}`, 422},
		"another state that nobody knows": {"POST", "/repos/acme/shop/deployments/7/statuses", `{"state": "fine"}`, 422},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, _ := ask(t, tt.method, url+tt.path, tt.body, nil)
			require.Equal(t, tt.status, status)
		})
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/repos/acme/shop/deployments", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 401, resp.StatusCode)
}
