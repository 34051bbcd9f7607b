// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/github"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// app is a GitHub App with its key, and a GitHub that knows it.
type app struct {
	conformance.Rules
	key    *rsa.PrivateKey
	now    func() time.Time
	issued atomic.Int32
}

func newApp(t *testing.T, now func() time.Time) *app {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return &app{Rules: conformance.Rules{T: t}, key: key, now: now}
}

// hub issues tokens to the App alone.
func (a *app) hub() *hub {
	h := newHub(a.T)
	h.issue = func(w http.ResponseWriter, r *http.Request) {
		a.OneOf(r.Method+" "+r.URL.Path, "POST /app/installations/9/access_tokens")
		token, err := jwt.ParseSigned(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), []jose.SignatureAlgorithm{jose.RS256})
		var c jwt.Claims
		if err == nil {
			err = token.Claims(&a.key.PublicKey, &c)
		}
		if err == nil {
			err = c.ValidateWithLeeway(jwt.Expected{Issuer: "7", Time: a.now()}, 0)
		}
		if err != nil || c.Expiry.Time().Sub(c.IssuedAt.Time()) > 10*time.Minute {
			h.Answer(w, http.StatusUnauthorized, object{"message": "A JSON web token could not be decoded"})
			return
		}
		a.issued.Add(1)
		h.Answer(w, http.StatusCreated, object{"token": conformance.Canary, "expires_at": a.now().Add(time.Hour).UTC().Format(time.RFC3339)})
	}
	return h
}

func (a *app) notifier(t *testing.T, address string) activities.Notifier {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(a.key)})
	n, err := github.New(github.Config{App: &github.App{ID: 7, Installation: 9, PrivateKey: outbound.NewSecret(string(text))}, URL: address}, a.now)
	require.NoError(t, err)
	return n
}

func TestGitHubConformsAlsoForAnApp(t *testing.T) {
	a := newApp(t, time.Now)
	conformance.Run(t, conformance.Kind{Service: func() conformance.Service { return a.hub() }, Notifier: a.notifier})
}

func TestATokenOfAnAppIsUsedUntilShortlyBeforeItsEnd(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	a := newApp(t, func() time.Time { return now })
	server := httptest.NewServer(a.hub())
	t.Cleanup(server.Close)
	n := a.notifier(t, server.URL)
	for _, step := range []struct {
		later  time.Duration
		issued int32
	}{{0, 1}, {54 * time.Minute, 1}, {2 * time.Minute, 2}, {time.Hour, 3}} {
		now = now.Add(step.later)
		require.NoError(t, n.Notify(t.Context(), conformance.Message(plan.Started)))
		require.Equal(t, step.issued, a.issued.Load(), now)
	}
}

func TestAnAppThatCannotSignIsRefusedWithoutNamingItsKey(t *testing.T) {
	for name, tt := range map[string]struct {
		app  github.App
		want string
	}{
		"no ID":           {github.App{Installation: 9}, "app: give its id and the number of its installation"},
		"no installation": {github.App{ID: 7}, "app: give its id and the number of its installation"},
		"no key":          {github.App{ID: 7, Installation: 9}, "app.privateKey: give the PEM"},
		"no PEM":          {github.App{ID: 7, Installation: 9, PrivateKey: outbound.NewSecret(conformance.Canary)}, "app.privateKey: give the PEM"},
		"another PEM": {
			github.App{ID: 7, Installation: 9, PrivateKey: outbound.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "X", Bytes: []byte(conformance.Canary)})))},
			"app.privateKey: give the PEM",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := github.New(github.Config{App: &tt.app}, time.Now)
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), conformance.Canary)
		})
	}
}
