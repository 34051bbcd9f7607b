// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// copyCRDs puts a part's definitions next to its program, where they are not there yet.
func (b Builder) copyCRDs(ctx context.Context, p Part, program string) error {
	to := CRDDir(program)
	if p.CRDs.Module == "" {
		return nil
	}
	if _, err := os.Stat(to); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return p.CRDs.Take(ctx, filepath.Join(b.Source, p.Name), to)
}

// Take copies the definitions into a new directory, from the version of their module that the module in dir
// requires.
func (c CRDs) Take(ctx context.Context, dir, to string) error {
	text, err := goCommand(ctx, dir, "mod", "download", "-json", c.Module) // nothing else may have needed it yet
	if err != nil {
		return fmt.Errorf("find CRDs in %s: %w", c.Module, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return fmt.Errorf("find CRDs in %s: %w", c.Module, err)
	}
	return takeCRDs(filepath.Join(module.Dir, filepath.FromSlash(c.Path)), to)
}

// takeCRDs copies a directory, or the documents of a file each into a file of its own. It may be killed at any
// time, and run twice at once: what is there is whole.
func takeCRDs(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return fmt.Errorf("find CRDs: %w", err)
	}
	fresh, err := os.MkdirTemp(filepath.Dir(to), "crds-")
	if err != nil {
		return fmt.Errorf("copy CRDs: %w", err)
	}
	if info.IsDir() {
		err = os.CopyFS(fresh, os.DirFS(from))
	} else {
		err = splitCRDs(from, fresh)
	}
	if err != nil {
		return fmt.Errorf("copy CRDs: %w", err)
	}
	if err := os.Rename(fresh, to); err != nil && !errors.Is(err, fs.ErrExist) { // somebody was faster
		return fmt.Errorf("copy CRDs: %w", err)
	}
	return os.RemoveAll(fresh)
}

func splitCRDs(file, to string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for i, document := range strings.Split("\n"+string(text), "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		name := fmt.Sprintf("%s-%02d.yaml", strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), i)
		if err := os.WriteFile(filepath.Join(to, name), []byte(document), 0o644); err != nil { //nolint:gosec // in a directory that the caller names
			return err
		}
	}
	return nil
}

// GatherCRDs puts the definitions of all programs into one directory, in place of what is there.
func GatherCRDs(to string, programs map[string]string) error {
	if err := os.RemoveAll(to); err != nil {
		return fmt.Errorf("gather CRDs: %w", err)
	}
	for _, program := range programs {
		dir := CRDDir(program)
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
			return fmt.Errorf("gather CRDs: %w", err)
		}
	}
	return nil
}
