// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/api"
	"github.com/slipwayhq/slipway/testsuite/fakeissuer"
	"github.com/slipwayhq/slipway/workflows"
)

var update = flag.Bool("update", false, "write the generated files anew")

const digest = "@sha256:0000000000000000000000000000000000000000000000000000000000000001"

const releases = "/api/v1/releases/production/shop/"

// described requires that an answer is what the description says of its operation and status.
func (h *house) described(method, path string, status int, body string) {
	h.t.Helper()
	_, text := h.ask("GET", "/api/v1/openapi.json", "")
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	require.NoError(h.t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(h.t, compiler.AddResource("api.json", document))
	operation := document.(map[string]any)["paths"].(map[string]any)[path].(map[string]any)[strings.ToLower(method)].(map[string]any)
	answer := strconv.Itoa(status)
	if _, ok := operation["responses"].(map[string]any)[answer]; !ok {
		answer = "default"
	}
	escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(path)
	schema, err := compiler.Compile("api.json#/paths/" + escaped + "/" + strings.ToLower(method) + "/responses/" + answer + "/content/application~1json/schema")
	require.NoError(h.t, err)
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	require.NoError(h.t, err, body)
	require.NoError(h.t, schema.Validate(value), body)
}

func TestEveryAnswerOfTheAPIIsAsDescribed(t *testing.T) {
	const one = "/api/v1/releases/{environment}/{service}/{release}"
	start := `{"service": "production/shop", "image": "ghcr.io/acme/shop` + digest + `"}`
	tests := map[string]struct {
		method, path, described, body string
		reader                        bool
		status                        int
		text                          string
	}{
		"plans":                         {"GET", "/api/v1/plans", "/api/v1/plans", "", true, 200, `"service":"production/shop"`},
		"a start":                       {"POST", "/api/v1/releases", "/api/v1/releases", start, false, 202, `"id":"shop-production"`},
		"a start by a tag":              {"POST", "/api/v1/releases", "/api/v1/releases", `{"service": "production/shop", "image": "ghcr.io/acme/shop:v2"}`, false, 202, `"image":"ghcr.io/acme/shop:v2"`},
		"a start without the right":     {"POST", "/api/v1/releases", "/api/v1/releases", start, true, 403, "the token screen has no right to start"},
		"a start elsewhere":             {"POST", "/api/v1/releases", "/api/v1/releases", `{"service": "staging/shop", "image": "a:b"}`, false, 403, "no right to start for staging/shop"},
		"a start without a plan":        {"POST", "/api/v1/releases", "/api/v1/releases", `{"service": "production/other", "image": "a:b"}`, false, 404, "there is no plan of production/other"},
		"a start of no service":         {"POST", "/api/v1/releases", "/api/v1/releases", `{"image": "a:b"}`, false, 400, "is not a service"},
		"a start of no image":           {"POST", "/api/v1/releases", "/api/v1/releases", `{"service": "production/shop"}`, false, 400, "invalid reference format"},
		"a start of everything":         {"POST", "/api/v1/releases", "/api/v1/releases", `{"service": "production/shop", "image": "ghcr.io/acme/shop"}`, false, 400, "has neither tag nor digest"},
		"a start with a mistake":        {"POST", "/api/v1/releases", "/api/v1/releases", `{"servce": "production/shop"}`, false, 400, `unknown field`},
		"a start that is no JSON":       {"POST", "/api/v1/releases", "/api/v1/releases", `{`, false, 400, "read body"},
		"a start nested deeply":         {"POST", "/api/v1/releases", "/api/v1/releases", strings.Repeat("[", 60_000), false, 400, "nested more than 64 deep"},
		"a start that is too large":     {"POST", "/api/v1/releases", "/api/v1/releases", strings.Repeat(" ", 64<<10+1), false, 413, "more than 64 KiB"},
		"a list":                        {"GET", "/api/v1/releases/production/shop", "/api/v1/releases/{environment}/{service}", "", true, 200, `"id":"shop-20"`},
		"a list of some":                {"GET", "/api/v1/releases/production/shop?limit=7", "/api/v1/releases/{environment}/{service}", "", true, 200, `"id":"shop-7"`},
		"a list of too many":            {"GET", "/api/v1/releases/production/shop?limit=1001", "/api/v1/releases/{environment}/{service}", "", true, 400, "write a number from 1 to 1000"},
		"a list of a service elsewhere": {"GET", "/api/v1/releases/staging/shop", "/api/v1/releases/{environment}/{service}", "", true, 403, "no right to read for staging/shop"},
		"a service that is none":        {"GET", "/api/v1/releases/production/Sh'op", "/api/v1/releases/{environment}/{service}", "", true, 404, "is not a service"},
		"a release that runs":           {"GET", releases + "runs", one, "", true, 200, `"phase":"baking"`},
		"a release that waits":          {"GET", releases + "waits", one, "", true, 200, `"state":"queued"`},
		"a release nobody knows":        {"GET", releases + "other", one, "", true, 404, "knows no release other"},
		"a pause":                       {"POST", releases + "runs/pause", one + "/pause", `{"reason": "lunch"}`, false, 200, `"id":"runs"`},
		"a resume without a body":       {"POST", releases + "runs/resume", one + "/resume", "", false, 200, `"id":"runs"`},
		"an abort":                      {"POST", releases + "runs/abort", one + "/abort", `{"reason": "broken"}`, false, 200, `"id":"runs"`},
		"an abort without a reason":     {"POST", releases + "runs/abort", one + "/abort", "", false, 400, "an abort needs a reason"},
		"an abort by a reader":          {"POST", releases + "runs/abort", one + "/abort", `{"reason": "broken"}`, true, 403, "the token screen has no right to steer for production/shop"},
		"an abort of what waits":        {"POST", releases + "waits/abort", one + "/abort", `{"reason": "old"}`, false, 200, `"phase":"superseded"`},
		"a pause of what waits":         {"POST", releases + "waits/pause", one + "/pause", "", false, 409, "waits has not begun: it waits"},
		"a pause of what is over":       {"POST", releases + "over/pause", one + "/pause", "", false, 409, ""},
		"a command to nobody":           {"POST", releases + "other/pause", one + "/pause", "", false, 404, "knows no release other"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h := furnish(t)
			h.open()
			h.temporal.set("runs", workflows.Baking)
			h.temporal.set("over", workflows.Promoted)
			h.temporal.places["waits"] = workflows.Place{ID: "waits", State: workflows.PlaceQueued, Position: 1, Reason: "it waits"}
			token := h.token
			if tt.reader {
				token = h.reader
			}
			status, text := h.ask(tt.method, tt.path, tt.body, h.as(token)...)
			require.Equal(t, tt.status, status, text)
			require.Contains(t, text, tt.text)
			h.described(tt.method, tt.described, status, text)
		})
	}
}

