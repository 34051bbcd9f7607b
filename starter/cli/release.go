// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// look is the pause between two looks at a release.
const look = 250 * time.Millisecond

func (a *app) release() *cobra.Command {
	var file string
	var order client.Order
	var f after
	cmd := &cobra.Command{
		Use: "release -f FILE --image IMAGE@sha256:…", Short: "Start a release", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.load(file)
			if err != nil {
				return err
			}
			order.Plan = p
			if err := order.Check(); err != nil {
				return err
			}
			return a.launch(cmd.Context(), p, f, func(c *client.Client) (workflows.Place, error) { return c.Release(cmd.Context(), order) })
		},
	}
	planFlag(cmd, &file)
	cmd.Flags().StringVar(&order.Image, "image", "", "image to release, pinned by its digest")
	cmd.Flags().StringVar(&order.By, "by", a.User, "who asks for it")
	cmd.Flags().BoolVar(&order.Hotfix, "hotfix", false, "go before everything that waits; what runs is undone")
	cmd.Flags().StringVar(&order.Quarantine, "override", "", "why an image in quarantine, or a release in the cool-down, is good now")
	cmd.Flags().StringVar(&order.Freeze, "override-freeze", "", "why the freezes of this moment do not count")
	f.flags(cmd)
	_ = cmd.MarkFlagRequired("image")
	return cmd
}

// undo brings the pods of a rolling release back.
func (a *app) undo() *cobra.Command {
	var file, by string
	var revision int64
	var f after
	cmd := &cobra.Command{
		Use: "undo -f FILE", Short: "Bring back a former revision of a workload that is released by rolling", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.load(file)
			if err != nil {
				return err
			}
			back := client.Return{Plan: p, Revision: revision, By: by}
			if err := back.Check(); err != nil {
				return err
			}
			return a.launch(cmd.Context(), p, f, func(c *client.Client) (workflows.Place, error) { return c.Undo(cmd.Context(), back) })
		},
	}
	planFlag(cmd, &file)
	cmd.Flags().Int64Var(&revision, "to-revision", 0, "revision as kubectl rollout history shows it; 0 is the one before the present")
	cmd.Flags().StringVar(&by, "by", a.User, "who asks for it")
	f.flags(cmd)
	return cmd
}

// after is what a command does after it has started something.
type after struct{ wait, watch bool }

func (f *after) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.wait, "wait", false, "wait for the end: exit 0 promoted, 1 failed, 2 undone")
	cmd.Flags().BoolVarP(&f.watch, "watch", "w", false, "watch it live, and wait for the end")
}

// launch starts what takes the plan's lane, and follows it if asked to.
func (a *app) launch(ctx context.Context, p plan.Plan, f after, begin func(*client.Client) (workflows.Place, error)) error {
	lane := client.Lane{Environment: p.Metadata.Environment, Name: p.Metadata.Name}
	return a.with(ctx, lane.String(), func(c *client.Client, lane client.Lane) error {
		place, err := begin(c)
		if err != nil {
			return err
		}
		if !f.wait && !f.watch {
			return a.started(place, lane)
		}
		return a.follow(ctx, c, following{lane, place.ID, f.watch})
	})
}

func (a *app) started(p workflows.Place, lane client.Lane) error {
	switch {
	case a.json:
		return a.encode(struct {
			workflows.Place
			Service string `json:"service"`
		}{p, lane.String()})
	case p.Same:
		return a.print("nothing was added: this image is released by %s already; see slipway lane %s\n", p.ID, lane)
	case p.State == workflows.PlaceQueued:
		return a.print("%s waits: %s; follow it with: slipway lane %s\n", p.ID, p.Reason, lane)
	}
	return a.print("%s started; follow it with: slipway watch %s\n", p.ID, lane)
}

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use: "status ENVIRONMENT/NAME", Short: "Show the newest release of a service", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				s, err := c.Status(cmd.Context(), lane)
				if err != nil {
					return err
				}
				if a.json {
					return a.encode(s)
				}
				return a.print("%s", view.Screen(s, a.Now()))
			})
		},
	}
}

func (a *app) watch() *cobra.Command {
	return &cobra.Command{
		Use: "watch ENVIRONMENT/NAME", Short: "Follow the newest release of a service to its end", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				return a.follow(cmd.Context(), c, following{lane: lane, show: true})
			})
		},
	}
}

// following is whom to follow: the release of an ID, or where that is empty the newest one.
type following struct {
	lane client.Lane
	id   string
	show bool
}

