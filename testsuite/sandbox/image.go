// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// image is a program with an environment; see the kube part.
type image struct {
	Name       string   `json:"name"`
	Entrypoint []string `json:"entrypoint"`
	Env        []string `json:"env"`
	PullDelay  string   `json:"pullDelay,omitempty"`
}

// PutImage makes an image of the shop with an environment (see the shop's own documentation), and
// returns its reference with the digest. The same version and environment give the same digest.
func (s *Sandbox) PutImage(version string, env map[string]string) (string, error) {
	img := image{Name: "shop", Entrypoint: []string{s.Shop}, Env: []string{"VERSION=" + version}}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		img.Env = append(img.Env, name+"="+env[name])
	}
	text, err := json.Marshal(img)
	if err != nil {
		return "", fmt.Errorf("encode image: %w", err)
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	if err := writeFile(filepath.Join(s.Images, digest+".json"), text); err != nil {
		return "", fmt.Errorf("write image: %w", err)
	}
	return "registry.sandbox/shop@sha256:" + digest, nil
}

// writeFile writes under another name and renames, so that no reader sees half a file.
func writeFile(file string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Chmod(0o644), f.Close(), os.Rename(f.Name(), file))
}