func TestCommandsCarryWhoHasGivenThemAndCountOnce(t *testing.T) {
	h := furnish(t)
	h.open()
	h.temporal.set("runs", workflows.Baking)
	h.temporal.places["waits"] = workflows.Place{ID: "waits", State: workflows.PlaceQueued}
	h.ask("POST", releases+"runs/abort", `{"reason": "broken"}`, append(h.as(h.token), "Idempotency-Key", "k1")...)
	h.ask("POST", releases+"waits/abort", `{"reason": "old"}`, h.as(h.token)...)
	require.Equal(t, []string{
		"abort production/shop runs by token:ci: broken (api ci k1)", "withdraw production/shop waits by token:ci: old",
	}, h.temporal.commands())
}

func TestStartsOfOneIdempotencyKeyAreOne(t *testing.T) {
	h := furnish(t)
	h.open()
	body := `{"service": "production/shop", "image": "ghcr.io/acme/shop` + digest + `"}`
	for range 3 {
		status, _ := h.ask("POST", "/api/v1/releases", body, append(h.as(h.token), "Idempotency-Key", "build-7")...)
		require.Equal(t, 202, status)
	}
	all := h.temporal.requests()
	require.Len(t, all, 1)
	require.Equal(t, "token:ci", all["production/shop api ci build-7"].By)
	status, text := h.ask("POST", "/api/v1/releases", strings.Replace(body, digest, ":v3", 1), append(h.as(h.token), "Idempotency-Key", "build-7")...)
	require.Equal(t, 409, status)
	require.Contains(t, text, "the same key was used before, for release shop-production: nothing was started")
	status, text = h.ask("POST", "/api/v1/releases", body, append(h.as(h.token), "Idempotency-Key", strings.Repeat("k", 201))...)
	require.Equal(t, 400, status)
	require.Contains(t, text, "Idempotency-Key has more than 200 characters")
	h.ask("POST", "/api/v1/releases", body, h.as(h.token)...)
	h.ask("POST", "/api/v1/releases", body, h.as(h.token)...)
	require.Len(t, h.temporal.requests(), 3, "without a key each is another one")
}

