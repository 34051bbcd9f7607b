// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// The secrets of a server; they must be found nowhere.
const (
	hookSecret  = "canary-4711-of-the-webhook"
	githubToken = "canary-4712-of-github-deliveries"
)

const pushTrigger = "{sender: github, repository: acme/shop, branch: main, workflow: build.yml, image: 'registry.sandbox/shop:{commit}'}"

// reception is a server with the plan of a shop, a GitHub that sends it webhooks, and a token of its API.
type reception struct {
	t      *testing.T
	shop   *stage.Shop
	server *stage.Server
	github *fakegithub.GitHub
	hook   int64
	token  string
}

// entry is how events come to a reception.
type entry struct {
	// github sends them, api is its address; nil: a new one.
	github *fakegithub.GitHub
	api    string
	// trigger of the plan; default pushTrigger.
	trigger string
	// url that the webhook goes to; default the server's.
	url string
	// env is added to the server's environment.
	env map[string]string
}

// receive opens one.
func receive(t *testing.T, shop *stage.Shop, q stage.Quick, e entry) *reception {
	t.Helper()
	file, err := shop.Plan(q)
	require.NoError(t, err)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var made struct{ Token, File string }
	said := slipway(t, "token", "--name", "ci", "--right", "read,start,steer", "--service", "test/*", "-o", "json")
	require.NoError(t, json.Unmarshal([]byte(said.Out), &made), said.Err)
	world.Plant("a token of the API", made.Token)
	world.Plant("the secret of the webhook", hookSecret)
	world.Plant("the token of GitHub's deliveries", githubToken)
	if e.github == nil {
		e.github = fakegithub.New(githubToken, time.Now)
		api := httptest.NewServer(e.github)
		t.Cleanup(api.Close)
		e.api = api.URL
	}
	environment := map[string]string{
		"SLIPWAY_SENDERS": "github", "SLIPWAY_GITHUB_API": e.api, "SLIPWAY_GITHUB_HOOKS": "acme/shop/1000001", "SLIPWAY_MISSED_INTERVAL": "1s",
		"SLIPWAY_APPROVAL_KEY": world.Key.Reveal(),
	}
	maps.Copy(environment, e.env)
	r := &reception{t: t, shop: shop, github: e.github, token: made.Token}
	r.server, err = world.StartServer(t.Context(), stage.ServerOptions{
		Plans:   map[string]string{"shop.yaml": string(text) + "  triggers: [" + cmp.Or(e.trigger, pushTrigger) + "]\n"},
		Secrets: map[string]string{"github": hookSecret, "api-tokens": made.File, "github-token": githubToken},
		Env:     environment,
	})
	require.NoError(t, err)
	t.Cleanup(r.close)
	r.hook = r.github.AddHook("acme/shop", cmp.Or(e.url, r.server.URL)+"/webhooks/github", hookSecret)
	return r
}

// close ends the server after a last look at its metrics, in which no secret may be.
func (r *reception) close() {
	_, metrics, err := r.ask(context.WithoutCancel(r.t.Context()), "GET", r.server.URL+"/metrics", "")
	require.NoError(r.t, errors.Join(err, reveals("the server's metrics", []byte(metrics)), r.server.Kill()))
}

// pushed is an image that CI has built of a commit, and the event that tells so.
func (r *reception) pushed(version, commit string) (string, any) {
	r.t.Helper()
	built := image(r.t, version)
	world.Registry.Tag(built, commit)
	at := time.Now().UTC().Format(time.RFC3339)
	return built, map[string]any{
		"action": "completed",
		"workflow_run": map[string]any{
			"id": 99, "run_attempt": 1, "name": "Build", "path": ".github/workflows/build.yml", "head_branch": "main", "head_sha": commit, "event": "push",
			"conclusion": "success", "run_started_at": at, "updated_at": at, "html_url": "https://github.com/acme/shop/actions/runs/99", "head_repository": map[string]any{"id": 7},
		},
		"repository": map[string]any{"id": 7, "full_name": "acme/shop", "owner": map[string]any{"id": 3}}, "sender": map[string]any{"login": "grace"},
	}
}

func (r *reception) deliver(event any) fakegithub.Delivery {
	r.t.Helper()
	d, err := r.github.Deliver(r.t.Context(), r.hook, "workflow_run", event)
	require.NoError(r.t, err)
	return d
}

