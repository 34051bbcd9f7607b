// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
	"github.com/slipwayhq/slipway/workflows"
)

// entrance is a server, and a GitHub of which a job has come to an environment with a protection rule.
type entrance struct {
	*house
	hub  *fakegithub.GitHub
	hook int64
	api  string
	job  fakegithub.Job
}

func enter(t *testing.T, changes ...func(*entrance)) *entrance {
	t.Helper()
	e := &entrance{house: furnish(t), hub: fakegithub.New("token", func() time.Time { return now })}
	api := httptest.NewServer(e.hub)
	t.Cleanup(api.Close)
	e.api, e.env["SLIPWAY_GITHUB_API"] = api.URL, api.URL
	e.write(e.plans, "shop.yaml", planText+
		"    - {sender: github, event: deployment_protection_rule, repository: acme/shop, branch: main, image: 'ghcr.io/acme/shop:{commit}'}\n"+
		"  notifications: [{to: [hub]}]\n")
	for _, change := range changes {
		change(e)
	}
	e.open()
	e.hook = e.hub.AddHook("acme/shop", e.url+"/webhooks/github", secret)
	return e
}

// comes delivers the event of a job, and returns the status and the text of the answer.
func (e *entrance) comes(change func(*fakegithub.Entry)) (int, string) {
	e.t.Helper()
	in := fakegithub.Entry{Repository: "acme/shop", Environment: "production", Branch: "main", Commit: commit, By: "grace", Event: "push", API: e.api}
	change(&in)
	job, d, err := e.hub.Enter(e.t.Context(), e.hook, in)
	require.NoError(e.t, err)
	e.job = job
	return d.StatusCode, d.Response.Payload
}

func (e *entrance) review(by, action string) (int, string) {
	e.t.Helper()
	d, err := e.hub.Review(e.t.Context(), e.hook, e.job, by, action)
	require.NoError(e.t, err)
	return d.StatusCode, d.Response.Payload
}

func TestAJobThatWaitsStartsTheReleaseThatItWaitsFor(t *testing.T) {
	e := enter(t)
	status, text := e.comes(func(*fakegithub.Entry) {})
	require.Equal(t, 202, status, text)
	all := e.temporal.requests()
	require.Len(t, all, 1)
	for _, r := range all {
		require.Equal(t, "github:grace", r.By)
		require.Equal(t, "ghcr.io/acme/shop:"+commit, r.Image)
		require.Equal(t, workflows.Source{Repository: "acme/shop", Commit: commit, Run: e.job.Run, Environment: "production"}, r.Source)
	}
	for name, tt := range map[string]struct {
		change func(*fakegithub.Entry)
		status int
		text   string
	}{
		"another branch":      {func(in *fakegithub.Entry) { in.Branch = "wild" }, 403, `the branch is \"wild\"`},
		"another environment": {func(in *fakegithub.Entry) { in.Environment = "staging" }, 403, `the environment is \"staging\"`},
		"a pull request":      {func(in *fakegithub.Entry) { in.Event = "pull_request" }, 403, "runs for a pull request"},
		"another GitHub":      {func(in *fakegithub.Entry) { in.API = "https://evil.example" }, 400, "deployment_callback_url is not of a run of acme/shop at " + e.api},
	} {
		t.Run(name, func(t *testing.T) {
			status, text := e.comes(tt.change)
			require.Equal(t, tt.status, status, text)
			require.Contains(t, text, tt.text)
			require.Len(t, e.temporal.requests(), 1)
		})
	}
}

