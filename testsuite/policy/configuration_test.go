// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the generated files anew")

const configurationHead = `<!-- Written by go test ./testsuite/policy -update from the docstrings of the configuration. Edit those instead. -->
# Configuration

Every program is configured by its environment. A value that cannot be used ends it with exit code 1 and a
message that names the variable.

All programs reach Temporal as every Temporal tool does: by ` + "`TEMPORAL_ADDRESS`, `TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`,\n`TEMPORAL_TLS_*`, or `TEMPORAL_PROFILE` of the file `TEMPORAL_CONFIG_FILE`" + `; without any of them at
` + "`localhost:7233`, namespace `default`" + `.
`

// configured are the programs, and where their configuration is.
func configured() []struct{ program, about, file, name string } {
	return []struct{ program, about, file, name string }{
		{"worker", "Executes releases; see [operations](operations.md).", "../../worker/config.go", "config"},
		{"slipway serve", "Takes webhooks and serves the API; see [integrations](integrations/README.md).", "../../starter/server/config.go", "Config"},
		{
			"slipway slack", "Shows releases in Slack and takes decisions there; `slipway serve` does too where the bot token is set. See [Slack](integrations/slack.md).",
			"../../starter/server/slack/config.go", "Config",
		},
	}
}

func TestTheConfigurationIsGeneratedFromTheStructs(t *testing.T) {
	const file = "../../docs/configuration.md"
	var text strings.Builder
	text.WriteString(configurationHead)
	for _, c := range configured() {
		fmt.Fprintf(&text, "\n## %s\n\n%s\n\n| variable | default | meaning |\n| --- | --- | --- |\n", c.program, c.about)
		rows := variables(t, c.file, c.name)
		require.NotEmpty(t, rows)
		text.WriteString(strings.Join(rows, ""))
	}
	text.WriteString("\n## slipway\n\nThe other commands take `SLIPWAY_USER`: who gives a command, for CI; default: the user of the machine;\nand `SLIPWAY_APPROVAL_KEY`: the private key by which decisions are [signed](approvals.md).\n")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), text.String()), "run go test ./testsuite/policy -update")
}

// variables are the rows of one struct.
func variables(t *testing.T, file, name string) []string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	require.NoError(t, err)
	var rows []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok || spec.Name.Name != name {
			return true
		}
		about := ""
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			if f.Tag == nil { // what was read from the variables
				continue
			}
			if f.Doc != nil { // one docstring may be of several fields
				about = strings.Join(strings.Fields(f.Doc.Text()), " ")
			}
			rows = append(rows, row(t, f, about))
		}
		return false
	})
	return rows
}

func row(t *testing.T, f *ast.Field, about string) string {
	t.Helper()
	tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`"))
	variable, options, _ := strings.Cut(tag.Get("env"), ",")
	require.NotEmpty(t, variable, f.Names)
	require.NotEmpty(t, about, variable)
	value := tag.Get("envDefault")
	switch {
	case strings.Contains(options, "required"):
		value = "needed"
	case value != "":
		value = "`" + value + "`"
	}
	_, meaning, _ := strings.Cut(about, " ")
	meaning = strings.TrimPrefix(strings.TrimPrefix(meaning, "is "), "are ")
	return fmt.Sprintf("| `%s` | %s | %s |\n", variable, value, strings.ReplaceAll(meaning, "|", "\\|"))
}
