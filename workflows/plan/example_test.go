// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryExampleLoadsAndIsShort(t *testing.T) {
	files, err := filepath.Glob("../../deploy/example/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			load(t, string(text))
			require.LessOrEqual(t, strings.Count(string(text), "\n"), 20)
		})
	}
}
