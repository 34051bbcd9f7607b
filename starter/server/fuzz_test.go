// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/starter/server"
	"github.com/slipwayhq/slipway/starter/server/access"
)

// FuzzStart finds a body of the API that panics, is answered with an error of the server, or starts what
// nobody has asked for.
func FuzzStart(f *testing.F) {
	dir := f.TempDir()
	token, hash := access.NewToken()
	tokens, err := access.FormatTokens(access.Token{Name: "ci", SHA256: hash, Rights: []access.Right{access.Start}, Services: []string{"production/*"}})
	if err != nil {
		f.Fatal(err)
	}
	for name, text := range map[string]string{"api-tokens": tokens, "shop.yaml": planText} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	c, err := server.Configure(map[string]string{"SLIPWAY_PUBLIC_URL": "https://slipway.example", "SLIPWAY_PLANS": dir, "SLIPWAY_SECRETS": dir})
	if err != nil {
		f.Fatal(err)
	}
	temporal := newTemporal()
	s, err := server.New(c, server.World{
		Temporal: temporal, Logger: slog.New(slog.DiscardHandler), Now: func() time.Time { return now },
		Tick: func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} },
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"service": "production/shop", "image": "ghcr.io/acme/shop:v2", "hotfix": true}`)
	f.Add(`{"service": "production/shop", "image": "ghcr.io/acme/shop` + digest + `", "override": "x"}`)
	f.Add(`[[[[`)
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/v1/releases", strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, req)
		if w.Code >= 500 {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		for key, r := range temporal.requests() {
			if !strings.HasPrefix(key, "production/shop api ci ") || r.By != "token:ci" {
				t.Errorf("started %+v by %q", r, body)
			}
		}
		temporal.begun = newTemporal().begun
	})
}
