// SPDX-License-Identifier: Apache-2.0

package missed_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/missed"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
)

// post is a GitHub with a hook, whose target answers with a status, and what looks after it.
type post struct {
	*fakegithub.GitHub
	t      *testing.T
	status int
	clock  time.Time
	id     int64
	hook   *missed.Hook
}

func open(t *testing.T) *post {
	t.Helper()
	p := &post{t: t, status: 503, clock: time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)}
	p.GitHub = fakegithub.New("token", func() time.Time { return p.clock })
	api := httptest.NewServer(p.GitHub)
	t.Cleanup(api.Close)
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(p.status) }))
	t.Cleanup(target.Close)
	p.id = p.AddHook("acme/shop", target.URL, "secret")
	var err error
	p.hook, err = missed.NewHook(api.URL, fmt.Sprintf("acme/shop/%d", p.id), "token")
	require.NoError(t, err)
	return p
}

func (p *post) deliver(status, n int) {
	p.t.Helper()
	p.status = status
	_, err := p.Deliver(p.t.Context(), p.id, "push", map[string]int{"n": n})
	require.NoError(p.t, err)
}

// failed are the numbers in what has failed in the last hour.
func (p *post) failed() []int {
	p.t.Helper()
	found, err := p.hook.Failed(p.t.Context(), p.clock.Add(-time.Hour))
	require.NoError(p.t, err)
	var out []int
	for _, d := range found {
		header, body, err := p.hook.Fetch(p.t.Context(), d)
		require.NoError(p.t, err)
		require.Equal(p.t, "push", header.Get("X-GitHub-Event"))
		var what struct{ N int }
		require.NoError(p.t, json.Unmarshal(body, &what))
		out = append(out, what.N)
	}
	return out
}

func TestOnlyWhatWasNotAnsweredHasFailed(t *testing.T) {
	p := open(t)
	for n, status := range []int{202, 503, 401, 500, 200, 404} {
		p.clock = p.clock.Add(time.Second)
		p.deliver(status, n)
	}
	require.Equal(t, []int{1, 3}, p.failed())
}

func TestAllPagesAreReadUntilTheyAreOld(t *testing.T) {
	p := open(t)
	p.deliver(503, -1)
	p.clock = p.clock.Add(2 * time.Hour)
	var want []int
	for n := range 150 {
		p.clock = p.clock.Add(time.Second)
		p.deliver(503, n)
		want = append(want, n)
	}
	require.Equal(t, want, p.failed())
}

func TestWhatIsSettledOrWasDeliveredAgainIsNotMissed(t *testing.T) {
	p := open(t)
	p.deliver(503, 1)
	p.deliver(503, 2)
	found, err := p.hook.Failed(t.Context(), p.clock.Add(-time.Hour))
	require.NoError(t, err)
	require.Len(t, found, 2)
	p.hook.Settle(found[0])
	require.Len(t, p.failed(), 1)
	p.status = 202
	req := httptest.NewRequestWithContext(t.Context(), "POST", fmt.Sprintf("/repos/acme/shop/hooks/%d/deliveries/%d/attempts", p.id, found[1].ID), nil)
	req.Header.Set("Authorization", "Bearer token")
	p.ServeHTTP(httptest.NewRecorder(), req)
	require.Empty(t, p.failed(), "somebody has pressed redeliver")
}

func TestWhatGitHubRefusesIsAnError(t *testing.T) {
	p := open(t)
	p.Token = "another"
	_, err := p.hook.Failed(t.Context(), p.clock)
	require.ErrorContains(t, err, "GitHub answers 401 Unauthorized: may its token or App read webhooks?")
	_, _, err = p.hook.Fetch(t.Context(), missed.Delivery{ID: 7})
	require.ErrorContains(t, err, "fetch delivery 7 of acme/shop/")
}

func TestAnAppReadsItsOwnDeliveriesByItsKey(t *testing.T) {
	p := open(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	text := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	p.InstallApp(7, 9, &key.PublicKey)
	api := httptest.NewServer(p.GitHub)
	t.Cleanup(api.Close)
	p.deliver(503, 1) // another's
	p.id = p.AddAppHook(7, "http://127.0.0.1:1", "secret")
	p.deliver(503, 2)
	p.hook, err = missed.NewApp(api.URL, 7, text, func() time.Time { return p.clock })
	require.NoError(t, err)
	require.Equal(t, "app/7", p.hook.Name)
	require.Equal(t, []int{2}, p.failed())

	another, err := missed.NewApp(api.URL, 8, text, func() time.Time { return p.clock })
	require.NoError(t, err)
	_, err = another.Failed(t.Context(), p.clock)
	require.ErrorContains(t, err, "list deliveries of app/8: GitHub answers 401 Unauthorized")
	_, err = missed.NewApp(api.URL, 7, "secret", time.Now)
	require.EqualError(t, err, "give the PEM that GitHub has made for the App, with its first and last line")
}

func TestTheTokenGoesNowhereElse(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer other.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "<"+other.URL+`/next>; rel="next"`)
		_, _ = w.Write([]byte("[]"))
	}))
	defer api.Close()
	h, err := missed.NewHook(api.URL, "acme/shop/1", "token")
	require.NoError(t, err)
	_, err = h.Failed(t.Context(), time.Now())
	require.NoError(t, err)
	require.Zero(t, asked)
}

func TestAHookIsNamedByOwnerRepositoryAndNumber(t *testing.T) {
	for _, name := range []string{"", "acme/shop", "acme/shop/x", "acme/shop/1/2", "acme/shop/1?a=b", "acme/../1"} {
		_, err := missed.NewHook("https://api.github.com", name, "token")
		require.ErrorContains(t, err, "is not a webhook", name)
	}
}
