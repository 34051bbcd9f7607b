// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// large are the modules whose packages take long to compile. The compiler's cache is one for all programs,
// but only of the same version.
var large = []string{
	"k8s.io/", "sigs.k8s.io/", "golang.org/x/", "google.golang.org/grpc", "google.golang.org/protobuf",
	"github.com/go-openapi/", "github.com/prometheus/c",
}

func TestWhatSeveralProgramsShareHasOneVersionAndIsCompiledOnce(t *testing.T) {
	used := map[string]map[string][]string{}
	for _, dir := range []string{"../..", "../e2e", "../s3", ".", "kube", "gateway", "temporal", "prometheus"} {
		for path, version := range requirements(t, dir) {
			if used[path] == nil {
				used[path] = map[string][]string{}
			}
			used[path][version] = append(used[path][version], filepath.Base(dir))
		}
	}
	require.NotEmpty(t, used["k8s.io/api"])
	for path, versions := range used {
		for _, prefix := range large {
			if strings.HasPrefix(path, prefix) {
				require.Len(t, versions, 1, "%s: %v", path, versions)
			}
		}
	}
}

// requirements of a module by path.
func requirements(t *testing.T, dir string) map[string]string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json")
	command.Dir = dir
	text, err := command.Output()
	require.NoError(t, err)
	var module struct {
		Require []struct{ Path, Version string }
	}
	require.NoError(t, json.Unmarshal(text, &module))
	out := map[string]string{}
	for _, r := range module.Require {
		out[r.Path] = r.Version
	}
	return out
}
