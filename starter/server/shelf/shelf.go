// SPDX-License-Identifier: Apache-2.0

package shelf

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxFiles bounds what is read; more is a mistake of the directory.
const maxFiles = 2000

// Entry is one file of the directory.
type Entry struct {
	// File is its path below the directory.
	File string
	// Plan is only usable without an Error.
	Plan plan.Plan
	// Error says what is wrong with the file; empty: nothing.
	Error string
	// source is the text of a file that is broken.
	source []byte
	sum    [sha256.Size]byte
}

// Name is "environment/name" of a plan that could be read.
func (e Entry) Name() string { return e.Plan.Metadata.Environment + "/" + e.Plan.Metadata.Name }

// Shelf holds the plans of a directory.
type Shelf struct {
	dir    string
	logger *slog.Logger

	mu      sync.RWMutex
	entries []Entry
	loaded  bool
}

// New makes an empty shelf of a directory.
func New(dir string, logger *slog.Logger) *Shelf { return &Shelf{dir: dir, logger: logger} }

// Follow reads the directory whenever the tick comes, until ctx is done. A directory cannot be watched
// through the links that Kubernetes swaps when a ConfigMap changes without missing something; it is small,
// so that it is simply read.
func (s *Shelf) Follow(ctx context.Context, tick <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			if err := s.Load(); err != nil {
				s.logger.Error("plans not read", "dir", s.dir, "error", err)
			}
		}
	}
}

// Load reads what has changed since it was read last. An error is of the directory itself; then the plans
// stay what they were.
func (s *Shelf) Load() error {
	files, err := s.files()
	if err != nil {
		return fmt.Errorf("read plans of %s: %w", s.dir, err)
	}
	known := map[string]Entry{}
	for _, e := range s.Entries() {
		known[e.File] = e
	}
	entries := make([]Entry, 0, len(files))
	for _, file := range files {
		entries = append(entries, s.read(file, known[file]))
	}
	refuseDoubles(entries)
	s.tell(known, entries)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.loaded = entries, true
	return nil
}

// files are the plans below the directory, in order. What begins with a dot is skipped: a ConfigMap keeps
// its former content there.
func (s *Shelf) files() ([]string, error) {
	var out []string
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != s.dir && strings.HasPrefix(d.Name(), "."):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || !isPlan(d.Name()):
			return nil
		case len(out) == maxFiles:
			return fmt.Errorf("there are more than %d files; is this the right directory?", maxFiles)
		}
		name, err := filepath.Rel(s.dir, path)
		out = append(out, name)
		return err
	})
	return out, err
}

func isPlan(name string) bool {
	return slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(name))
}

// read is the entry of a file, the one before where nothing has changed.
func (s *Shelf) read(file string, before Entry) Entry {
	source, err := readFile(filepath.Join(s.dir, file))
	if err != nil {
		return Entry{File: file, Error: err.Error()}
	}
	e := Entry{File: file, sum: sha256.Sum256(source)}
	if e.sum == before.sum && before.File != "" {
		if strings.HasPrefix(before.Error, twice) { // that depends on the other files
			before.Error = ""
		}
		return before
	}
	if e.Plan, err = plan.Load(bytes.NewReader(source)); err != nil {
		e.Error, e.Plan, e.source = err.Error(), plan.Plan{}, source
	}
	return e
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open plan: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(f, plan.MaxSize+1))
	return text, errors.Join(err, f.Close())
}

// twice begins the error of two files with a plan of the same service and environment.
const twice = "this plan is of "

// refuseDoubles breaks plans of the same name: nobody knows which one counts.
func refuseDoubles(entries []Entry) {
	first := map[string]int{}
	for i := range entries {
		e := &entries[i]
		if e.Error != "" {
			continue
		}
		j, ok := first[e.Name()]
		if !ok {
			first[e.Name()] = i
			continue
		}
		e.Error = fmt.Sprintf("%s%s, as that of %s is: delete one of them", twice, e.Name(), entries[j].File)
		entries[j].Error = fmt.Sprintf("%s%s, as that of %s is: delete one of them", twice, e.Name(), e.File)
	}
}

// tell logs what has changed, once.
func (s *Shelf) tell(known map[string]Entry, now []Entry) {
	for _, e := range now {
		before, ok := known[e.File]
		switch {
		case e.Error != "" && e.Error != before.Error:
			s.logger.Error("plan broken", "file", e.File, "error", e.Error)
		case e.Error == "" && (!ok || e.sum != before.sum || before.Error != ""):
			s.logger.Info("plan read", "file", e.File, "service", e.Name())
		}
		delete(known, e.File)
	}
	for file := range known {
		s.logger.Info("plan gone", "file", file)
	}
}

// Entries are the files in order. Nobody may change them.
func (s *Shelf) Entries() []Entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries
}

// Loaded reports whether the directory could be read.
func (s *Shelf) Loaded() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.loaded
}

// Plans are those that are in order.
func (s *Shelf) Plans() []plan.Plan {
	var out []plan.Plan
	for _, e := range s.Entries() {
		if e.Error == "" {
			out = append(out, e.Plan)
		}
	}
	return out
}

// Plan is that of a service, by "environment/name".
func (s *Shelf) Plan(name string) (plan.Plan, bool) {
	for _, e := range s.Entries() {
		if e.Error == "" && e.Name() == name {
			return e.Plan, true
		}
	}
	return plan.Plan{}, false
}

// Mentioning are the broken files whose text contains a word, which may have meant it.
func (s *Shelf) Mentioning(word string) []string {
	var out []string
	for _, e := range s.Entries() {
		if e.Error != "" && (bytes.Contains(e.source, []byte(word)) || mentions(e.Plan, word)) {
			out = append(out, e.File)
		}
	}
	return out
}

func mentions(p plan.Plan, word string) bool {
	return slices.ContainsFunc(p.Spec.Triggers, func(t plan.Trigger) bool { return t.Repository == word })
}
