// SPDX-License-Identifier: Apache-2.0

// Command demo shows three releases on a real cluster that it starts on this machine: a good one, a
// bad one, and one whose worker is killed in the middle; with -stories=all also the other strategies and
// their ways back. It ends with a table, writes the same as demo-report.json, and fails when any story went
// another way than it should.
package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/term"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox"
	"github.com/slipwayhq/slipway/workflows/plan"
)

//go:embed plans
var plans embed.FS

// options of the demo.
type options struct {
	repository, dir, stories string
	hold                     bool
}

func main() {
	var o options
	flag.StringVar(&o.repository, "repository", ".", "root of Slipway's source")
	flag.StringVar(&o.dir, "dir", ".sandbox", "directory for all state and for demo-report.json")
	flag.StringVar(&o.stories, "stories", "", "all: the longer stories too")
	flag.BoolVar(&o.hold, "hold", false, "keep everything up at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, o, os.Stdout, time.Now)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is one run.
type demo struct {
	stage *stage.Stage
	shop  *stage.Shop
	out   *os.File
	live  bool
	now   func() time.Time
}

func run(ctx context.Context, o options, out *os.File, now func() time.Time) (err error) {
	began := now()
	told, err := choose(o.stories)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Join(o.dir, "demo"))
	if err != nil {
		return fmt.Errorf("find directory: %w", err)
	}
	if err := sandbox.Clear(dir); err != nil {
		return err
	}
	d := &demo{out: out, now: now, live: term.IsTerminal(int(out.Fd()))}
	d.say("A real Kubernetes, gateway, Prometheus and Temporal start on this machine…")
	if d.stage, err = stage.Open(ctx, stage.Options{Repository: o.repository, Dir: dir, Out: out}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stage.Close()) }()
	if err := d.prepare(ctx); err != nil {
		return err
	}
	defer d.shop.Close()
	report := Report{}
	for i, s := range told {
		r, err := d.tell(ctx, i+1, s)
		if err != nil {
			return fmt.Errorf("story %d (%s): %w", i+1, s.name, err)
		}
		report.Stories = append(report.Stories, r)
	}
	report.Seconds, report.ReadySeconds = now().Sub(began).Seconds(), d.stage.Ready
	if err := d.conclude(report, filepath.Join(o.dir, "demo-report.json")); err != nil {
		return err
	}
	if o.hold {
		return d.hold(ctx)
	}
	return nil
}

// prepare opens the shop and writes the plan where a person can look at it.
func (d *demo) prepare(ctx context.Context) error {
	for _, strategy := range []string{plan.StrategyCanary, plan.StrategyBlueGreen, plan.StrategyRolling} {
		text, err := plans.ReadFile("plans/" + strategy + ".yaml")
		if err != nil {
			return fmt.Errorf("find plan: %w", err)
		}
		text = bytes.ReplaceAll(text, []byte("GATEWAY"), []byte(d.stage.Gateway))
		if err := os.WriteFile(d.plan(strategy), text, 0o644); err != nil {
			return fmt.Errorf("write plan: %w", err)
		}
	}
	var err error
	d.shop, err = d.stage.OpenShop(ctx, stage.ShopOptions{})
	if err != nil {
		return err
	}
	d.say("The shop serves v1 from 2 pods; 200 requests a second go through the gateway. Plan: %s", relative(d.plan(plan.StrategyCanary)))
	return nil
}

// plan is the file of a strategy's plan.
func (d *demo) plan(strategy string) string {
	return filepath.Join(d.stage.Dir, strategy+".yaml")
}

// hold keeps everything up and says what to try.
func (d *demo) hold(ctx context.Context) error {
	next, err := d.stage.PutImage("v5", map[string]string{"ERROR_RATE": "0.02"})
	if err != nil {
		return err
	}
	d.say(`
Everything stays up until Ctrl-C.
  Temporal UI  %s
  gateway      curl -H 'Host: %s' %s
  Prometheus   %s
  Kubernetes   export KUBECONFIG=%s
Try, in another terminal:
  export TEMPORAL_ADDRESS=%s
  bin/slipway history demo/shop
  bin/slipway release -f %s --watch --image %s
  bin/slipway abort demo/shop --reason "changed my mind"`,
		d.stage.TemporalUI, d.shop.Host, d.stage.Gateway, d.stage.Prometheus, d.stage.Kubeconfig, d.stage.Temporal, relative(d.plan(plan.StrategyCanary)), next)
	<-ctx.Done()
	return nil
}

func (d *demo) say(format string, args ...any) {
	_, _ = fmt.Fprintf(io.Writer(d.out), format+"\n", args...)
}

// relative is shorter to read, where it can be had.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if r, err := filepath.Rel(here, path); err == nil && len(r) < len(path) {
		return r
	}
	return path
}
