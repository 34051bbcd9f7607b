// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/notify"
)

var update = flag.Bool("update", false, "write the generated part of the page anew")

const (
	page = "../../docs/notifications.md"
	head = "<!-- Written by go test ./activities/notify -update from the types' docstrings. Edit those instead. -->\n"
	tail = "<!-- Until here. -->\n"
)

// TestTheFieldsOfThePageAreThoseOfTheTypes compares, or with -update writes, one table with every field of
// every receiver.
func TestTheFieldsOfThePageAreThoseOfTheTypes(t *testing.T) {
	want := head + fields(t) + tail
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	generated := regexp.MustCompile("(?s)" + regexp.QuoteMeta(head) + ".*?" + regexp.QuoteMeta(tail))
	require.True(t, generated.Match(text))
	if *update {
		require.NoError(t, os.WriteFile(page, generated.ReplaceAllLiteral(text, []byte(want)), 0o600))
		return
	}
	require.Empty(t, cmp.Diff(want, string(generated.Find(text))), "run go test ./activities/notify -update")
}

func fields(t *testing.T) string {
	t.Helper()
	r := &jsonschema.Reflector{ExpandedStruct: true}
	require.NoError(t, r.AddGoComments("github.com/slipwayhq/slipway/activities/notify", "./"))
	var b strings.Builder
	b.WriteString("| field | needed | meaning |\n| --- | --- | --- |\n")
	for _, service := range reflect.VisibleFields(reflect.TypeFor[notify.Receiver]()) {
		config := r.ReflectFromType(service.Type.Elem())
		name, _, _ := strings.Cut(service.Tag.Get("json"), ",")
		rows(&b, name, config, config.Definitions)
	}
	return b.String()
}

// rows are the fields of a mapping, those of a mapping in it behind it.
func rows(b *strings.Builder, path string, s *jsonschema.Schema, all jsonschema.Definitions) {
	for field := s.Properties.Oldest(); field != nil; field = field.Next() {
		needed, name := "", path+"."+field.Key
		if slices.Contains(s.Required, field.Key) {
			needed = "yes"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, needed, strings.Join(strings.Fields(field.Value.Description), " "))
		if below := all[strings.TrimPrefix(field.Value.Ref, "#/$defs/")]; below != nil && below.Properties != nil {
			rows(b, name, below, all)
		}
	}
}