func TestWhoeverProvesNothingIsRefused(t *testing.T) {
	h, issuer, claims := courtHouse(t)
	_, stranger, strange := courtHouse(t)
	sum := sha256.Sum256([]byte(h.token))
	job := func(by *fakeissuer.Issuer, claims map[string]any, name string, value any) []string {
		changed := maps.Clone(claims)
		changed[name] = value
		token, err := by.Sign(changed)
		require.NoError(t, err)
		return h.as(token)
	}
	header := func(value string) []string { return []string{"Authorization", value} }
	tests := map[string]struct {
		header []string
		status int
	}{
		"nothing":                       {nil, 401},
		"another token":                 {h.as("slipway_wrong"), 401},
		"an empty token":                {h.as(""), 401},
		"a scheme alone":                {header("Bearer"), 401},
		"another scheme":                {header("Basic " + h.token), 401},
		"a token without a scheme":      {header(h.token), 401},
		"a token behind two blanks":     {h.as(" " + h.token), 401},
		"a token cut short":             {h.as(h.token[:len(h.token)-1]), 401},
		"a token with something behind": {h.as(h.token + " x"), 401},
		"a token in lower case":         {h.as(strings.ToLower(h.token)), 401},
		"the hash of a token":           {h.as(hex.EncodeToString(sum[:])), 401},
		"a token in another header":     {[]string{"Proxy-Authorization", "Bearer " + h.token}, 401},
		"a token as a cookie":           {[]string{"Cookie", "Authorization=Bearer " + h.token}, 401},
		"two Authorizations":            {append(h.as(h.token), h.as(h.token)...), 401},
		"a wrong one before the right":  {append(h.as("slipway_wrong"), h.as(h.token)...), 401},
		"a wrong one behind the right":  {append(h.as(h.token), h.as("slipway_wrong")...), 401},
		"two tokens in one":             {header("Bearer " + h.token + ", Bearer " + h.token), 401},
		"a token that cannot be read":   {h.as("a.b.c"), 401},
		"a job of an unknown issuer":    {job(stranger, strange, "actor", "ada"), 401},
		"a job by a key of somebody":    {job(stranger, claims, "actor", "ada"), 401},
		"a job for somebody else":       {job(issuer, claims, "aud", "https://other.example"), 401},
		"a job that is over":            {job(issuer, claims, "exp", now.Add(-2*time.Minute).Unix()), 401},
		"a job of a pull request":       {job(issuer, claims, "event_name", "pull_request"), 401},
		"a job that no plan takes":      {job(issuer, claims, "repository_id", "8"), 403},
		"a token without the right":     {h.as(h.reader), 403},
	}
	require.GreaterOrEqual(t, len(tests), 10)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, text := h.ask("POST", "/api/v1/releases", `{"service": "production/shop", "image": "ghcr.io/acme/shop`+digest+`"}`, tt.header...)
			require.Equal(t, tt.status, status, text)
			require.NotContains(t, text, h.token)
		})
	}
	require.Empty(t, h.temporal.requests())
	status, text := h.ask("GET", "/api/v1/plans?access_token="+h.token, "")
	require.Equal(t, 401, status, text)
	status, text = h.ask("GET", "/api/v1/plans", "", job(issuer, claims, "actor", "ada")...)
	require.Equal(t, 403, status, text)
}

func TestWhatIsNotThereOrCannotBeReachedIsSaid(t *testing.T) {
	h := furnish(t)
	h.open()
	status, text := h.ask("GET", "/api/v1/nothing", "", h.as(h.token)...)
	require.Equal(t, 404, status)
	require.Contains(t, text, "see /api/v1/openapi.json")
	h.temporal.leave(true)
	status, text = h.ask("GET", releases+"runs", "", h.as(h.token)...)
	require.Equal(t, 503, status, text)
}

