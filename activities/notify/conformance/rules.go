// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"testing"
	"unicode/utf8"
)

// Rules are what a fake demands of a request. It answers on a goroutine of its own, where a test cannot be
// stopped: so the test fails and goes on.
type Rules struct{ T *testing.T }

// Hold fails the test where a rule is broken.
func (r Rules) Hold(ok bool, rule string, args ...any) {
	r.T.Helper()
	if !ok {
		r.T.Errorf("the service's rule is broken: "+rule, args...)
	}
}

// OneOf wants one of some words.
func (r Rules) OneOf(word string, of ...string) {
	r.T.Helper()
	r.Hold(slices.Contains(of, word), "%q is none of %v", word, of)
}

// AtMost bounds a text, in characters.
func (r Rules) AtMost(n int, text string) {
	r.T.Helper()
	r.Hold(utf8.RuneCountInString(text) <= n, "more than %d characters: %s", n, text)
}

// Read reads JSON.
func (r Rules) Read(body io.Reader, to any) {
	r.T.Helper()
	err := json.NewDecoder(body).Decode(to)
	r.Hold(err == nil, "the body is no JSON: %v", err)
}

// Answer writes JSON.
func (r Rules) Answer(w http.ResponseWriter, status int, body any) {
	r.T.Helper()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	err := json.NewEncoder(w).Encode(body)
	r.Hold(err == nil, "write answer: %v", err)
}
