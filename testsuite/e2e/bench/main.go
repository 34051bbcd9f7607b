// SPDX-License-Identifier: Apache-2.0

// Command bench measures the figures that the documentation promises, on a sandbox of its own. It prints
// them beside their limits, writes them as bench-report.json (bench-release-report.json with -releases,
// bench-storm-report.json with -storm, bench-clicks-report.json with -clicks, bench-analysis-report.json with
// -analysis), and fails when one is missed.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// Figure is one measurement with its limit.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Limit float64 `json:"limit"`
	Unit  string  `json:"unit"`
}

func (f Figure) missed() bool { return f.Value > f.Limit }

func main() {
	var repository, dir string
	var m measures
	flag.StringVar(&repository, "repository", ".", "root of Slipway's source")
	flag.StringVar(&dir, "dir", ".sandbox", "directory for all state and for the report")
	flag.BoolVar(&m.releases, "releases", false, "measure what users see of every strategy and way back instead: up to 50 minutes")
	flag.StringVar(&m.way, "way", "", "with -releases: only what is called like this, such as rolling, abort, there and back, or first answer")
	flag.BoolVar(&m.storm, "storm", false, "measure a storm of webhooks and of clicks instead: 3 minutes")
	flag.BoolVar(&m.clicks, "clicks", false, "measure a hundred approvals in Slack instead: 8 minutes")
	flag.BoolVar(&m.analysis, "analysis", false, "measure the judge on real requests instead: 10 minutes")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, repository, dir, m)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// measures are what is measured in place of the common figures.
type measures struct {
	releases, storm, clicks, analysis bool

	way string
}

// all are the measurements, and the name of their report.
func (m measures) all() ([]func(context.Context, *stage.Stage) ([]Figure, error), string) {
	switch {
	case m.releases:
		return m.some(), "bench-release-report.json"
	case m.storm:
		return []func(context.Context, *stage.Stage) ([]Figure, error){storm, crowd}, "bench-storm-report.json"
	case m.clicks:
		return []func(context.Context, *stage.Stage) ([]Figure, error){manyApprovals}, "bench-clicks-report.json"
	case m.analysis:
		return []func(context.Context, *stage.Stage) ([]Figure, error){tenTimes, catastrophes, incidentsOfAll}, "bench-analysis-report.json"
	}
	return []func(context.Context, *stage.Stage) ([]Figure, error){footprint, histories, aborts, approvals}, "bench-report.json"
}

// some are the ways of releases, and how fast they are: those whose names contain what was asked for.
func (m measures) some() []func(context.Context, *stage.Stage) ([]Figure, error) {
	out := []func(context.Context, *stage.Stage) ([]Figure, error){
		func(ctx context.Context, s *stage.Stage) ([]Figure, error) { return ways(ctx, s, m.way) },
	}
	for _, one := range []struct {
		name    string
		measure func(context.Context, *stage.Stage) ([]Figure, error)
	}{{"abort", aborts}, {"there and back", switches}, {"first answer", starts}} {
		if strings.Contains(one.name, m.way) {
			out = append(out, one.measure)
		}
	}
	return out
}

func run(ctx context.Context, repository, dir string, m measures) (err error) {
	state, err := filepath.Abs(filepath.Join(dir, "bench"))
	if err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	if err := sandbox.Clear(state); err != nil {
		return err
	}
	s, err := stage.Open(ctx, stage.Options{Repository: repository, Dir: state, Out: os.Stdout})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	figures := []Figure{{"sandbox ready", s.Ready, 15, "s"}}
	all, file := m.all()
	for _, measure := range all {
		some, err := measure(ctx, s)
		if err != nil {
			return err
		}
		figures = append(figures, some...)
	}
	return report(figures, filepath.Join(dir, file))
}

func report(figures []Figure, file string) error {
	text, err := json.MarshalIndent(figures, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "FIGURE\tMEASURED\tAT MOST\t")
	missed := 0
	for _, f := range figures {
		verdict := ""
		if f.missed() {
			missed++
			verdict = "MISSED"
		}
		_, _ = fmt.Fprintf(w, "%s\t%.4g %s\t%.4g %s\t%s\n", f.Name, f.Value, f.Unit, f.Limit, f.Unit, verdict)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print figures: %w", err)
	}
	if missed > 0 {
		return fmt.Errorf("%d of %d figures were missed", missed, len(figures))
	}
	return nil
}

// begin starts a release and returns a function that waits for its end.
func begin(ctx context.Context, shop *stage.Shop, q stage.Quick, image string) (func() (stage.Said, error), error) {
	plan, err := shop.Plan(q)
	if err != nil {
		return nil, err
	}
	return beginBy(ctx, shop, plan, image), nil
}

// beginBy starts a release by a plan in a file.
func beginBy(ctx context.Context, shop *stage.Shop, plan, image string) func() (stage.Said, error) {
	type end struct {
		said stage.Said
		err  error
	}
	ended := make(chan end, 1)
	go func() {
		said, err := shop.Stage.Slipway(ctx, "release", "-f", plan, "--image", image, "--wait")
		ended <- end{said, err}
	}()
	return func() (stage.Said, error) { e := <-ended; return e.said, e.err }
}

// patience bounds every wait.
const patience = time.Minute

func await(ctx context.Context, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return stage.Await(ctx, look)
}
