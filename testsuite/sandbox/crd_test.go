// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheDefinitionsOfAllProgramsComeIntoOneDirectoryEachInAFileOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return file
	}
	many := write("module/many.yml", "---\na: 1\n---\nb: 2\nc: |\n  --- no end\n")
	write("module/dir/one.yaml", "d: 4\n")
	programs := map[string]string{"gateway": write("gateway/gateway", ""), "kube": write("kube/kube", ""), "shop": write("shop/shop", "")}
	require.NoError(t, takeCRDs(many, CRDDir(programs["gateway"])))
	require.NoError(t, takeCRDs(filepath.Join(dir, "module/dir"), CRDDir(programs["kube"])))

	to := filepath.Join(dir, "all")
	for range 2 {
		require.NoError(t, GatherCRDs(to, programs))
		files, err := filepath.Glob(filepath.Join(to, "*"))
		require.NoError(t, err)
		var texts []string
		for _, f := range files {
			text, err := os.ReadFile(f)
			require.NoError(t, err)
			texts = append(texts, string(text))
		}
		require.ElementsMatch(t, []string{"a: 1", "b: 2\nc: |\n  --- no end\n", "d: 4\n"}, texts)
	}
}
