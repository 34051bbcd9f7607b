// SPDX-License-Identifier: Apache-2.0

// Package auth stands in for HTTP authentication, which the sandbox's gateway does not offer: every request is refused.
package auth

import "net/http"

type SecretProvider func(user, realm string) string

type BasicAuth struct {
	Realm   string
	Secrets SecretProvider
}

func (a *BasicAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { refuse(w) }

type DigestAuth struct{}

func NewDigestAuthenticator(string, SecretProvider) *DigestAuth { return &DigestAuth{} }

func (d *DigestAuth) CheckAuth(*http.Request) (user string, info *string)     { return "", nil }
func (d *DigestAuth) RequireAuth(w http.ResponseWriter, _ *http.Request)      { refuse(w) }
func (d *DigestAuth) RequireAuthStale(w http.ResponseWriter, _ *http.Request) { refuse(w) }

func DigestAuthParams(string) map[string]string { return nil }
func CheckSecret(string, string) bool           { return false }

func refuse(w http.ResponseWriter) {
	http.Error(w, "authentication is not supported in the sandbox", http.StatusUnauthorized)
}
