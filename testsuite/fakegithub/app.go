// SPDX-License-Identifier: Apache-2.0

package fakegithub

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// app is a GitHub App that is installed, with the token that it was issued last.
type app struct {
	id    int64
	key   *rsa.PublicKey
	token string
	until time.Time
}

// InstallApp makes an App known by its public key.
func (g *GitHub) InstallApp(id, installation int64, key *rsa.PublicKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.apps[strconv.FormatInt(installation, 10)] = &app{id: id, key: key}
}

func bearer(r *http.Request) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return token
}

// admits reports whether a request carries the token, or one that was issued to an app. An app asks for one by a
// statement of its own.
func (g *GitHub) admits(r *http.Request) bool {
	return bearer(r) == g.Token || strings.HasPrefix(r.URL.Path, "/app/") || g.caller(bearer(r)) != nil
}

// caller is the app that has a token, or nil.
func (g *GitHub) caller(token string) *app {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.apps {
		if a.token != "" && a.token == token && g.Now().Before(a.until) {
			return a
		}
	}
	return nil
}

// issueToken gives an app a token for an hour, if it has signed for that with its key.
func (g *GitHub) issueToken(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.apps[r.PathValue("installation")]
	if !ok || a.believes(bearer(r), g.Now()) != nil {
		fail(w, http.StatusUnauthorized, "A JSON web token could not be decoded")
		return
	}
	a.token, a.until = fmt.Sprintf("ghs_%d", g.next()), g.Now().Add(time.Hour)
	answer(w, http.StatusCreated, map[string]string{"token": a.token, "expires_at": a.until.UTC().Format(time.RFC3339)})
}

// believes verifies a JSON web token that the app has signed by RS256 (RFC 7515, 7518).
func (a *app) believes(statement string, now time.Time) error {
	signed, signature, ok := cutLast(statement, ".")
	sum := sha256.Sum256([]byte(signed))
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || !ok {
		return errors.New("it is no token")
	}
	if err := rsa.VerifyPKCS1v15(a.key, crypto.SHA256, sum[:], raw); err != nil {
		return err
	}
	var head struct {
		Algorithm string `json:"alg"`
	}
	var claims struct {
		Issuer string `json:"iss"`
		Expiry int64  `json:"exp"`
	}
	first, middle, _ := strings.Cut(signed, ".")
	for part, to := range map[string]any{first: &head, middle: &claims} {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err := errors.Join(err, json.Unmarshal(text, to)); err != nil {
			return err
		}
	}
	if head.Algorithm != "RS256" || claims.Issuer != strconv.FormatInt(a.id, 10) || !now.Before(time.Unix(claims.Expiry, 0)) {
		return errors.New("it is of another app, or its time is over")
	}
	return nil
}

func cutLast(s, separator string) (before, after string, ok bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}
