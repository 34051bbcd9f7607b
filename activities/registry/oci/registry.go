// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/distribution/reference"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Registry reaches registries.
type Registry struct {
	client  *auth.Client
	mirrors map[string]*url.URL
}

var _ activities.Registry = (*Registry)(nil)

// New reads credentials from a file as Docker writes it, or where that is empty has none. Mirrors are
// addresses such as "http://127.0.0.1:5000" by the registry whose place they take.
func New(dockerConfig string, mirrors map[string]string) (*Registry, error) {
	r := &Registry{client: &auth.Client{Client: http.DefaultClient, Cache: auth.NewCache()}, mirrors: map[string]*url.URL{}}
	r.client.SetUserAgent("slipway")
	for name, address := range mirrors {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("mirror of %s: %q is not an address such as https://mirror.example", name, address)
		}
		r.mirrors[name] = u
	}
	if dockerConfig == "" {
		return r, nil
	}
	store, err := credentials.NewFileStore(dockerConfig)
	if err != nil {
		return nil, fmt.Errorf("read registry credentials: %w", err)
	}
	r.client.Credential = credentials.Credential(store)
	return r, nil
}

// Resolve implements activities.Registry. It asks with HEAD; where a registry answers without a digest, the
// manifest is read and hashed.
func (r *Registry) Resolve(ctx context.Context, image string) (string, error) {
	named, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", fault.New(fault.Invalid, "resolve image %q: %w", image, err)
	}
	tagged, ok := named.(reference.NamedTagged)
	if !ok {
		return "", fault.New(fault.Invalid, "resolve image %q: it has no tag", image)
	}
	repository, err := r.repository(named)
	if err != nil {
		return "", fault.New(fault.Invalid, "resolve image %q: %w", image, err)
	}
	found, err := repository.Resolve(ctx, tagged.Tag())
	if err != nil {
		return "", sort(image, err)
	}
	return named.Name() + "@" + found.Digest.String(), nil
}

// repository of an image, at its registry or the mirror that stands for it.
func (r *Registry) repository(named reference.Named) (*remote.Repository, error) {
	host, plain := reference.Domain(named), false
	if host == "docker.io" {
		host = "registry-1.docker.io"
	}
	if u, ok := r.mirrors[reference.Domain(named)]; ok {
		host, plain = u.Host+strings.TrimSuffix(u.Path, "/"), u.Scheme == "http"
	}
	repository, err := remote.NewRepository(host + "/" + reference.Path(named))
	if err != nil {
		return nil, err
	}
	repository.Client, repository.PlainHTTP = r.client, plain
	return repository, nil
}

// sort tells what cannot heal from what can.
func sort(image string, err error) error {
	var answer *errcode.ErrorResponse
	denied := errors.As(err, &answer) && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden)
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return fault.New(fault.NotFound, "resolve image %s: the registry does not know it; was it pushed?", image)
	case denied:
		return fault.New(fault.Denied, "resolve image %s: the registry refuses: %w; see SLIPWAY_REGISTRY_CONFIG", image, err)
	}
	return fmt.Errorf("resolve image %s: %w", image, err)
}