// courtHouse takes the tokens of CI jobs as well.
func courtHouse(t *testing.T) (*house, *fakeissuer.Issuer, map[string]any) {
	t.Helper()
	issuer, url := fakeissuer.Serve(t)
	h := furnish(t)
	h.env["SLIPWAY_JOB_AUDIENCE"], h.env["SLIPWAY_GITHUB_ISSUER"] = "https://slipway.example", url
	h.open()
	return h, issuer, map[string]any{
		"iss": url, "aud": "https://slipway.example", "jti": "t1", "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"repository": "acme/shop", "repository_id": "7", "repository_owner_id": "3", "ref": "refs/heads/main", "event_name": "push",
		"job_workflow_ref": "acme/shop/.github/workflows/release.yml@refs/heads/main", "actor": "ada", "environment": "production",
	}
}

func TestAJobStartsWhatItsPlanTakesByATokenThatCountsOnce(t *testing.T) {
	h, issuer, claims := courtHouse(t)
	ask := func(body string) (int, string) {
		token, err := issuer.Sign(claims)
		require.NoError(t, err)
		return h.ask("POST", "/api/v1/releases", body, h.as(token)...)
	}
	body := `{"service": "production/shop", "image": "ghcr.io/acme/shop` + digest + `"}`
	status, text := ask(body)
	require.Equal(t, 202, status, text)
	status, text = ask(body)
	require.Equal(t, 202, status, "the same request again is the same release")
	require.Contains(t, text, `"known":true`)
	status, text = ask(strings.Replace(body, digest, ":v3", 1))
	require.Equal(t, 401, status, text)
	require.Contains(t, text, "the token counts once. the same key was used before, for release shop-production")
	require.Len(t, h.temporal.requests(), 1)
	for name, tt := range map[string]struct {
		claim, value, body string
		status             int
		text               string
	}{
		"a renamed repository of somebody else": {"repository_id", "8", body, 403, "the repository ID is"},
		"another owner":                         {"repository_owner_id", "8", body, 403, "the owner ID is"},
		"another repository":                    {"repository", "acme/other", body, 403, "has no trigger for acme/other of githubToken"},
		"another branch":                        {"ref", "refs/heads/wild", body, 403, "the branch is"},
		"another workflow":                      {"job_workflow_ref", "acme/shop/.github/workflows/lint.yml@refs/heads/main", body, 403, "the workflow is"},
		"another environment":                   {"environment", "staging", body, 403, "the environment is"},
		"a fork's pull request":                 {"event_name", "pull_request", body, 401, "pull request"},
		"another image":                         {"actor", "ada", strings.Replace(body, "acme/shop@", "evil/shop@", 1), 403, "only images of ghcr.io/acme/shop are taken"},
		"a hotfix":                              {"actor", "ada", strings.Replace(body, "}", `, "hotfix": true}`, 1), 403, "starts no hotfix and overrides nothing"},
		"an override":                           {"actor", "ada", strings.Replace(body, "}", `, "override": "because"}`, 1), 403, "overrides nothing"},
	} {
		before := claims[tt.claim]
		claims[tt.claim], claims["jti"] = tt.value, "t-"+name
		status, text := ask(tt.body)
		claims[tt.claim] = before
		require.Equal(t, tt.status, status, name+": "+text)
		require.Contains(t, text, tt.text, name)
	}
	token, err := issuer.Sign(claims)
	require.NoError(t, err)
	status, text = h.ask("GET", "/api/v1/plans", "", h.as(token)...)
	require.Equal(t, 403, status)
	require.Contains(t, text, "starts releases and looks at them, and does nothing else")
	h.temporal.set("a", workflows.Baking)
	status, text = h.ask("GET", releases+"a", "", h.as(token)...)
	require.Equal(t, 200, status, text)
	status, _ = h.ask("POST", releases+"a/abort", `{"reason": "x"}`, h.as(token)...)
	require.Equal(t, 403, status)
	claims["repository_owner_id"] = "8"
	token, err = issuer.Sign(claims)
	require.NoError(t, err)
	status, text = h.ask("GET", releases+"a", "", h.as(token)...)
	require.Equal(t, 403, status, text)
	require.Contains(t, text, "no trigger of the plan of production/shop takes what this job brings")
	require.Len(t, h.temporal.requests(), 1)
}

// watch opens a stream and returns the events as they come, and what they are sent as.
func (h *house) watch(ctx context.Context, id string) (<-chan api.Release, string) {
	h.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url+releases+id+"/events", nil)
	require.NoError(h.t, err)
	req.Header.Set("Authorization", "Bearer "+h.reader)
	resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // whoever reads it to its end closes it
	require.NoError(h.t, err)
	events := make(chan api.Release)
	go func() {
		defer close(events)
		defer func() { _ = resp.Body.Close() }()
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			if data, ok := bytes.CutPrefix(lines.Bytes(), []byte("data: ")); ok {
				var r api.Release
				if json.Unmarshal(data, &r) == nil {
					events <- r
				}
			}
		}
	}()
	return events, resp.Header.Get("Content-Type")
}

