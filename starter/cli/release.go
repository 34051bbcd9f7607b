// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
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
	cmd.Flags().StringVar(&order.Source.Repository, "repository", "", "where the image was built from, such as acme/checkout: its host is told how the release goes")
	cmd.Flags().StringVar(&order.Source.Commit, "commit", "", "full hash of the commit that the image was built from")
	cmd.Flags().StringVar(&order.Source.URL, "run-url", "", "page of the pipeline's run that asks for the release")
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
				messages, err := c.Messages(cmd.Context(), s)
				if err != nil {
					return err
				}
				return a.print("%s", view.Draw(view.Frame{Status: s, Dead: messages.Dead(), Now: a.Now()}))
			})
		},
	}
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
	weights := c.Weights()
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
