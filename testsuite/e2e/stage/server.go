// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// Registry answers for the sandbox's images which digest a tag has, by the protocol of registries. The
// sandbox itself has images by their digest alone.
type Registry struct {
	server *httptest.Server
	mu     sync.Mutex
	tags   map[string]string
}

func openRegistry() *Registry {
	r := &Registry{tags: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/shop/manifests/{tag}", r.manifest)
	r.server = httptest.NewServer(mux)
	return r
}

func (r *Registry) manifest(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	digest, ok := r.tags[req.PathValue("tag")]
	r.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/vnd.oci.image.manifest.v1+json")
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", "2")
}

// Tag gives an image a tag, and returns it by that.
func (r *Registry) Tag(image, tag string) string {
	name, digest, _ := strings.Cut(image, "@")
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tags[tag] = digest
	return name + ":" + tag
}

// mirror is what a worker is told to find it.
func (r *Registry) mirror() string { return "registry.sandbox=" + r.server.URL }

// SecretsDir is the name of the directory in which a server is given its secrets.
const SecretsDir = "server-secrets"

// ServerOptions of a server.
type ServerOptions struct {
	// Plans and Secrets are files by their name.
	Plans, Secrets map[string]string
	// Env is added to its environment.
	Env map[string]string
}

// Server is a `slipway serve` process.
type Server struct {
	*Program
	// Plans is its directory of plans.
	Plans string
}

// StartServer starts `slipway serve` and returns when it is ready.
func (s *Stage) StartServer(ctx context.Context, o ServerOptions) (*Server, error) {
	dir, err := os.MkdirTemp(s.Dir, "server-")
	if err != nil {
		return nil, fmt.Errorf("make server's directory: %w", err)
	}
	plans, secrets := filepath.Join(dir, "plans"), filepath.Join(dir, SecretsDir)
	for at, files := range map[string]map[string]string{plans: o.Plans, secrets: o.Secrets} {
		if err := os.MkdirAll(at, 0o755); err != nil {
			return nil, fmt.Errorf("make server's directory: %w", err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(at, name), []byte(text), 0o644); err != nil {
				return nil, fmt.Errorf("write file of the server: %w", err)
			}
		}
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	environment := map[string]string{
		"SLIPWAY_LISTEN": address, "SLIPWAY_PUBLIC_URL": "http://" + address, "SLIPWAY_PLANS": plans, "SLIPWAY_SECRETS": secrets, "TEMPORAL_ADDRESS": s.Temporal,
	}
	maps.Copy(environment, o.Env)
	program, err := s.start(ctx, &Program{name: "server", URL: "http://" + address, cmd: exec.Command(filepath.Join(s.Bin, "slipway"), "serve")}, environment)
	return &Server{Program: program, Plans: plans}, err
}
