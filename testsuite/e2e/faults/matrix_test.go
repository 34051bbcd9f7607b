// SPDX-License-Identifier: Apache-2.0

package faults_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/faults"
)

// source is the code of package activities, as far as this test reads it.
type source struct {
	structs map[string]*ast.StructType
	// inputs are the types that activities take, by the names of the activities.
	inputs map[string]string
}

func read(t *testing.T) source {
	t.Helper()
	s := source{structs: map[string]*ast.StructType{}, inputs: map[string]string{}}
	files, err := filepath.Glob("../../../activities/*.go")
	require.NoError(t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.TypeSpec:
				if fields, ok := n.Type.(*ast.StructType); ok {
					s.structs[n.Name.Name] = fields
				}
			case *ast.FuncDecl:
				if in, ok := activity(n); ok {
					s.inputs[n.Name.Name] = in
				}
			}
			return true
		})
	}
	return s
}

// activity is an exported method with a context and one input.
func activity(f *ast.FuncDecl) (in string, ok bool) {
	if f.Recv == nil || !f.Name.IsExported() || len(f.Type.Params.List) != 2 {
		return "", false
	}
	first, ok := f.Type.Params.List[0].Type.(*ast.SelectorExpr)
	if !ok || first.Sel.Name != "Context" {
		return "", false
	}
	name, ok := f.Type.Params.List[1].Type.(*ast.Ident)
	if !ok {
		return "", true // of another package, or none of ours
	}
	return name.Name, true
}

// fenced reports whether an input carries a fence, however deep it is embedded.
func (s source) fenced(input string) bool {
	if input == "Write" {
		return true
	}
	fields := s.structs[input]
	if fields == nil {
		return false
	}
	return slices.ContainsFunc(fields.Fields.List, func(f *ast.Field) bool {
		name, ok := f.Type.(*ast.Ident)
		return ok && len(f.Names) == 0 && s.fenced(name.Name)
	})
}

// undisturbed are activities whose writes no way makes, and why. docs/reliability.md names them as a limit.
func undisturbed() map[string]string {
	return map[string]string{"MirrorTraffic": "the sandbox's gateway copies requests by a TraefikService alone, and the ways shift HTTPRoutes"}
}

// A new activity that writes needs a way here that uses it, and `make matrix-writes` to write its writes down.
func TestEveryActivityThatWritesIsKilledAroundEveryWrite(t *testing.T) {
	killed := map[string]bool{}
	for _, u := range faults.UsualOf() {
		for _, w := range u.Writes {
			killed[w.Activity] = true
		}
	}
	s := read(t)
	require.True(t, s.fenced("ShiftTrafficIn"), "this test can tell what writes")
	require.False(t, s.fenced("AwaitTrafficIn"))
	for name, in := range s.inputs {
		if s.fenced(in) || name == "TakeFence" {
			require.NotEqual(t, killed[name], undisturbed()[name] != "", "either a way of the fault matrix makes %s write, or it is written down why not", name)
		}
	}
	for name := range killed {
		require.Contains(t, s.inputs, name, "the fault matrix knows writes of an activity that is none")
		require.True(t, s.fenced(s.inputs[name]) || name == "TakeFence", "%s writes without a fence", name)
	}
}

func TestEveryWriteHasACaseForEveryMoment(t *testing.T) {
	ids := map[string]int{}
	for _, c := range faults.Cases() {
		ids[c.ID]++
		require.NotEmpty(t, c.Ends, c.ID)
		require.Equal(t, 1, ids[c.ID], c.ID)
	}
	usual := faults.UsualOf()
	require.Len(t, usual, len(faults.Ways()))
	for _, w := range faults.Ways() {
		require.NotEmpty(t, usual[w.Name].Writes, w.Name)
		for _, write := range usual[w.Name].Writes {
			for _, moment := range []string{"before-the-effect", "before-the-answer", "after-the-answer"} {
				require.Contains(t, ids, w.Name+"/"+write.String()+"/"+moment)
			}
		}
	}
}

func TestShardsAreAllCasesAndNoneTwice(t *testing.T) {
	all := faults.Cases()
	seen := map[string]int{}
	for _, text := range []string{"1/3", "2/3", "3/3"} {
		s, err := faults.ParseShard(text)
		require.NoError(t, err)
		for _, c := range s.Of(all) {
			seen[c.ID]++
		}
	}
	require.Len(t, seen, len(all))
	require.Equal(t, 1, slices.Max(slices.Collect(maps.Values(seen))))
	for _, text := range []string{"", "0/4", "5/4", "1", "1/4x", "-1/4", "a/b"} {
		_, err := faults.ParseShard(text)
		require.ErrorContains(t, err, "write one such as 1/4", text)
	}
}

func TestASampleIsTheSameForTheSameSeed(t *testing.T) {
	all := faults.Cases()
	names := func(seed uint64) (out []string) {
		for _, c := range faults.Sample(all, 5, seed) {
			require.NotEmpty(t, c.Rules, "a death around a write: %s", c.ID)
			require.True(t, c.Exact, c.ID)
			out = append(out, c.ID)
		}
		return out
	}
	first := names(7)
	require.Equal(t, first, names(7))
	require.NotEqual(t, first, names(8))
	quiet := len(faults.Ways())
	require.Empty(t, faults.Sample(all[:quiet], 5, 1))
	require.Len(t, faults.Sample(all[quiet:quiet+2], 5, 1), 2)
}

func TestAJournalGoesOnWhereItWasForTheSameBuild(t *testing.T) {
	file := filepath.Join(t.TempDir(), "journal")
	open := func(build string) *faults.Journal {
		j, err := faults.OpenJournal(file, build)
		require.NoError(t, err)
		return j
	}
	j := open("one")
	require.False(t, j.Passed("a"))
	require.NoError(t, j.Pass("a"))
	require.True(t, j.Passed("a"))
	require.NoError(t, j.Close())
	j = open("one")
	require.True(t, j.Passed("a"))
	require.False(t, j.Passed("b"))
	require.NoError(t, j.Close())
	j = open("two")
	require.False(t, j.Passed("a"), "it has passed with another worker")
	require.NoError(t, j.Pass("b"))
	require.NoError(t, j.Close())
	j = open("two")
	require.True(t, j.Passed("b"))
	require.NoError(t, j.Close())
}
