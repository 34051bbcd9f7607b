// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// believing takes every signature, so that a fuzzer reaches what is judged behind it, and makes none itself.
type believing struct{}

func (believing) VerifySignature(_ context.Context, token string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
}

const (
	hereURL      = "https://issuer.example"
	hereAudience = "https://slipway.example"
)

// FuzzSigned finds claims that an issuer has signed and that are taken though they are for somebody else, or not now.
func FuzzSigned(f *testing.F) {
	now := time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	i := issuer{url: hereURL, audience: hereAudience, algorithms: []string{oidc.RS256}, maxLife: jobLife, now: func() time.Time { return now }}.pin()
	i.verifier = oidc.NewVerifier(i.url, believing{}, i.demands())
	verify := func(ctx context.Context, text []byte) error {
		_, err := i.verify(ctx, base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`))+"."+base64.RawURLEncoding.EncodeToString(text)+".AAAA")
		return err
	}
	const good = `{"iss":"https://issuer.example","aud":"https://slipway.example","iat":1893488400,"nbf":1893488100,"exp":1893488700}`
	require.NoError(f, verify(f.Context(), []byte(good)))
	f.Add([]byte(good))
	for _, change := range [][2]string{
		{"issuer.example", "issuer.example/"},
		{`"https://slipway.example"`, `["https://slipway.example"]`},
		{`"https://slipway.example"`, `["https://slipway.example","x"]`},
		{"slipway", "other"},
		{`"https://slipway.example"`, `""`},
		{`"aud"`, `"x"`},
		{`"exp":1893488700`, `"exp":1893488339`},
		{`"exp":1893488700`, `"exp":1893492001`},
		{`"exp":1893488700`, `"exp":1e300`},
		{`"exp"`, `"x"`},
		{"1893488100", "1893488461"},
		{`"nbf"`, `"x"`},
		{"1893488400", "1893488461"},
		{"1893488400", "-1"},
		{`"iat"`, `"x"`},
		{"}", `,"exp":1}`},
	} {
		f.Add([]byte(strings.Replace(good, change[0], change[1], 1)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := verify(t.Context(), text)
		if answer, ok := errors.AsType[*sender.Answer](err); err != nil && (!ok || answer.Status != http.StatusUnauthorized) {
			t.Errorf("refused by %v", err)
		}
		if err == nil {
			forUsNow(t, text, float64(now.Unix()))
		}
	})
}

// forUsNow requires of claims that were taken what the documentation promises. Parts of a second are not counted.
func forUsNow(t *testing.T, text []byte, now float64) {
	t.Helper()
	var said struct {
		Issuer   string      `json:"iss"`
		Audience any         `json:"aud"`
		Made     json.Number `json:"iat"`
		From     json.Number `json:"nbf"`
		Until    json.Number `json:"exp"`
	}
	require.NoError(t, json.Unmarshal(text, &said))
	away := func(n json.Number) float64 {
		if n == "" {
			return -now
		}
		value, err := n.Float64()
		require.NoError(t, err)
		return value - now
	}
	made, from, until := away(said.Made), away(said.From), away(said.Until)
	switch {
	case said.Issuer != hereURL:
		t.Errorf("taken of another issuer: %s", text)
	case !cmp.Equal(said.Audience, any(hereAudience)) && !cmp.Equal(said.Audience, any([]any{hereAudience})):
		t.Errorf("taken for another audience: %s", text)
	case said.Made == "" || said.Until == "" || made >= 61 || from > 60 || until < -60 || until-made >= 3601:
		t.Errorf("taken at another time: %s", text)
	}
}
