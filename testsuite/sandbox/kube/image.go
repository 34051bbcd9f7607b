// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimev1 "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// image is what stands behind a reference: a program to run. Its digest is the SHA-256 of its file,
// "<digest>.json".
type image struct {
	Name       string   `json:"name"`
	Entrypoint []string `json:"entrypoint"`
	Env        []string `json:"env"`
	// PullDelay is how long a pull takes, as a Go duration.
	PullDelay string `json:"pullDelay"`
}

// imageService is the registry and the node's image store in one: a directory of images.
type imageService struct {
	dir    string
	mu     sync.Mutex
	pulled map[string]bool
}

// resolve finds an image by "name@sha256:…", by "sha256:…", or by a tag that tags.json knows.
func (s *imageService) resolve(reference string) (digest string, img image, err error) {
	_, digest, ok := strings.Cut(reference, "sha256:")
	if !ok {
		if digest, err = s.tagged(reference); err != nil {
			return "", img, err
		}
	}
	b, err := os.ReadFile(filepath.Join(s.dir, filepath.Base(digest)+".json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", img, status.Errorf(codes.NotFound, "failed to pull image %q: the sandbox has no such image", reference)
	}
	if err != nil {
		return "", img, fmt.Errorf("read image: %w", err)
	}
	if err := json.Unmarshal(b, &img); err != nil {
		return "", img, fmt.Errorf("read image %q: %w", reference, err)
	}
	return digest, img, nil
}

func (s *imageService) tagged(reference string) (string, error) {
	var tags map[string]string
	b, err := os.ReadFile(filepath.Join(s.dir, "tags.json"))
	if err == nil {
		err = json.Unmarshal(b, &tags)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read tags: %w", err)
	}
	_, digest, ok := strings.Cut(tags[reference], "sha256:")
	if !ok {
		return "", status.Errorf(codes.NotFound, "failed to pull image %q: the sandbox has no such image", reference)
	}
	return digest, nil
}

func described(digest string) *runtimev1.Image {
	id := "sha256:" + digest
	return &runtimev1.Image{Id: id, RepoDigests: []string{"registry.sandbox/image@" + id}, Size: 1 << 20, Spec: &runtimev1.ImageSpec{Image: id}}
}

// ListImages lists what was pulled.
func (s *imageService) ListImages(context.Context, *runtimev1.ImageFilter) ([]*runtimev1.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*runtimev1.Image
	for digest := range s.pulled {
		out = append(out, described(digest))
	}
	return out, nil
}

// ImageStatus is empty for an image that was not pulled.
func (s *imageService) ImageStatus(_ context.Context, spec *runtimev1.ImageSpec, _ bool) (*runtimev1.ImageStatusResponse, error) {
	digest, _, err := s.resolve(spec.Image)
	if err != nil {
		return &runtimev1.ImageStatusResponse{}, nil // an unknown image was not pulled; the pull will say why
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.pulled[digest] {
		return &runtimev1.ImageStatusResponse{}, nil
	}
	return &runtimev1.ImageStatusResponse{Image: described(digest)}, nil
}

// PullImage takes as long as the image says.
func (s *imageService) PullImage(ctx context.Context, spec *runtimev1.ImageSpec, _ *runtimev1.AuthConfig, _ *runtimev1.PodSandboxConfig) (string, error) {
	digest, img, err := s.resolve(spec.Image)
	if err != nil {
		return "", err
	}
	if img.PullDelay != "" {
		delay, err := time.ParseDuration(img.PullDelay)
		if err != nil {
			return "", fmt.Errorf("read pull delay: %w", err)
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-time.After(delay):
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pulled[digest] = true
	return "sha256:" + digest, nil
}

// RemoveImage forgets a pull.
func (s *imageService) RemoveImage(_ context.Context, spec *runtimev1.ImageSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, digest, ok := strings.Cut(spec.Image, "sha256:"); ok {
		delete(s.pulled, digest)
	}
	return nil
}

// ImageFsInfo reports a disk that never fills.
func (s *imageService) ImageFsInfo(context.Context) (*runtimev1.ImageFsInfoResponse, error) {
	usage := []*runtimev1.FilesystemUsage{{
		Timestamp: time.Now().UnixNano(), FsId: &runtimev1.FilesystemIdentifier{Mountpoint: "/"},
		UsedBytes: &runtimev1.UInt64Value{Value: 1}, InodesUsed: &runtimev1.UInt64Value{Value: 1},
	}}
	return &runtimev1.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}

// Close has nothing to close.
func (s *imageService) Close(context.Context) error { return nil }