// follow looks until the release has ended. A release outlives its watcher, its worker and a Temporal
// that is away for a while, so a look that fails is only tried again.
func (a *app) follow(ctx context.Context, c *client.Client, f following) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	d := drawing{app: a, show: f.show && !a.json}
	for {
		s, place, err := c.Follow(ctx, f.lane, f.id)
		if _, lost := errors.AsType[*client.UnknownError](err); lost {
			return err
		}
		if err == nil {
			if err := d.draw(s, place); err != nil {
				return err
			}
			if place == nil && s.Phase.Ended() {
				return a.end(s, d.show)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopped watching; the release goes on: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// drawing is what has been shown so far.
type drawing struct {
	*app
	show  bool
	lines int
	told  time.Time
	// waits is what was said of a release that waits.
	waits string
}

func (d *drawing) draw(s workflows.Status, waiting *workflows.Place) error {
	switch {
	case !d.show:
		return nil
	case waiting != nil:
		return d.wait(*waiting)
	case d.Live:
		screen := view.Screen(s, d.Now())
		err := d.print("%s%s", erase(d.lines), screen)
		d.lines = countLines(screen)
		return err
	}
	for _, l := range view.Lines(s, d.told) {
		if err := d.print("%s\n", l); err != nil {
			return err
		}
	}
	if n := len(s.Log); n > 0 {
		d.told = s.Log[n-1].At
	}
	return nil
}

// wait says once why a release waits.
func (d *drawing) wait(p workflows.Place) error {
	text := fmt.Sprintf("%s waits at place %d: %s", p.ID, p.Position, p.Reason)
	if text == d.waits {
		return nil
	}
	d.waits = text
	return d.print("%s\n", text)
}

// erase moves up over what was drawn and clears to the end of the screen.
func erase(lines int) string {
	if lines == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\x1b[J", lines)
}

func countLines(s string) int {
	n := 0
	for _, r := range s {
		if r == '\n' {
			n++
		}
	}
	return n
}

func (a *app) end(s workflows.Status, shown bool) error {
	var err error
	switch {
	case a.json:
		err = a.encode(s)
	case !shown || !a.Live:
		err = a.print("%s %s: %s\n", s.ID, s.Phase, s.Outcome)
	}
	if err != nil {
		return err
	}
	if s.Phase == workflows.Promoted {
		return nil
	}
	if s.Phase == workflows.Undone || s.Phase == workflows.Superseded {
		return ended{exitUndone}
	}
	return ended{exitFailed}
}

func (a *app) history() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "history ENVIRONMENT/NAME", Short: "List the releases of a service, newest first", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				all, err := c.History(cmd.Context(), lane, limit)
				if err != nil {
					return err
				}
				if a.json {
					return a.encode(all)
				}
				return a.table(all)
			})
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 20, "how many at most")
	return cmd
}

func (a *app) table(all []client.Past) error {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "RELEASE\tPHASE\tWEIGHT\tSTARTED\tTOOK\tBY\tIMAGE")
	for _, p := range all {
		took := "-"
		if !p.Ended.IsZero() {
			took = p.Ended.Sub(p.Started).Round(time.Second).String()
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d %%\t%s\t%s\t%s\t%s\n", p.ID, p.Phase, p.Weight, p.Started.UTC().Format(time.DateTime), took, p.By, p.Image)
	}
	return w.Flush()
}

func (a *app) printPlan(p plan.Plan) error {
	if a.json {
		return a.encode(p)
	}
	text, err := yaml.Marshal(p)
	if err != nil {
		return fmt.Errorf("print plan: %w", err)
	}
	if _, err := a.Out.Write(text); err != nil {
		return err
	}
	return a.print("%s", resolution(p))
}

// resolution tells, as a comment, which weights whole pods really make; empty where a router knows all.
func resolution(p plan.Plan) string {
	c := p.Spec.Strategy.Canary
	if p.Spec.Traffic.Replicas == nil || c == nil {
		return ""
	}
	var weights []int
	for _, s := range c.Steps {
		weights = append(weights, s.Weight)
	}
	least := decide.Resolution(weights)
	var b strings.Builder
	fmt.Fprintf(&b, "# traffic.replicas: a weight is the nearest ratio of pods. These steps need at least %d pods of stable.\n", least)
	for _, stable := range slices.Compact(slices.Sorted(slices.Values([]int{least, 3, 4, 5, 10, 20}))) {
		pods, err := decide.Split(weights, stable)
		if err != nil {
			continue // two of them are the same with this number, as preflight would say
		}
		var steps []string
		for i, n := range pods {
			steps = append(steps, fmt.Sprintf("%d %% is %d of %d, %d %%", weights[i], n, n+stable, decide.Ratio(n, stable)))
		}
		fmt.Fprintf(&b, "#   %d pods: %s\n", stable, strings.Join(steps, "; "))
	}
	return b.String()
}
