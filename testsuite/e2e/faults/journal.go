// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// Journal keeps which cases have passed, so that a run that was broken off goes on where it was. One that was
// written for another build begins anew: what has passed there proves nothing here.
type Journal struct {
	mu     sync.Mutex
	file   *os.File
	passed map[string]bool
}

// Build is a name for what the cases test: the worker's program, and the writes they know of.
func Build(worker string) (string, error) {
	f, err := os.Open(worker)
	if err != nil {
		return "", fmt.Errorf("name the build: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("name the build: %w", err)
	}
	_, _ = h.Write(recorded) // a hash never fails
	return hex.EncodeToString(h.Sum(nil)), nil
}

// OpenJournal opens or makes a journal of a build.
func OpenJournal(file, build string) (*Journal, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	j := &Journal{file: f, passed: map[string]bool{}}
	lines := bufio.NewScanner(f)
	same := lines.Scan() && lines.Text() == "build "+build
	for same && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "passed "); ok {
			j.passed[id] = true
		}
	}
	if err = lines.Err(); err == nil && !same {
		if err = f.Truncate(0); err == nil {
			_, err = fmt.Fprintf(f, "build %s\n", build)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), f.Close())
	}
	return j, nil
}

// Passed reports whether a case has passed before.
func (j *Journal) Passed(id string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.passed[id]
}

// Pass keeps that a case has passed.
func (j *Journal) Pass(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.passed[id] = true
	if _, err := fmt.Fprintf(j.file, "passed %s\n", id); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// Close ends it.
func (j *Journal) Close() error { return j.file.Close() }
