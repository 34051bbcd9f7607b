// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

const (
	secret = "a canary of more than sixteen characters"
	commit = "0123456789abcdef0123456789abcdef01234567"
)

const planText = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: shop, environment: production}
spec:
  target: {namespace: shop, deployment: shop}
  strategy: {rolling: {}}
  triggers:
    - {sender: github, repository: acme/shop, branch: main, workflow: build.yml, image: 'ghcr.io/acme/shop:{commit}'}
    - {sender: harbor, repository: shop/shop, tag: v*, image: registry.example/shop/shop}
    - {sender: githubToken, repository: acme/shop, repositoryID: '7', ownerID: '3', branch: main, workflow: 'acme/shop/.github/workflows/release.yml@refs/heads/main', image: ghcr.io/acme/shop}
`

// now is the time of every test.
var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

// locked lets several write at once.
type locked struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *locked) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// house is a server with its plans and secrets.
type house struct {
	t        *testing.T
	temporal *temporal
	plans    string
	secrets  string
	env      map[string]string
	ticks    map[time.Duration]chan time.Time
	log      locked
	// token may do everything, reader only look.
	token, reader string
	parts         []server.Part
	// live has a release that runs, if there is one.
	live *live
	// client asks; nil is the default one.
	client *http.Client

	*server.Server
	url string
}

func furnish(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, temporal: newTemporal(), plans: t.TempDir(), secrets: t.TempDir(), ticks: map[time.Duration]chan time.Time{}}
	var tokens []access.Token
	for _, one := range []struct {
		name   string
		to     *string
		rights []access.Right
	}{{"ci", &h.token, []access.Right{access.Read, access.Start, access.Steer}}, {"screen", &h.reader, []access.Right{access.Read}}} {
		token, hash := access.NewToken()
		*one.to = token
		tokens = append(tokens, access.Token{Name: one.name, SHA256: hash, Rights: one.rights, Services: []string{"production/*"}})
	}
	text, err := access.FormatTokens(tokens...)
	require.NoError(t, err)
	h.write(h.secrets, "api-tokens", text)
	h.write(h.secrets, "github", secret+"\n")
	h.write(h.secrets, "harbor", secret)
	h.write(h.secrets, "github-token", "token\n")
	h.write(h.plans, "shop.yaml", planText)
	h.env = map[string]string{
		"SLIPWAY_PUBLIC_URL": "https://slipway.example/", "SLIPWAY_PLANS": h.plans, "SLIPWAY_SECRETS": h.secrets, "SLIPWAY_SENDERS": "github,harbor",
	}
	return h
}

func (h *house) write(dir, file, text string) {
	h.t.Helper()
	require.NoError(h.t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
}

// make is what main does.
func (h *house) make() error {
	c, err := server.Configure(h.env)
	if err != nil {
		return err
	}
	var reached server.Temporal = h.temporal
	if h.live != nil {
		reached = h.live
	}
	h.Server, err = server.New(c, server.World{
		Temporal: reached, Logger: slog.New(slog.NewTextHandler(&h.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Now: func() time.Time { return now }, Tick: h.tick, Parts: h.parts,
	})
	return err
}

func (h *house) tick(every time.Duration) (<-chan time.Time, func()) {
	return h.ticks[every], func() {}
}

// open serves it on a port until the test ends, and requires that it then stops in order.
func (h *house) open() {
	h.t.Helper()
	require.NoError(h.t, h.make())
	var listen net.ListenConfig
	on, err := listen.Listen(h.t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(h.t, err)
	h.url = "http://" + on.Addr().String()
	if h.env["SLIPWAY_TLS_CERT"] != "" {
		h.url = "https://" + on.Addr().String()
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(h.t.Context())) // it is stopped after the test
	stopped := make(chan error, 1)
	go func() { stopped <- h.Run(ctx, on) }()
	h.t.Cleanup(func() {
		stop()
		require.NoError(h.t, <-stopped)
		require.NotContains(h.t, h.log.String(), secret)
		require.NotContains(h.t, h.log.String(), h.token)
	})
}

// ask sends a request, with headers as pairs, and returns status and body.
func (h *house) ask(method, path, body string, header ...string) (int, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.url+path, strings.NewReader(body))
	require.NoError(h.t, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := cmp.Or(h.client, http.DefaultClient).Do(req)
	require.NoError(h.t, err)
	text, err := io.ReadAll(resp.Body)
	require.NoError(h.t, err)
	require.NoError(h.t, resp.Body.Close())
	return resp.StatusCode, string(text)
}

func (h *house) as(token string) []string { return []string{"Authorization", "Bearer " + token} }

// run is a delivery of GitHub, at a number of minutes from now.
func run(changes ...string) string {
	text := `{"action": "completed", "workflow_run": {"id": 99, "run_attempt": 1, "name": "Build", "path": ".github/workflows/build.yml", "head_branch": "main",
		"head_sha": "` + commit + `", "event": "push", "conclusion": "success", "run_started_at": "2030-01-01T08:50:00Z", "updated_at": "2030-01-01T08:59:00Z",
		"html_url": "https://github.com/acme/shop/actions/runs/99", "head_repository": {"id": 7}},
		"repository": {"id": 7, "full_name": "acme/shop", "owner": {"id": 3}}, "sender": {"login": "ada"}}`
	for i := 0; i < len(changes); i += 2 {
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return text
}

func (h *house) deliver(body string) (int, string) {
	return h.ask("POST", "/webhooks/github", body, "Content-Type", "application/json", "X-GitHub-Event", "workflow_run",
		"X-Hub-Signature-256", "sha256="+fakegithub.Sign(secret, []byte(body)))
}

func TestASignedDeliveryStartsOneReleaseHoweverOftenItComes(t *testing.T) {
	h := furnish(t)
	h.open()
	status, text := h.deliver(run())
	require.Equal(t, 202, status, text)
	require.JSONEq(t, `{"releases": [{"id": "shop-production", "service": "production/shop", "image": "ghcr.io/acme/shop:`+commit+`",
		"link": "https://slipway.example/api/v1/releases/production/shop/shop-production"}]}`, text)
	for range 3 {
		status, text = h.deliver(run())
		require.Equal(t, 202, status)
		require.Contains(t, text, `"known":true`)
	}
	all := h.temporal.requests()
	require.Len(t, all, 1)
	r := all["production/shop github run/99/1"]
	require.Equal(t, "github:ada", r.By)
	require.Equal(t, "2030-01-01T08:50:00Z", r.Event.Format(time.RFC3339))
	require.Contains(t, h.log.String(), `msg="delivery taken" sender=github event=workflow_run releases=[shop-production]`)
}

func TestWhatIsNotTakenIsAnsweredWithTheReasonAndStartsNothing(t *testing.T) {
	h := furnish(t)
	h.open()
	signed := func(body string) (int, string) { return h.deliver(body) }
	tests := map[string]struct {
		ask    func() (int, string)
		status int
		text   string
	}{
		"unsigned":               {func() (int, string) { return h.ask("POST", "/webhooks/github", run()) }, 401, "has no X-Hub-Signature-256"},
		"an old event":           {func() (int, string) { return signed(run("08:59:00", "07:59:59")) }, 409, "the event happened at 2030-01-01T07:59:59Z"},
		"another branch":         {func() (int, string) { return signed(run(`"main"`, `"wild"`)) }, 403, `the branch is \"wild\", and only \"main\" is taken`},
		"another workflow":       {func() (int, string) { return signed(run("Build", "Lint", "build.yml", "lint.yml")) }, 403, "the workflow is"},
		"an unknown repository":  {func() (int, string) { return signed(run("acme/shop", "acme/other")) }, 404, "no plan has a trigger for acme/other of github"},
		"a run that failed":      {func() (int, string) { return signed(run("success", "failure")) }, 200, "nothing to do: the workflow run ended as failure"},
		"broken JSON":            {func() (int, string) { return signed("{") }, 400, "read body"},
		"nested deeply":          {func() (int, string) { return signed(strings.Repeat("[", 200_000)) }, 400, "nested more than 64 deep"},
		"too large":              {func() (int, string) { return signed(strings.Repeat("x", 1<<20+1)) }, 413, "more than 1 MiB"},
		"a sender that is off":   {func() (int, string) { return h.ask("POST", "/webhooks/quay?secret=x", "{}") }, 404, "this sender is not taken"},
		"an unknown sender":      {func() (int, string) { return h.ask("POST", "/webhooks/gitea", "{}") }, 404, "this sender is not taken"},
		"another method":         {func() (int, string) { return h.ask("GET", "/webhooks/github", "") }, 405, "webhooks are delivered by POST"},
		"a secret in an address": {func() (int, string) { return h.ask("POST", "/webhooks/harbor?secret=wrong", "{}") }, 401, "the delivery's secret is another one"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, text := tt.ask()
			require.Equal(t, tt.status, status, text)
			require.Contains(t, text, tt.text)
			require.Empty(t, h.temporal.requests())
		})
	}
}

