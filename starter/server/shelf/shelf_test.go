// SPDX-License-Identifier: Apache-2.0

package shelf_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/server/shelf"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const rolling = `apiVersion: slipway.dev/v1alpha1
kind: Plan
metadata: {name: %s, environment: production}
spec:
  target: {namespace: shop, deployment: checkout}
  strategy: {rolling: {}}
  triggers: [{sender: generic, repository: acme/%s, image: ghcr.io/acme/shop}]
`

func planOf(name string) string { return fmt.Sprintf(rolling, name, name) }

// room is a directory with a shelf.
type room struct {
	t   *testing.T
	dir string
	log bytes.Buffer
	*shelf.Shelf
}

func furnish(t *testing.T) *room {
	t.Helper()
	r := &room{t: t, dir: t.TempDir()}
	r.Shelf = shelf.New(r.dir, slog.New(slog.NewTextHandler(&r.log, nil)))
	return r
}

func (r *room) put(file, text string) {
	r.t.Helper()
	path := filepath.Join(r.dir, file)
	require.NoError(r.t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(r.t, os.WriteFile(path, []byte(text), 0o600))
}

func (r *room) load() []string {
	r.t.Helper()
	r.log.Reset()
	require.NoError(r.t, r.Load())
	var out []string
	for _, p := range r.Plans() {
		out = append(out, p.Metadata.Name)
	}
	return out
}

func (r *room) errors() map[string]string {
	out := map[string]string{}
	for _, e := range r.Entries() {
		if e.Error != "" {
			out[e.File] = e.Error
		}
	}
	return out
}

func TestEveryPlanBelowADirectoryIsRead(t *testing.T) {
	r := furnish(t)
	require.False(t, r.Loaded())
	r.put("a.yaml", planOf("a"))
	r.put("team/b.yml", planOf("b"))
	r.put("README.md", "not a plan")
	r.put(".hidden.yaml", planOf("c"))
	r.put(".git/d.yaml", planOf("d"))
	require.Equal(t, []string{"a", "b"}, r.load())
	require.True(t, r.Loaded())
	require.Empty(t, r.errors())
	p, ok := r.Plan("production/b")
	require.True(t, ok)
	require.Equal(t, plan.EventRelease, p.Spec.Triggers[0].Event, "it is filled")
	_, ok = r.Plan("production/c")
	require.False(t, ok)
}

func TestABrokenPlanIsNamedAndTakesNoOtherWithIt(t *testing.T) {
	r := furnish(t)
	r.put("a.yaml", planOf("a"))
	r.put("b.yaml", strings.Replace(planOf("b"), "rolling", "roling", 1))
	require.Equal(t, []string{"a"}, r.load())
	require.Contains(t, r.errors()["b.yaml"], `unknown field "roling"`)
	require.Contains(t, r.log.String(), "plan broken")
	require.Contains(t, r.log.String(), "file=b.yaml")
	require.Equal(t, []string{"b.yaml"}, r.Mentioning("acme/b"))
	require.Empty(t, r.Mentioning("acme/a"))
	r.load()
	require.Empty(t, r.log.String(), "what was said is not said again")
	r.put("b.yaml", planOf("b"))
	require.Equal(t, []string{"a", "b"}, r.load())
	require.Contains(t, r.log.String(), "plan read")
	require.Empty(t, r.Mentioning("acme/b"))
}

func TestAPlanThatChangesOrGoesIsNoticed(t *testing.T) {
	r := furnish(t)
	r.put("a.yaml", planOf("a"))
	require.Equal(t, []string{"a"}, r.load())
	r.put("a.yaml", planOf("z"))
	require.Equal(t, []string{"z"}, r.load())
	require.NoError(t, os.Remove(filepath.Join(r.dir, "a.yaml")))
	require.Empty(t, r.load())
	require.Contains(t, r.log.String(), "plan gone")
}

func TestTwoPlansOfOneServiceAreBothBroken(t *testing.T) {
	r := furnish(t)
	r.put("a.yaml", planOf("a"))
	r.put("b.yaml", planOf("a"))
	require.Empty(t, r.load())
	require.Equal(t, map[string]string{
		"a.yaml": "this plan is of production/a, as that of b.yaml is: delete one of them",
		"b.yaml": "this plan is of production/a, as that of a.yaml is: delete one of them",
	}, r.errors())
	require.Equal(t, []string{"a.yaml", "b.yaml"}, r.Mentioning("acme/a"))
	require.NoError(t, os.Remove(filepath.Join(r.dir, "b.yaml")))
	require.Equal(t, []string{"a"}, r.load())
}

func TestAConfigMapThatIsSwappedIsReadAnew(t *testing.T) {
	r := furnish(t)
	r.put("..1/a.yaml", planOf("a"))
	require.NoError(t, os.Symlink("..1", filepath.Join(r.dir, "..data")))
	require.NoError(t, os.Symlink(filepath.Join("..data", "a.yaml"), filepath.Join(r.dir, "a.yaml")))
	require.Equal(t, []string{"a"}, r.load())
	r.put("..2/a.yaml", planOf("b"))
	require.NoError(t, os.Symlink("..2", filepath.Join(r.dir, "..new")))
	require.NoError(t, os.Rename(filepath.Join(r.dir, "..new"), filepath.Join(r.dir, "..data")))
	require.NoError(t, os.RemoveAll(filepath.Join(r.dir, "..1")))
	require.Equal(t, []string{"b"}, r.load())
}

func TestADirectoryThatCannotBeReadLeavesThePlansWhatTheyWere(t *testing.T) {
	r := furnish(t)
	r.put("a.yaml", planOf("a"))
	require.Equal(t, []string{"a"}, r.load())
	require.NoError(t, os.Rename(r.dir, r.dir+"-away"))
	require.ErrorContains(t, r.Load(), "read plans of "+r.dir)
	require.Len(t, r.Plans(), 1)
}

func TestATickReadsAnew(t *testing.T) {
	r := furnish(t)
	ctx, cancel := context.WithCancel(t.Context())
	tick, done := make(chan time.Time), make(chan struct{})
	go func() { r.Follow(ctx, tick); close(done) }()
	r.put("a.yaml", planOf("a"))
	tick <- time.Time{}
	cancel()
	<-done
	require.Len(t, r.Plans(), 1)
}

func TestATooLargeFileIsBroken(t *testing.T) {
	r := furnish(t)
	r.put("a.yaml", planOf("a")+"#"+strings.Repeat("x", plan.MaxSize))
	require.Empty(t, r.load())
	require.Contains(t, r.errors()["a.yaml"], "larger than 256 KiB")
}
