// SPDX-License-Identifier: Apache-2.0

// Package fakeissuer signs the tokens of CI jobs as GitHub Actions and GitLab do, and those of people as a company's
// login does, and publishes its keys by the same protocol: OpenID Connect discovery and a JSON Web Key Set.
package fakeissuer

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"

	"github.com/go-jose/go-jose/v4"
)

// Issuer is an [http.Handler]; its address is its name.
type Issuer struct {
	mu   sync.Mutex
	url  string
	keys []*key
	// made is how many keys there ever were.
	made int
	away bool
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

// bits are few, so that tests are quick.
const bits = 2048

// New makes one with a key. Its address is told by At, once it is served.
func New() (*Issuer, error) {
	i := &Issuer{}
	return i, i.Rotate()
}

// At says where it is served, such as "http://127.0.0.1:1234".
func (i *Issuer) At(url string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.url = url
}

// Rotate signs with a new key from now on. The old one is still published.
func (i *Issuer) Rotate() error {
	private, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fmt.Errorf("make key: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.made++
	i.keys = append(i.keys, &key{id: fmt.Sprintf("key-%d", i.made), private: private})
	return nil
}

// Withdraw publishes no key but the one that signs now.
func (i *Issuer) Withdraw() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// Away makes it answer with errors, or no longer.
func (i *Issuer) Away(away bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = away
}

// Key is the one that signs now, with its ID.
func (i *Issuer) Key() (string, *rsa.PrivateKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	last := i.keys[len(i.keys)-1]
	return last.id, last.private
}

// Sign makes a token of claims.
func (i *Issuer) Sign(claims map[string]any) (string, error) {
	id, private := i.Key()
	return SignBy(jose.RS256, private, id, claims)
}

// SignBy makes a token with any key: a *rsa.PrivateKey for RS256, a []byte for HS256.
func SignBy(algorithm jose.SignatureAlgorithm, private any, id string, claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", id)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: private}, options)
	if err != nil {
		return "", fmt.Errorf("make signer: %w", err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("write claims: %w", err)
	}
	signed, err := signer.Sign(text)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed.CompactSerialize()
}

// ServeHTTP publishes where the keys are, and the keys.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.away {
		http.Error(w, "away", http.StatusBadGateway)
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		answer(w, map[string]any{
			"issuer": i.url, "jwks_uri": i.url + "/.well-known/jwks", "response_types_supported": []string{"id_token"},
			"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
		})
	case "/.well-known/jwks":
		var set jose.JSONWebKeySet
		for _, k := range i.keys {
			set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.private.Public(), KeyID: k.id, Algorithm: string(jose.RS256), Use: "sig"})
		}
		answer(w, set)
	default:
		http.NotFound(w, r)
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}
