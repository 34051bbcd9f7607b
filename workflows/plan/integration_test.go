// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Every block of triggers in the documentation is one that a plan takes.
func TestTheTriggersOfTheDocumentationAreInOrder(t *testing.T) {
	pages, err := filepath.Glob("../../docs/integrations/*.md")
	require.NoError(t, err)
	found := map[string]bool{}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, block := range regexp.MustCompile("(?s)```yaml\n(triggers:\n.*?)```").FindAllStringSubmatch(string(text), -1) {
			indented := "  " + strings.ReplaceAll(strings.TrimRight(block[1], "\n"), "\n", "\n  ") + "\n"
			p, err := plan.Load(strings.NewReader(short + indented))
			require.NoError(t, err, page)
			for _, trigger := range p.Spec.Triggers {
				found[trigger.Sender] = true
			}
		}
	}
	for _, sender := range plan.Senders() {
		require.True(t, found[sender], "no page shows a trigger of %s", sender)
	}
}