func TestWhileTemporalIsAwayDeliveriesAreRefusedAndNothingIsLost(t *testing.T) {
	h := furnish(t)
	h.open()
	h.temporal.leave(true)
	status, text := h.deliver(run())
	require.Equal(t, 503, status)
	require.Contains(t, text, "could not be handed over (no connection): deliver it again; it is started once")
	status, text = h.ask("GET", "/readyz", "")
	require.Equal(t, 200, status)
	require.Contains(t, text, "what is sent now is refused with 503")
	h.temporal.leave(false)
	status, _ = h.deliver(run())
	require.Equal(t, 202, status)
	_, text = h.ask("GET", "/metrics", "")
	require.Contains(t, text, `slipway_deliveries_total{sender="github",status="503"} 1`)
	require.Contains(t, text, `slipway_deliveries_total{sender="github",status="202"} 1`)
	require.NotContains(t, text, secret)
}

func TestABrokenPlanIsNamedAndReadAgainOnceItIsRight(t *testing.T) {
	h := furnish(t)
	h.ticks[2*time.Second] = make(chan time.Time)
	h.write(h.plans, "other.yaml", strings.ReplaceAll(strings.Replace(planText, "strategy", "stratgy", 1), "shop", "other"))
	h.open()
	status, _ := h.deliver(run())
	require.Equal(t, 202, status, "the other plan is in order")
	status, text := h.deliver(run("acme/shop", "acme/other"))
	require.Equal(t, 503, status)
	require.Contains(t, text, "the plans other.yaml are broken, and may have taken this event")
	_, text = h.ask("GET", "/metrics", "")
	require.Contains(t, text, `slipway_plan_broken{file="other.yaml"} 1`)
	require.Contains(t, text, "slipway_plans 1")
	_, text = h.ask("GET", "/api/v1/plans", "", h.as(h.reader)...)
	require.Contains(t, text, `unknown field \"stratgy\"`)
	h.write(h.plans, "other.yaml", strings.ReplaceAll(planText, "shop", "other"))
	h.ticks[2*time.Second] <- time.Time{}
	h.ticks[2*time.Second] <- time.Time{} // the first one has been done
	status, _ = h.deliver(run("acme/shop", "acme/other"))
	require.Equal(t, 202, status)
	_, text = h.ask("GET", "/metrics", "")
	require.Contains(t, text, "slipway_plans 2")
	require.NotContains(t, text, "slipway_plan_broken{")
}

