// SPDX-License-Identifier: Apache-2.0

package access_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/testsuite/fakeissuer"
)

// within answers without a network, so that an issuer has one address in every process of a fuzzer.
type within struct{ http.Handler }

func (w within) RoundTrip(r *http.Request) (*http.Response, error) {
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, r)
	return answer.Result(), nil
}

func sitWithin(f *testing.F) *court {
	f.Helper()
	issuer, err := fakeissuer.New()
	require.NoError(f, err)
	c := &court{Issuer: issuer, t: f, url: "https://issuer.example"}
	issuer.At(c.url)
	c.jobs, err = access.NewJobs(access.JobsConfig{
		Audience: audience, Issuers: map[string]string{"githubToken": c.url}, Now: func() time.Time { return now }, Client: &http.Client{Transport: within{issuer}},
	})
	require.NoError(f, err)
	return c
}

// refusedWell requires that a token is refused for good, and not because its issuer is away.
func refusedWell(t *testing.T, err error) {
	t.Helper()
	if answer, ok := errors.AsType[*sender.Answer](err); !ok || answer.Status != http.StatusUnauthorized {
		t.Errorf("refused by %v", err)
	}
}

// FuzzVerify puts something else into a good token, or in its place, and finds what is taken though it is another one.
// Each process of a fuzzer has a key of its own, so what it is given is the change.
func FuzzVerify(f *testing.F) {
	c := sitWithin(f)
	good := c.sign(f, c.github(nil))
	want, err := c.jobs.Verify(f.Context(), good)
	require.NoError(f, err)
	part := strings.Split(good, ".")
	claims, signature := len(part[0])+1, len(part[0])+len(part[1])+2
	add := func(at, cut int, insert string) { f.Add(uint16(at), uint16(cut), insert) }
	add(0, 0, "")
	add(0, len(good), "e30.e30.e30")
	add(0, len(good), `{"payload":"","protected":"","signature":""}..`)
	for _, at := range []int{0, claims - 2, claims, signature - 2, signature, len(good) - 1} {
		add(at, 1, "A")
		add(at, 1, "")
		add(at, 0, "A")
	}
	for _, header := range []string{`{"alg":"none"}`, `{"alg":"HS256","kid":"key-1"}`, `{"alg":"RS512","kid":"key-1"}`, `{"alg":"RS256","kid":"key-9"}`, `{"alg":"RS256"}`} {
		add(0, len(part[0]), base64.RawURLEncoding.EncodeToString([]byte(header)))
	}
	add(claims, len(part[1]), strings.Split(c.sign(f, c.github(map[string]any{"repository": "evil/shop"})), ".")[1])
	add(signature, len(part[2]), "")
	f.Fuzz(func(t *testing.T, at, cut uint16, insert string) {
		from := min(int(at), len(good))
		token := good[:from] + insert + good[min(from+int(cut), len(good)):]
		got, err := c.jobs.Verify(t.Context(), token)
		if err != nil {
			refusedWell(t, err)
			return
		}
		if token != good || cmp.Diff(want, got) != "" {
			t.Errorf("taken: %q, as %+v", token, got)
		}
	})
}
