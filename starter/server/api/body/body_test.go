// SPDX-License-Identifier: Apache-2.0

package body_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/api/body"
	"github.com/slipwayhq/slipway/starter/server/sender"
)

func read(t *testing.T, text []byte, to any) error {
	t.Helper()
	return body.Read(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", bytes.NewReader(text)), to)
}

func TestABodyIsOneObjectOfItsShape(t *testing.T) {
	var in body.StartRequest
	require.NoError(t, read(t, []byte(` {"service": "production/shop", "hotfix": true} `), &in))
	require.Equal(t, body.StartRequest{Service: "production/shop", Hotfix: true}, in)
	require.NoError(t, read(t, nil, &in), "nothing at all is an empty one")
	for name, tt := range map[string]struct {
		text   string
		status int
	}{
		"no JSON":                      {"hello", 400},
		"half an object":               {`{"service": `, 400},
		"a list":                       {"[]", 400},
		"a text":                       {`"production/shop"`, 400},
		"a field that nobody knows":    {`{"services": ""}`, 400},
		"a field of another kind":      {`{"hotfix": "yes"}`, 400},
		"two objects":                  {"{}{}", 400},
		"a bracket behind the object":  {"{}]", 400},
		"a brace behind the object":    {"{}}", 400},
		"an object nested deeply":      {strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), 400},
		"more than a body's most size": {strings.Repeat(" ", body.Max+1), 413},
	} {
		t.Run(name, func(t *testing.T) {
			var answer *sender.Answer
			require.ErrorAs(t, read(t, []byte(tt.text), &body.StartRequest{}), &answer)
			require.Equal(t, tt.status, answer.Status, answer.Text)
		})
	}
}

// FuzzRead finds a body that panics, that is taken though it is no single object, or that says something else once it
// was read.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"service": "production/shop", "image": "ghcr.io/acme/shop:v2", "hotfix": true}`))
	f.Add([]byte(`{"reason": "it is too slow", "where": "question 1.1"}`))
	f.Add([]byte(`{}]`))
	f.Add([]byte(`[[[[`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, to := range []any{&body.StartRequest{}, &body.CommandRequest{}} {
			if read(t, text, to) != nil {
				continue
			}
			if len(bytes.TrimSpace(text)) > 0 && !json.Valid(text) {
				t.Errorf("taken, and no JSON: %q", text)
			}
			again, err := json.Marshal(to)
			if err != nil || len(text) > body.Max {
				t.Errorf("%q: %v", text, err)
			}
			if err := read(t, again, to); len(again) <= body.Max && err != nil {
				t.Errorf("%q is written as %s, which is not read: %v", text, again, err)
			}
		}
	})
}