func TestAStreamTellsEveryChangeAndEndsWithTheRelease(t *testing.T) {
	h := furnish(t)
	h.open()
	h.temporal.places["a"] = workflows.Place{ID: "a", State: workflows.PlaceQueued}
	events, kind := h.watch(t.Context(), "a")
	require.Equal(t, "text/event-stream", kind)
	require.Equal(t, workflows.PlaceQueued, (<-events).Place.State)
	h.temporal.mu.Lock()
	delete(h.temporal.places, "a")
	h.temporal.mu.Unlock()
	h.temporal.set("a", workflows.Baking)
	require.Equal(t, workflows.Baking, (<-events).Status.Phase)
	h.temporal.leave(true)
	h.temporal.leave(false)
	h.temporal.set("a", workflows.Promoted)
	require.Equal(t, workflows.Promoted, (<-events).Status.Phase)
	_, more := <-events
	require.False(t, more)
}

func TestAServerThatStopsEndsItsStreams(t *testing.T) {
	h := furnish(t)
	t.Run("while it serves", func(t *testing.T) {
		before := h.t
		h.t = t
		defer func() { h.t = before }()
		h.open()
		h.temporal.set("a", workflows.Baking)
		events, _ := h.watch(context.WithoutCancel(t.Context()), "a")
		<-events
		t.Cleanup(func() { // runs before the server is stopped
			go func() {
				for range events {
				}
			}()
		})
	})
	require.Contains(t, h.log.String(), "server stopped")
}

func TestTooManyStreamsAreRefused(t *testing.T) {
	h := furnish(t)
	h.open()
	h.temporal.set("a", workflows.Baking)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 100 {
		events, kind := h.watch(ctx, "a")
		require.Equal(t, "text/event-stream", kind)
		<-events
	}
	status, text := h.ask("GET", releases+"a/events", "", h.as(h.reader)...)
	require.Equal(t, 503, status)
	require.Contains(t, text, "100 streams are open already")
}

// bell is a part with a path and a route of its own.
type bell struct{ rung chan string }

func (b *bell) Register(mux *http.ServeMux) {
	mux.HandleFunc("POST /bell", func(_ http.ResponseWriter, r *http.Request) { b.rung <- r.URL.Path })
}

func (b *bell) Routes() []api.Route {
	return []api.Route{{
		Method: http.MethodPost, Path: "/api/v1/releases/{environment}/{service}/{release}/ring", Name: "ring", Summary: "Rings.", Right: access.Steer, Out: api.Release{}, Status: 200,
		Serve: func(_ http.ResponseWriter, c *api.Call) (any, error) {
			b.rung <- c.By() + " " + c.Lane().String() + " " + c.Release()
			return api.Release{}, nil
		},
	}}
}

func (b *bell) Run(ctx context.Context) { <-ctx.Done() }

func TestAPartServesAndItsRoutesAreGuardedAndDescribed(t *testing.T) {
	h, b := furnish(t), &bell{rung: make(chan string, 1)}
	h.parts = []server.Part{b}
	h.open()
	h.ask("POST", "/bell", "")
	require.Equal(t, "/bell", <-b.rung)
	status, text := h.ask("POST", releases+"a/ring", "", h.as(h.reader)...)
	require.Equal(t, 403, status, text)
	status, text = h.ask("POST", releases+"a/ring", "", h.as(h.token)...)
	require.Equal(t, 200, status, text)
	require.Equal(t, "token:ci production/shop a", <-b.rung)
	h.described("POST", "/api/v1/releases/{environment}/{service}/{release}/ring", 200, text)
}

func TestTheDescriptionIsKeptBesideTheDocumentation(t *testing.T) {
	const file = "../../docs/openapi.json"
	h := furnish(t)
	h.open()
	_, text := h.ask("GET", "/api/v1/openapi.json", "")
	var indented bytes.Buffer
	require.NoError(t, json.Indent(&indented, []byte(text), "", "  "))
	if *update {
		require.NoError(t, os.WriteFile(file, indented.Bytes(), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), indented.String()), "run go test ./starter/server -update")
}
