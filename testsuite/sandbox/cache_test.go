// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

const program = "the program"

// workshop is a builder of one part, "alpha", whose compiler writes a fixed text.
type workshop struct {
	sandbox.Builder
	part  sandbox.Part
	said  bytes.Buffer
	built int
}

func newWorkshop(t *testing.T) *workshop {
	t.Helper()
	w := &workshop{part: sandbox.Part{Name: "alpha", Target: ".", Minutes: 1}}
	w.Builder = sandbox.Builder{
		Source: t.TempDir(), Cache: t.TempDir(), Out: &w.said,
		Compile: func(_ context.Context, _ sandbox.Part, _, out string) error {
			w.built++
			return os.WriteFile(out, []byte(program), 0o700)
		},
		Free: func(string) (uint64, error) { return sandbox.NeedsDisk, nil },
	}
	w.write(t, "alpha/main.go", "package main")
	return w
}

// write changes a file below the source.
func (w *workshop) write(t *testing.T, file, text string) {
	t.Helper()
	file = filepath.Join(w.Source, file)
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o700))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

// build returns where the program is, and checks that it is whole.
func (w *workshop) build(t *testing.T) string {
	t.Helper()
	programs, err := w.Build(t.Context(), w.part)
	require.NoError(t, err)
	text, err := os.ReadFile(programs["alpha"])
	require.NoError(t, err)
	require.Equal(t, program, string(text))
	return programs["alpha"]
}

// entries are the directories in the cache.
func (w *workshop) entries(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(w.Cache, "alpha-*"))
	require.NoError(t, err)
	return found
}

func TestAProgramIsBuiltOnceAndThenFound(t *testing.T) {
	w := newWorkshop(t)
	first := w.build(t)
	require.Contains(t, w.said.String(), "building 1 of the sandbox's 1 programs: about 1 minutes")
	w.said.Reset()
	require.Equal(t, first, w.build(t))
	require.Equal(t, 1, w.built)
	require.Empty(t, w.said.String())
}

func TestAnInterruptedBuildLeavesNothingBroken(t *testing.T) {
	w := newWorkshop(t)
	good := w.Compile
	w.Compile = func(_ context.Context, _ sandbox.Part, _, out string) error {
		return errors.Join(os.WriteFile(out, []byte("the pro"), 0o600), errors.New("killed"))
	}
	_, err := w.Build(t.Context(), w.part)
	require.EqualError(t, err, "build alpha: killed")
	for _, e := range w.entries(t) {
		require.Equal(t, ".new", filepath.Ext(e))
	}
	w.Compile = good
	w.said.Reset()
	entry := filepath.Dir(w.build(t))
	require.Equal(t, []string{entry}, w.entries(t))
	require.NotContains(t, w.said.String(), "damaged")
}

func TestADamagedEntryIsBuiltAgainAndSaidSo(t *testing.T) {
	later := time.Now().Add(time.Hour)
	tests := map[string]struct {
		damage func(entry string) error
		want   string
	}{
		"the stamp is missing": {
			func(e string) error { return os.Remove(filepath.Join(e, "stamp.json")) }, "stamp.json: no such file",
		},
		"the stamp is half-written": {
			func(e string) error { return os.Truncate(filepath.Join(e, "stamp.json"), 10) }, "read stamp: unexpected end",
		},
		"the program is missing": {
			func(e string) error { return os.Remove(filepath.Join(e, "alpha")) }, "alpha: no such file",
		},
		"the program is half-written": {
			func(e string) error { return os.Truncate(filepath.Join(e, "alpha"), 3) }, "the program is not the one that was built",
		},
		"the program is another one of the same size": {
			func(e string) error {
				file := filepath.Join(e, "alpha")
				return errors.Join(os.WriteFile(file, []byte("THE PROGRAM"), 0o600), os.Chtimes(file, later, later))
			}, "the program is not the one that was built",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			require.NoError(t, tt.damage(filepath.Dir(w.build(t))))
			w.said.Reset()
			w.build(t)
			require.Equal(t, 2, w.built)
			require.Contains(t, w.said.String(), "the cached alpha is damaged (")
			require.Contains(t, w.said.String(), tt.want)
		})
	}
}

