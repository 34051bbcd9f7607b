// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"
)

const referenceHead = `<!-- Written by go test ./workflows/plan -update from the types' docstrings. Edit those instead. -->
# Plan reference

A plan is one YAML file per service and environment. Unknown and duplicate fields are errors that name
line and field. ` + "`slipway lint -f plan.yaml`" + ` prints a plan with every default, and ` + "`slipway schema`" + `
prints the JSON Schema for editors.

A duration is written with its unit: ` + "`30s`, `5m`, `1h30m`" + `. A ratio is a multiple of what stable does: ` + "`1.25x`" + `.
A size is a number of pods or a share of them: ` + "`3`, `25%%`" + `.

` + "```yaml\n%s```\n"

func TestReferenceIsGeneratedFromTheTypes(t *testing.T) {
	const file = "../../docs/plan.md"
	text, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	r := reference{schema: &jsonschema.Schema{}}
	require.NoError(t, json.Unmarshal(text, r.schema))
	example, err := os.ReadFile("../../deploy/example/plan.yaml")
	require.NoError(t, err)
	fmt.Fprintf(&r.text, referenceHead, example)
	r.section("", r.schema)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(r.text.String()), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), r.text.String()), "run go test ./workflows/plan -update")
}

// reference writes the schema as a table per mapping, from the outside in.
type reference struct {
	schema *jsonschema.Schema
	text   strings.Builder
}

func (r *reference) section(path string, s *jsonschema.Schema) {
	title := path
	if title == "" {
		title = "plan"
	}
	fmt.Fprintf(&r.text, "\n## %s\n\n%s\n\n", title, oneLine(s.Description))
	r.text.WriteString("| field | value | needed | meaning |\n| --- | --- | --- | --- |\n")
	type mapping struct {
		path   string
		schema *jsonschema.Schema
	}
	var below []mapping
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		name, value := p.Key, r.resolve(p.Value)
		if value.Items != nil && value.Items.Ref != "" {
			name, value = name+"[]", r.resolve(value.Items)
		}
		meaning := p.Value.Description
		if meaning == "" {
			meaning = value.Description
		}
		needed := ""
		if slices.Contains(s.Required, p.Key) {
			needed = "yes"
		}
		fmt.Fprintf(&r.text, "| `%s` | %s | %s | %s |\n", name, kind(p.Value, value), needed, oneLine(meaning))
		if value.Properties != nil {
			below = append(below, mapping{strings.TrimPrefix(path+"."+name, "."), value})
		}
	}
	for _, m := range below {
		r.section(m.path, m.schema)
	}
}

func (r *reference) resolve(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Ref == "" {
		return s
	}
	return r.schema.Definitions[strings.TrimPrefix(s.Ref, "#/$defs/")]
}

// kind is what a person writes behind the colon.
func kind(written, value *jsonschema.Schema) string {
	switch {
	case strings.HasSuffix(written.Ref, "/Duration"), strings.HasSuffix(written.Ref, "/Ratio"), strings.HasSuffix(written.Ref, "/Size"):
		return strings.ToLower(strings.TrimPrefix(written.Ref, "#/$defs/"))
	case written.Items != nil && strings.HasSuffix(written.Items.Ref, "/Size"):
		return "list of sizes"
	case written.Items != nil && written.Items.Ref != "":
		return "list of mappings"
	case written.Items != nil:
		return "list of strings"
	case value.Properties != nil:
		return "mapping"
	}
	return value.Type
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
