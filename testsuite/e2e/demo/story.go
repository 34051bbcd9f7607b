// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The three outcomes of a story.
const (
	promoted = "promoted"
	undone   = "undone"
	failed   = "failed"
)

// aliveAfter is how long the demo is without a worker in the story that kills it.
const aliveAfter = 2 * time.Second

// intoHold is how far into the hold it is killed.
const intoHold = 2 * time.Second

// story is one release, and how it should go.
type story struct {
	name, title string
	// strategy whose plan is released. A rollback needs no plan, an undo that of the rolling release.
	strategy string
	// version that is released, or that a rollback or an undo brings back.
	version string
	env     map[string]string
	// during happens while the release runs.
	during func(context.Context, *demo, time.Time) error
	want   string
	// shares are the candidate's shares that must be seen on the route, in order, each once.
	shares []int
	// mayFail is how many failed requests users may see.
	mayFail int
}

func stories() []story {
	all := []int{10, 25, 50, 100, 0}
	return []story{
		{
			name: "good", title: "A good release: v2 takes over in steps; the old track is retired after the bake",
			strategy: plan.StrategyCanary, version: "v2", want: promoted, shares: all,
		},
		{
			name: "bad", title: "A bad release: v3 fails 5 % of its requests; it is caught and taken back",
			strategy: plan.StrategyCanary, version: "v3", env: map[string]string{"ERROR_RATE": "0.05"}, want: undone, shares: []int{10, 0}, mayFail: 30,
		},
		{
			name:     "crash",
			title:    fmt.Sprintf("A crash: at 25 %% the worker is killed with kill -9, and another one starts %s later; v4 goes on where it was", aliveAfter),
			strategy: plan.StrategyCanary, version: "v4", during: crash, want: promoted, shares: all,
		},
	}
}

// longer are the other strategies, and the way back after a promotion.
func longer() []story {
	return []story{
		{
			name: "switch", title: "Blue-green: v5 is tested where nobody is, then everybody is switched over in one write",
			strategy: plan.StrategyBlueGreen, version: "v5", want: promoted, shares: []int{100, 0},
		},
		{
			name: "rollback", title: "A rollback: v5 was promoted and is not wanted after all; v4 comes back",
			strategy: workflows.StrategyRollback, version: "v4", want: promoted, shares: []int{100, 0},
		},
		{
			name: "rolling", title: "Rolling: v6 replaces the pods in place, one first, then all others",
			strategy: plan.StrategyRolling, version: "v6", want: promoted,
		},
		{
			name: "undo", title: "An undo of a rolling release: the revision before it, v4, is brought back",
			strategy: workflows.StrategyRolloutUndo, version: "v4", want: promoted,
		},
	}
}

// choose takes the stories for an argument.
func choose(which string) ([]story, error) {
	switch which {
	case "":
		return stories(), nil
	case "all":
		return append(stories(), longer()...), nil
	}
	return nil, fmt.Errorf("stories %q: write all, or nothing", which)
}

// tell releases, shows the release live, and looks at what users and the route have seen.
func (d *demo) tell(ctx context.Context, number int, s story) (Result, error) {
	d.say("\n=== Story %d: %s", number, s.title)
	image, err := d.stage.PutImage(s.version, s.env)
	if err != nil {
		return Result{}, err
	}
	before, err := d.shop.World(ctx)
	if err != nil {
		return Result{}, err
	}
	d.shop.Cut()
	began := d.now()
	outcome, err := d.slipway(ctx, d.command(s, image), func(ctx context.Context) error {
		if s.during == nil {
			return nil
		}
		return s.during(ctx, d, began)
	})
	if err != nil {
		return Result{}, err
	}
	took := d.now().Sub(began)
	requests := load.Summarize(d.shop.Cut())
	after, err := d.shop.World(ctx)
	if err != nil {
		return Result{}, err
	}
	shares := d.shop.Route.Shares(began)
	r := Result{
		Name: s.name, Strategy: s.strategy, Outcome: outcome, Seconds: took.Seconds(), Requests: requests.Requests,
		Failed: requests.Failed, FailedByVersion: requests.FailedByVersion, MaxWeight: slices.Max(append(shares, 0)), Shares: shares,
	}
	r.Problems = s.problems(r, requests)
	r.Problems = append(r.Problems, atRest(d.shop.Name, image, s.want, before, after)...)
	return r, nil
}

