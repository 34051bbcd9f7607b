// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

func main() {
	repository := flag.String("repository", ".", "the root of the repository")
	only := flag.String("only", "", "break this promise alone")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *repository, *only, os.Stdout); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // there is nothing left to end
	}
}

// run breaks one promise after the other, and fails when nobody notices, or too few are noticed by the simulation.
func run(ctx context.Context, repository, only string, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var all, caught, simulated int
	for _, m := range mutants() {
		if only != "" && m.promise != only {
			continue
		}
		all++
		began := time.Now()
		by, err := m.try(ctx, repository)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", m.promise, m.name, err)
		}
		if by != "" {
			caught++
		}
		if strings.HasPrefix(by, simulation) {
			simulated++
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", m.promise, m.name, cmp.Or(by, "NOBODY"), time.Since(began).Round(time.Second))
		_ = table.Flush()
	}
	_, _ = fmt.Fprintf(out, "%d mutants, %d caught, %d of them by the simulation alone\n", all, caught, simulated)
	switch {
	case caught < all:
		return errors.New("a promise can be broken without anybody noticing")
	case only == "" && 2*simulated < all:
		return errors.New("the simulation notices less than half")
	}
	return nil
}

const (
	simulation = "simulation: "
	// seeds are enough for a broken promise to be seen, if the simulation can see it.
	seeds = "600"
)

// try returns the test that caught it; empty: none did. The one that the list names is asked first, then everybody.
func (m mutant) try(ctx context.Context, repository string) (string, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := m.overlay(repository, dir)
	if err != nil {
		return "", err
	}
	simulate := func() (string, error) {
		by, err := test(ctx, repository, overlay, "./testsuite/simulation", "-run", "TestSeeds|TestScenarios", "-seeds", seeds, "-brief")
		return simulationSays(by), err
	}
	everybody := func() (string, error) { return test(ctx, repository, overlay, "./workflows/...", "./activities/...") }
	askers := []func() (string, error){simulate, everybody}
	if where, name, ok := strings.Cut(m.by, " "); ok {
		named := func() (string, error) { return test(ctx, repository, overlay, where, "-run", name) }
		askers = slices.Insert(askers, 0, named)
	}
	for _, ask := range askers {
		if by, err := ask(); err != nil || by != "" {
			return by, err
		}
	}
	return "", nil
}

func simulationSays(by string) string {
	if by == "" {
		return ""
	}
	return simulation + by
}

// overlay is what the compiler sees in place of the file.
func (m mutant) overlay(repository, dir string) (string, error) {
	root, err := filepath.Abs(repository)
	if err != nil {
		return "", err
	}
	file := filepath.Join(root, m.file)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), m.was); n != 1 {
		return "", fmt.Errorf("%s contains its text %d times, not once; correct the mutant: %s", m.file, n, m.was)
	}
	broken, overlay := filepath.Join(dir, "broken.go"), filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(broken, []byte(strings.Replace(string(text), m.was, m.is, 1)), 0o600); err != nil { //nolint:gosec // in a directory of its own
		return "", err
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: broken}})
	if err != nil {
		return "", err
	}
	return overlay, os.WriteFile(overlay, list, 0o600)
}

var (
	failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)
	violation  = regexp.MustCompile(`(?m)\b(I\d+ at .*)$`)
)

// test runs tests of a mutant and returns what failed; a mutant that does not compile is an error.
func test(ctx context.Context, repository, overlay string, args ...string) (string, error) {
	args = append([]string{
		"test", "-count=1", "-vet=off", "-failfast", "-ldflags=-s -w", // a small binary is linked sooner
		"-overlay", overlay,
	}, args...)
	command := exec.CommandContext(ctx, "go", args...) //nolint:gosec // its arguments are the list's
	command.Dir = repository
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "", ctx.Err()
	case !errors.As(err, &exit):
		return "", err
	}
	found := failedTest.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("its tests did not run:\n%s", out)
	}
	by := string(found[1])
	if says := violation.FindSubmatch(out); says != nil {
		by += ", " + string(says[1])
	}
	return by, nil
}