// receipt is the one release of an answer.
func receipt(t *testing.T, d fakegithub.Delivery) (id, link string) {
	t.Helper()
	require.Equal(t, 202, d.StatusCode, d.Response)
	var taken struct{ Releases []struct{ ID, Link string } }
	require.NoError(t, json.Unmarshal([]byte(d.Response.Payload), &taken))
	require.Len(t, taken.Releases, 1)
	return taken.Releases[0].ID, taken.Releases[0].Link
}

// ask asks the API and returns what it answers.
func (r *reception) ask(ctx context.Context, method, url, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), errors.Join(err, resp.Body.Close())
}

// until waits until the API says something of a release.
func (r *reception) until(link, text string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(r.t, stage.Await(ctx, func(ctx context.Context) error {
		_, said, err := r.ask(ctx, "GET", link, "")
		if err == nil && !strings.Contains(said, text) {
			err = errors.New(said)
		}
		return err
	}))
}

func TestASignedWebhookIsReleasedOnceHoweverOftenItIsDelivered(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "hooked"})
	r := receive(t, shop, stage.Quick{Steps: stage.Holding("2s", 10)}, entry{})
	built, event := r.pushed("v2", strings.Repeat("a", 40))
	id, link := receipt(t, r.deliver(event))
	require.Contains(t, id, "hooked-")
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() { r.deliver(event) })
	}
	wait.Wait()
	r.until(link, `"phase":"promoted"`)
	status, said, err := r.ask(t.Context(), "GET", link, "")
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Contains(t, said, `"image":"`+built+`"`, "the tag was pinned")
	require.Contains(t, said, `"requestedBy":"github:grace"`)
	again, _ := receipt(t, r.deliver(event))
	require.Equal(t, id, again, "also when it is over")
	_, list, err := r.ask(t.Context(), "GET", r.server.URL+"/api/v1/releases/test/hooked", "")
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(list, `"id":`), list)
	atRest(t, shop, built)
	keepHistory(t, intakeOf(id), "intake")
}

// intakeOf is the workflow that has brought a release in.
func intakeOf(id string) string { return "intake/" + id[strings.LastIndex(id, "-")+1:] }

func TestAReleaseIsSteeredOverTheAPI(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "steered"})
	r := receive(t, shop, stage.Quick{Steps: stage.Holding("10m", 20)}, entry{})
	began, built := time.Now(), image(t, "v2")
	status, said, err := r.ask(t.Context(), "POST", r.server.URL+"/api/v1/releases", fmt.Sprintf(`{"service": "test/steered", "image": %q}`, built))
	require.NoError(t, err)
	require.Equal(t, 202, status, said)
	var one struct{ Link string }
	require.NoError(t, json.Unmarshal([]byte(said), &one))
	r.until(one.Link, `"state":"watching"`)
	for _, command := range []string{"pause", "resume"} {
		status, said, err = r.ask(t.Context(), "POST", one.Link+"/"+command, "")
		require.NoError(t, err)
		require.Equal(t, 200, status, said)
		require.Contains(t, said, command+" by token:ci")
	}
	ended := make(chan string, 1)
	go func() { // a stream ends with its release
		_, text, _ := r.ask(context.WithoutCancel(t.Context()), "GET", one.Link+"/events", "")
		ended <- text
	}()
	status, said, err = r.ask(t.Context(), "POST", one.Link+"/abort", `{"reason": "enough"}`)
	require.NoError(t, err)
	require.Equal(t, 200, status, said)
	text := <-ended
	require.Contains(t, text, "abort by token:ci (token): enough")
	require.Contains(t, text, `"phase":"undone"`)
	require.Equal(t, []int{20, 0}, shop.Route.Shares(began))
	atRest(t, shop, shop.Image)
	status, said, err = r.ask(t.Context(), "POST", r.server.URL+"/api/v1/releases", fmt.Sprintf(`{"service": "test/steered", "image": %q}`, built))
	require.NoError(t, err)
	require.Equal(t, 202, status, said)
	require.NoError(t, json.Unmarshal([]byte(said), &one))
	r.until(one.Link, "is in quarantine")
}

func TestWhatWasMissedWhileTheServerWasAwayIsFetched(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "missed"})
	r := receive(t, shop, stage.Quick{Steps: stage.Holding("2s", 10)}, entry{url: "http://127.0.0.1:1"})
	built, event := r.pushed("v2", strings.Repeat("b", 40))
	require.Zero(t, r.deliver(event).StatusCode, "nobody was there")
	r.until(r.server.URL+"/api/v1/releases/test/missed", `"phase":"promoted"`)
	atRest(t, shop, built)
}