// command is what a person would type.
func (d *demo) command(s story, image string) []string {
	switch s.strategy {
	case workflows.StrategyRollback:
		return []string{"rollback", "demo/shop", "--watch"}
	case workflows.StrategyRolloutUndo:
		return []string{"undo", "-f", d.plan(plan.StrategyRolling), "--watch"}
	}
	return []string{"release", "-f", d.plan(s.strategy), "--image", image, "--watch"}
}

// slipway runs a command on this terminal that ends with its release, and something beside it.
func (d *demo) slipway(ctx context.Context, args []string, beside func(context.Context) error) (string, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cmd := d.stage.Command(ctx, args...)
	cmd.Stdout, cmd.Stderr = d.out, d.out
	done := make(chan error, 1)
	go func() { done <- beside(ctx) }()
	err := cmd.Run()
	if err := errors.Join(ctx.Err(), <-done); err != nil {
		return "", err
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", fmt.Errorf("run slipway: %w", err)
	}
	switch cmd.ProcessState.ExitCode() {
	case 0:
		return promoted, nil
	case 2:
		return undone, nil
	}
	return failed, nil
}

// crash kills the worker in the middle of the second step's hold and starts another.
func crash(ctx context.Context, d *demo, began time.Time) error {
	err := stage.Await(ctx, func(context.Context) error {
		i := slices.IndexFunc(d.shop.Route.Since(began), func(s stage.Seen) bool {
			return s.Candidate == 25 && d.now().Sub(s.At) > intoHold
		})
		if i < 0 {
			return errors.New("not in the middle of the second step yet")
		}
		return nil
	})
	if err != nil {
		return err
	}
	killed := d.stage.Worker.Pid()
	if err := d.stage.Worker.Kill(); err != nil {
		return err
	}
	d.aside("!! kill -9 of the worker, process %d", killed)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(aliveAfter):
	}
	if d.stage.Worker, err = d.stage.StartWorker(ctx, stage.WorkerOptions{}); err != nil {
		return err
	}
	d.aside("!! another worker is ready, process %d", d.stage.Worker.Pid())
	return nil
}

// aside speaks between the lines of a watch; on a live screen it would be drawn over.
func (d *demo) aside(format string, args ...any) {
	if !d.live {
		d.say(format, args...)
	}
}

// problems are the ways in which a story went wrong.
func (s story) problems(r Result, requests load.Report) []string {
	var out []string
	if r.Outcome != s.want {
		out = append(out, fmt.Sprintf("ended %s, should be %s", r.Outcome, s.want))
	}
	if !slices.Equal(r.Shares, s.shares) {
		out = append(out, fmt.Sprintf("the route showed the shares %v, should be %v", r.Shares, s.shares))
	}
	if r.Failed > s.mayFail {
		out = append(out, fmt.Sprintf("users saw %d failed requests, at most %d may fail: %s", r.Failed, s.mayFail, strings.Join(requests.Errors, "; ")))
	}
	return out
}

// atRest compares the cluster with what the story promised.
func atRest(root, image, want string, before, after stage.World) []string {
	var out []string
	serving, spare := after.Serving(root)
	if len(spare) > 0 {
		out = append(out, fmt.Sprintf("pods are left on %v", spare))
	}
	old, _ := before.Serving(root)
	expected := map[string]string{promoted: image, undone: old}[want]
	if serving != expected {
		out = append(out, fmt.Sprintf("%s serves, should be %s", serving, expected))
	}
	return out
}