func TestACopiedCacheIsReadAndUsed(t *testing.T) {
	w := newWorkshop(t)
	file := w.build(t)
	require.NoError(t, os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)))
	w.build(t)
	require.Equal(t, 1, w.built)
}

func TestAFullDiskIsRefusedBeforeItIsFuller(t *testing.T) {
	w := newWorkshop(t)
	w.Free = func(string) (uint64, error) { return 3<<30 + 1, nil }
	_, err := w.Build(t.Context(), w.part)
	require.ErrorContains(t, err, "build alpha: 3 GiB of disk space are free at "+w.Cache+", a build may take 12 GiB")
	require.ErrorContains(t, err, "XDG_CACHE_HOME")
	require.Zero(t, w.built)
}

// herald closes heard when something is said that contains word.
type herald struct {
	word  string
	heard chan struct{}
}

func (h herald) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(h.word)) {
		close(h.heard)
	}
	return len(b), nil
}

func TestASecondBuilderWaitsForTheFirst(t *testing.T) {
	w := newWorkshop(t)
	compiling, goOn := make(chan struct{}), make(chan struct{})
	first, second := w.Builder, w.Builder
	first.Compile = func(ctx context.Context, p sandbox.Part, dir, out string) error {
		close(compiling)
		<-goOn
		return w.Compile(ctx, p, dir, out)
	}
	second.Compile = func(context.Context, sandbox.Part, string, string) error { return errors.New("built twice") }
	waits := herald{"waiting for another build of alpha", make(chan struct{})}
	second.Out = waits
	errs := make(chan error, 2)
	go func() {
		_, err := first.Build(t.Context(), w.part)
		errs <- err
	}()
	<-compiling
	go func() {
		_, err := second.Build(t.Context(), w.part)
		errs <- err
	}()
	<-waits.heard
	close(goOn)
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
}

func TestTheTwoNewestEntriesAreKept(t *testing.T) {
	w := newWorkshop(t)
	var built []string
	for i, source := range []string{"one", "two", "three"} {
		w.write(t, "alpha/main.go", source)
		entry := filepath.Dir(w.build(t))
		built = append(built, entry)
		at := time.Unix(int64(i), 0)
		require.NoError(t, os.Chtimes(entry, at, at))
	}
	require.ElementsMatch(t, built[1:], w.entries(t))

	left := filepath.Join(w.Cache, "alpha-0123456789ab.new") // of a build that was killed, newer than all
	require.NoError(t, os.Mkdir(left, 0o700))
	w.write(t, "alpha/main.go", "four")
	require.ElementsMatch(t, []string{built[2], filepath.Dir(w.build(t))}, w.entries(t))
}

func TestAnEntryBelongsToItsSources(t *testing.T) {
	tests := map[string]struct {
		file  string // is written
		part  sandbox.Part
		other bool
	}{
		"a changed source is another entry":       {file: "alpha/main.go", other: true},
		"a new package below is another entry":    {file: "alpha/sub/sub.go", other: true},
		"another requirement is another entry":    {file: "alpha/go.mod", other: true},
		"another checksum is another entry":       {file: "alpha/go.sum", other: true},
		"another flag is another entry":           {part: sandbox.Part{Flags: []string{"-race"}}, other: true},
		"another target is another entry":         {part: sandbox.Part{Target: "./cmd"}, other: true},
		"a test is no part of the program":        {file: "alpha/main_test.go"},
		"a text is no part of the program":        {file: "alpha/README.md"},
		"another part is no part of this program": {file: "beta/main.go"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newWorkshop(t)
			before := w.build(t)
			if tt.file != "" {
				w.write(t, tt.file, "something else")
			}
			w.part.Flags = tt.part.Flags
			w.part.Target = cmp.Or(tt.part.Target, w.part.Target)
			require.Equal(t, tt.other, w.build(t) != before)
		})
	}
}

func TestAPartWithoutSourcesIsNamed(t *testing.T) {
	w := newWorkshop(t)
	_, err := w.Build(t.Context(), sandbox.Part{Name: "gone"})
	require.ErrorContains(t, err, "read sources of gone")
}

func TestEveryPartHasItsSources(t *testing.T) {
	for _, p := range sandbox.Parts() {
		files, err := filepath.Glob(filepath.Join(p.Name, "*.go"))
		require.NoError(t, err)
		require.NotEmpty(t, files, p.Name)
	}
}
