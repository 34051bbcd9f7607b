// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/cli"
)

// shown is a block of a page that begins with a command which needs nothing but the repository.
var shown = regexp.MustCompile("(?ms)^```\n\\$ slipway ((?:plan|choose)[^\n]*)\n(.*?)^```$")

// TestThePageShowsWhatTheCommandsPrint runs every such command from the top of the repository. With -update
// it writes the page anew.
func TestThePageShowsWhatTheCommandsPrint(t *testing.T) {
	t.Chdir("../..")
	const page = "docs/strategies.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(shown.FindAll(text, -1)), 2)
	got := shown.ReplaceAllFunc(text, func(block []byte) []byte {
		command := string(shown.FindSubmatch(block)[1])
		return []byte("```\n$ slipway " + command + "\n" + run(t, command) + "```")
	})
	if *update {
		require.NoError(t, os.WriteFile(page, got, 0o600))
		return
	}
	require.Empty(t, cmp.Diff(string(text), string(got)), "run go test ./starter/cli -update")
}

func run(t *testing.T, command string) string {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(context.Background(), cli.Terminal{In: strings.NewReader(""), Out: &out, Err: &errs, Now: time.Now}, strings.Fields(command))
	require.Zero(t, code, errs.String())
	return out.String()
}
