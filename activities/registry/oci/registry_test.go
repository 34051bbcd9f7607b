// SPDX-License-Identifier: Apache-2.0

package oci_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/registry/oci"
)

const digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001"

// shelf is a registry with one image, which is only shown to a user who has a token.
type shelf struct {
	*httptest.Server
	heads, tokens int
	broken        bool
	closed        bool
}

func open(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{}
	mux := http.NewServeMux()
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		s.tokens++
		if _, password, ok := r.BasicAuth(); !ok || password != "password" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"token": "good"}`))
	})
	mux.HandleFunc("/v2/", func(w http.ResponseWriter, r *http.Request) {
		s.heads++
		switch {
		case s.broken:
			w.WriteHeader(http.StatusBadGateway)
		case s.closed && r.Header.Get("Authorization") != "Bearer good":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+s.URL+`/token",service="shelf",scope="repository:shop/checkout:pull"`)
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method != http.MethodHead || r.URL.Path != "/v2/shop/checkout/manifests/v2":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
			w.Header().Set("Docker-Content-Digest", digest)
			w.Header().Set("Content-Length", "100")
		}
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// registry reaches the shelf in place of registry.example.
func (s *shelf) registry(t *testing.T, config string) *oci.Registry {
	t.Helper()
	r, err := oci.New(config, map[string]string{"registry.example": s.URL, "docker.io": s.URL})
	require.NoError(t, err)
	return r
}

func TestATagIsPinnedByOneRequest(t *testing.T) {
	s := open(t)
	got, err := s.registry(t, "").Resolve(t.Context(), "registry.example/shop/checkout:v2")
	require.NoError(t, err)
	require.Equal(t, "registry.example/shop/checkout@"+digest, got)
	require.Equal(t, 1, s.heads)
	got, err = s.registry(t, "").Resolve(t.Context(), "shop/checkout:v2")
	require.NoError(t, err)
	require.Equal(t, "docker.io/shop/checkout@"+digest, got)
}

func TestCredentialsAreThoseOfTheFile(t *testing.T) {
	s := open(t)
	s.closed = true
	host := strings.TrimPrefix(s.URL, "http://")
	config := filepath.Join(t.TempDir(), "config.json")
	auth := base64.StdEncoding.EncodeToString([]byte("user:password"))
	require.NoError(t, os.WriteFile(config, []byte(`{"auths": {"`+host+`": {"auth": "`+auth+`"}}}`), 0o600))
	_, err := s.registry(t, config).Resolve(t.Context(), "registry.example/shop/checkout:v2")
	require.NoError(t, err)
	require.Equal(t, 1, s.tokens)
}

func TestWhatCannotBeResolvedIsSorted(t *testing.T) {
	tests := map[string]struct {
		image          string
		broken, closed bool
		kind           fault.Kind
	}{
		"a tag that is not there":        {"registry.example/shop/checkout:v3", false, false, fault.NotFound},
		"a repository that is not there": {"registry.example/shop/other:v2", false, false, fault.NotFound},
		"no credentials":                 {"registry.example/shop/checkout:v2", false, true, fault.Denied},
		"a registry that is broken":      {"registry.example/shop/checkout:v2", true, false, fault.Unavailable},
		"no tag":                         {"registry.example/shop/checkout", false, false, fault.Invalid},
		"no image":                       {"registry.example/Shop", false, false, fault.Invalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.broken, s.closed = tt.broken, tt.closed
			_, err := s.registry(t, "").Resolve(t.Context(), tt.image)
			require.Error(t, err)
			require.Equal(t, tt.kind, fault.Of(err), err)
		})
	}
}

func TestARegistryThatCannotBeReachedIsTriedAgain(t *testing.T) {
	s := open(t)
	s.Close()
	_, err := s.registry(t, "").Resolve(t.Context(), "registry.example/shop/checkout:v2")
	require.Equal(t, fault.Unavailable, fault.Of(err))
}

func TestWhatCannotWorkIsRefusedAtOnce(t *testing.T) {
	for _, mirror := range []string{"", "mirror", "ftp://mirror.example", "http://"} {
		_, err := oci.New("", map[string]string{"docker.io": mirror})
		require.ErrorContains(t, err, "mirror of docker.io", mirror)
	}
	bad := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(bad, []byte("{"), 0o600))
	_, err := oci.New(bad, nil)
	require.ErrorContains(t, err, "read registry credentials")
}