func TestWhatAPersonHasDecidedAtGitHubIsADecisionOfTheReleaseThatWaits(t *testing.T) {
	e := enter(t)
	_, _ = e.comes(func(*fakegithub.Entry) {})
	lane := client.Lane{Environment: "production", Name: "shop"}
	running := workflows.Status{
		ID: "shop-1", Environment: "production", Service: "shop", Phase: workflows.Stepping, Next: "step 1 is watched",
		Source: workflows.Source{Repository: "acme/shop", Run: e.job.Run, Environment: "production"},
	}
	asking := running
	asking.Asks = &workflows.Question{ID: "1.1", Quorum: 1}
	ended, other, elsewhere := asking, asking, asking
	ended.Phase = workflows.Promoted
	other.Source.Run++
	elsewhere.Source.Environment = "staging"
	machine := running
	machine.Asks = &workflows.Question{ID: "1.1"}
	for _, tt := range []struct {
		name, action string
		status       workflows.Status
		code         int
		text, told   string
	}{
		{"a yes to a question", "approved", asking, 202, `"id":"shop-1"`, "approve production/shop shop-1 by github:ann: looked at it"},
		{"a no to a question", "rejected", asking, 202, `"id":"shop-1"`, "reject production/shop shop-1 by github:ann: looked at it"},
		{"a no to a release that asks nothing", "rejected", running, 202, `"id":"shop-1"`, "abort production/shop shop-1 by github:ann: looked at it"},
		{"a yes to a release that asks nothing", "approved", running, 409, "asks nobody now (step 1 is watched): the approval does not count", ""},
		{"a yes while a system is asked", "approved", machine, 409, "asks nobody now", ""},
		{"a yes to a release that has ended", "approved", ended, 404, "no running release", ""},
		{"a no to what another run waits for", "rejected", other, 404, "no running release", ""},
		{"a no to what another environment waits for", "rejected", elsewhere, 404, "no running release", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(e.temporal.commands())
			e.temporal.serve(lane, tt.status)
			code, text := e.review("ann", tt.action)
			require.Equal(t, tt.code, code, text)
			require.Contains(t, text, tt.text)
			told := e.temporal.commands()[before:]
			if tt.told == "" {
				require.Empty(t, told)
				return
			}
			require.Len(t, told, 1)
			require.True(t, strings.HasPrefix(told[0], tt.told+" (github-"), told[0])
		})
	}
	e.temporal.leave(true)
	code, text := e.review("ann", "approved")
	require.Equal(t, 503, code)
	require.Contains(t, text, "no connection: nothing was decided; deliver it again")
}

func TestALateReviewCountsOnlyForWhatWasAskedBeforeIt(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	tick := make(chan time.Time)
	var ago atomic.Int64 // what GitHub's clock is behind, as long as a delivery is made
	e := enter(t, func(e *entrance) {
		e.hub.InstallApp(7, 9, &key.PublicKey)
		e.hub.Now = func() time.Time { return now.Add(-time.Duration(ago.Load())) }
		e.env["SLIPWAY_GITHUB_APP"] = "7"
		e.write(e.secrets, "github-app", string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})))
		e.ticks[5*time.Minute] = tick
	})
	e.hook = e.hub.AddAppHook(7, "http://127.0.0.1:1", secret)  // nothing answers there
	look := func() { tick <- time.Time{}; tick <- time.Time{} } // the second is taken when the look by the first is over

	in := fakegithub.Entry{Repository: "acme/shop", Environment: "production", Branch: "main", Commit: commit, By: "grace", Event: "push", API: e.api}
	e.job, _, err = e.hub.Enter(t.Context(), e.hook, in)
	require.NoError(t, err)
	look()
	require.Len(t, e.temporal.requests(), 1, "the job's release")

	asks := func(since time.Time) {
		e.temporal.serve(client.Lane{Environment: "production", Name: "shop"}, workflows.Status{
			ID: "shop-1", Environment: "production", Service: "shop", Asks: &workflows.Question{ID: "2.2", Quorum: 1, Asked: since},
			Source: workflows.Source{Run: e.job.Run, Environment: "production"},
		})
	}
	reviewed := func(by string, before time.Duration) {
		ago.Store(int64(before))
		_, err := e.hub.Review(t.Context(), e.hook, e.job, by, "approved")
		ago.Store(0)
		require.NoError(t, err)
		look()
	}
	asks(now.Add(-5 * time.Minute))
	reviewed("ann", 10*time.Minute)
	require.Empty(t, e.temporal.commands(), "it was about another question")
	_, text := e.ask("GET", "/metrics", "")
	require.Contains(t, text, `slipway_missed_deliveries_total{result="refused"} 1`)

	asks(now.Add(-20 * time.Minute))
	reviewed("bob", 10*time.Minute)
	require.Len(t, e.temporal.commands(), 1)
	require.Contains(t, e.temporal.commands()[0], "approve production/shop shop-1 by github:bob")
}

func TestAReviewCountsOnceHoweverOftenItComes(t *testing.T) {
	e := enter(t)
	_, _ = e.comes(func(*fakegithub.Entry) {})
	e.temporal.serve(client.Lane{Environment: "production", Name: "shop"}, workflows.Status{
		ID: "shop-1", Environment: "production", Service: "shop", Asks: &workflows.Question{ID: "1.1", Quorum: 2},
		Source: workflows.Source{Run: e.job.Run, Environment: "production"},
	})
	for _, by := range []string{"ann", "ann", "bob"} {
		code, text := e.review(by, "approved")
		require.Equal(t, 202, code, text)
	}
	told := e.temporal.commands()
	require.Len(t, told, 3)
	require.Equal(t, told[0], told[1], "one identity, which a release counts once")
	require.NotEqual(t, told[0], told[2])
}
