// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

func put(t *testing.T, s *sandbox.Sandbox, version string, env map[string]string) string {
	t.Helper()
	ref, err := s.PutImage(version, env)
	require.NoError(t, err)
	return ref
}

func TestAnImageIsNamedByWhatItIs(t *testing.T) {
	s := &sandbox.Sandbox{Images: filepath.Join(t.TempDir(), "images"), Shop: "/bin/shop"}
	ref := put(t, s, "v2", map[string]string{"LATENCY": "10ms", "ERROR_RATE": "0.05"})
	name, digest, ok := strings.Cut(ref, "@sha256:")
	require.True(t, ok)
	require.Equal(t, "registry.sandbox/shop", name)
	text, err := os.ReadFile(filepath.Join(s.Images, digest+".json"))
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"shop","entrypoint":["/bin/shop"],"env":["VERSION=v2","ERROR_RATE=0.05","LATENCY=10ms"]}`, string(text))
	sum := sha256.Sum256(text)
	require.Equal(t, digest, hex.EncodeToString(sum[:]))
}

func TestImagesDifferWhereTheirContentDoes(t *testing.T) {
	s := &sandbox.Sandbox{Images: t.TempDir(), Shop: "/bin/shop"}
	first := put(t, s, "v1", map[string]string{"A": "1", "B": "2"})
	require.Equal(t, first, put(t, s, "v1", map[string]string{"B": "2", "A": "1"}))
	require.NotEqual(t, first, put(t, s, "v2", map[string]string{"A": "1", "B": "2"}))
	require.NotEqual(t, first, put(t, s, "v1", map[string]string{"A": "1"}))
}

func TestAnImageThatManyPutAtOnceIsWhole(t *testing.T) {
	s := &sandbox.Sandbox{Images: t.TempDir(), Shop: "/bin/shop"}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, err := s.PutImage("v1", nil)
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	files, err := os.ReadDir(s.Images)
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestAnImageThatCannotBeWrittenIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := (&sandbox.Sandbox{Images: file}).PutImage("v1", nil)
	require.ErrorContains(t, err, "write image: ")
}