func TestAServerThatNobodyCouldUseOrThatCouldNotVerifyDoesNotStart(t *testing.T) {
	tests := map[string]struct {
		change func(h *house)
		want   string
	}{
		"no secret":                {func(h *house) { require.NoError(h.t, os.Remove(filepath.Join(h.secrets, "github"))) }, "read secret of github: "},
		"an empty secret":          {func(h *house) { h.write(h.secrets, "github", "\n") }, "read secret of github: there is no secret"},
		"a short secret":           {func(h *house) { h.write(h.secrets, "harbor", "short") }, "read secret of harbor: a secret has 5 characters"},
		"a secret of another kind": {func(h *house) { h.env["SLIPWAY_SENDERS"] = "generic"; h.write(h.secrets, "generic", secret) }, "read secret of generic: a secret of Standard Webhooks"},
		"a broken signing token": {func(h *house) {
			h.env["SLIPWAY_SENDERS"] = "gitlab"
			h.write(h.secrets, "gitlab", "whsec_aaaaaaaaaaaa")
		}, "read secret of gitlab: a secret of Standard Webhooks"},
		"no directory of secrets":    {func(h *house) { delete(h.env, "SLIPWAY_SECRETS") }, "SLIPWAY_SECRETS is needed"},
		"an unknown sender":          {func(h *house) { h.env["SLIPWAY_SENDERS"] = "gitea" }, `there is no sender "gitea"`},
		"no plans":                   {func(h *house) { h.env["SLIPWAY_PLANS"] = h.plans + "/none" }, "set SLIPWAY_PLANS"},
		"tokens that are broken":     {func(h *house) { h.write(h.secrets, "api-tokens", "tokens: [{}]") }, "read tokens: token 1"},
		"nobody who could start":     {func(h *house) { h.env["SLIPWAY_SENDERS"] = ""; h.write(h.secrets, "api-tokens", "") }, "nobody could start anything"},
		"a hook that is none":        {func(h *house) { h.env["SLIPWAY_GITHUB_HOOKS"] = "acme/shop" }, `"acme/shop" is not a webhook`},
		"hooks without a token":      {func(h *house) { h.env["SLIPWAY_GITHUB_HOOKS"] = "acme/shop/1"; h.write(h.secrets, "github-token", " ") }, "the file is empty"},
		"hooks without their sender": {func(h *house) { h.env["SLIPWAY_GITHUB_HOOKS"], h.env["SLIPWAY_SENDERS"] = "acme/shop/1", "harbor" }, "are of no use without github"},
		"no address":                 {func(h *house) { delete(h.env, "SLIPWAY_PUBLIC_URL") }, "SLIPWAY_PUBLIC_URL"},
		"an address that is none":    {func(h *house) { h.env["SLIPWAY_PUBLIC_URL"] = "slipway.example" }, "SLIPWAY_PUBLIC_URL \"slipway.example\" is not a URL"},
		"an issuer that is none":     {func(h *house) { h.env["SLIPWAY_GITLAB_ISSUER"] = "gitlab" }, "SLIPWAY_GITLAB_ISSUER"},
		"plans read all the time":    {func(h *house) { h.env["SLIPWAY_PLANS_INTERVAL"] = "1ms" }, "SLIPWAY_PLANS_INTERVAL is 1ms; write a length of time from 100ms to 1h0m0s"},
		"events of last year":        {func(h *house) { h.env["SLIPWAY_MAX_EVENT_AGE"] = "25h" }, "SLIPWAY_MAX_EVENT_AGE is 25h"},
		"no look for what is missed": {func(h *house) { h.env["SLIPWAY_MISSED_INTERVAL"] = "0s" }, "SLIPWAY_MISSED_INTERVAL is 0s"},
		"people nobody could be": {func(h *house) {
			h.write(h.secrets, "api-tokens", "people: [{name: ann, rights: [read], services: ['a/b']}]")
		}, "nobody can prove to be one: set SLIPWAY_OIDC_ISSUER or SLIPWAY_TLS_CLIENT_CA"},
		"people without rights": {func(h *house) {
			h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_OIDC_AUDIENCE"] = "https://login.example", "slipway"
		}, "none may do anything: write their rights below people"},
		"people without an audience":    {func(h *house) { h.env["SLIPWAY_OIDC_ISSUER"] = "https://login.example" }, "the tokens of people need an audience"},
		"an audience without an issuer": {func(h *house) { h.env["SLIPWAY_OIDC_AUDIENCE"] = "slipway" }, "of no use without SLIPWAY_OIDC_ISSUER"},
		"people by an open line": {func(h *house) {
			h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_OIDC_AUDIENCE"] = "http://login.example", "slipway"
		}, "must be an address with https"},
		"people by names they choose": {func(h *house) {
			h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_OIDC_AUDIENCE"], h.env["SLIPWAY_OIDC_NAME_CLAIM"] = "https://login.example", "slipway", "nickname"
		}, "no proof of who they are"},
		"people and jobs of one issuer": {func(h *house) { h.env["SLIPWAY_OIDC_ISSUER"] = access.IssuerGitHub }, "is the issuer of CI jobs too"},
		"people and jobs of one GitLab": {func(h *house) {
			h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_GITLAB_ISSUER"] = "https://gitlab.example", "https://gitlab.example"
		}, "is the issuer of CI jobs too"},
		"a name that is never read": {func(h *house) {
			h.env["SLIPWAY_OIDC_ISSUER"], h.env["SLIPWAY_OIDC_AUDIENCE"] = "https://login.example", "slipway"
			h.write(h.secrets, "api-tokens", "people: [{name: Ann, rights: [read], services: ['a/b']}]")
		}, "has rights of Ann: write names in lower case"},
		"a certificate without its key": {func(h *house) { h.env["SLIPWAY_TLS_CERT"] = "tls.crt" }, "SLIPWAY_TLS_CERT and SLIPWAY_TLS_KEY are of no use without each other"},
		"certificates without TLS":      {func(h *house) { h.env["SLIPWAY_TLS_CLIENT_CA"] = "ca.crt" }, "SLIPWAY_TLS_CLIENT_CA needs SLIPWAY_TLS_CERT"},
		"a certificate that is not there": {func(h *house) {
			h.env["SLIPWAY_TLS_CERT"], h.env["SLIPWAY_TLS_KEY"] = h.plans+"/tls.crt", h.plans+"/tls.key"
		}, "see SLIPWAY_TLS_CERT and SLIPWAY_TLS_KEY"},
		"a log level nobody knows": {func(h *house) { h.env["SLIPWAY_LOG_LEVEL"] = "loud" }, "loud"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := furnish(t)
			h.t = t
			tt.change(h)
			require.ErrorContains(t, h.make(), tt.want)
		})
	}
}

