// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// whole is a block of a page that can be saved and released as it is.
var whole = regexp.MustCompile("(?ms)^```yaml\n(apiVersion: slipway.dev/[^\n]*\nkind: Plan\n.*?)^```$")

func TestEveryPlanOfThePagesLoadsAndIsShort(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	require.NoError(t, err)
	strategies := map[string]bool{}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for i, block := range whole.FindAllStringSubmatch(string(text), -1) {
			t.Run(fmt.Sprintf("%s %d", filepath.Base(page), i+1), func(t *testing.T) {
				p := load(t, block[1])
				require.LessOrEqual(t, strings.Count(block[1], "\n"), 20)
				strategies[p.Spec.Strategy.Name()] = true
			})
		}
	}
	require.Equal(t, map[string]bool{plan.StrategyCanary: true, plan.StrategyBlueGreen: true, plan.StrategyRolling: true}, strategies)
}

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