func TestMissedDeliveriesAreFetchedOnceAndTakenTheSameWayIn(t *testing.T) {
	h := furnish(t)
	hub := fakegithub.New("token", func() time.Time { return now })
	api := httptest.NewServer(hub)
	t.Cleanup(api.Close)
	hook := hub.AddHook("acme/shop", "http://127.0.0.1:1", secret) // nothing answers there
	for i, body := range []string{run(), run("success", "failure"), run(`"main"`, `"wild"`)} {
		_, err := hub.Deliver(t.Context(), hook, "workflow_run", json.RawMessage(body))
		require.NoError(t, err, i)
	}
	h.env["SLIPWAY_GITHUB_API"], h.env["SLIPWAY_GITHUB_HOOKS"] = api.URL, "acme/shop/1000001"
	require.EqualValues(t, 1000001, hook)
	h.ticks[5*time.Minute] = make(chan time.Time)
	h.temporal.leave(true)
	h.open()
	h.ticks[5*time.Minute] <- time.Time{} // the look after the start is over
	require.Empty(t, h.temporal.requests())
	h.temporal.leave(false)
	h.ticks[5*time.Minute] <- time.Time{} // so is the one that could not hand over
	h.ticks[5*time.Minute] <- time.Time{} // so is the one that could
	require.Len(t, h.temporal.requests(), 1)
	status, text := h.deliver(run())
	require.Equal(t, 202, status)
	require.Contains(t, text, `"known":true`, "the same event by the front door is the same release")
	_, text = h.ask("GET", "/metrics", "")
	require.Contains(t, text, `slipway_missed_deliveries_total{result="taken"} 1`)
	require.Contains(t, text, `slipway_missed_deliveries_total{result="refused"} 2`)
	require.Contains(t, text, `slipway_missed_deliveries_total{result="failed"}`)
}
