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

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// get lists the newest release of every service.
func (a *app) get() *cobra.Command {
	var environment string
	var running bool
	cmd := &cobra.Command{
		Use: "get [ENVIRONMENT/NAME]", Short: "List the newest release of every service, or of one", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := func(c *client.Client) ([]client.Past, error) { return c.Releases(cmd.Context(), environment) }
			if len(args) > 0 {
				lane, err := client.ParseLane(args[0])
				if err != nil {
					return err
				}
				ask = func(c *client.Client) ([]client.Past, error) { return c.History(cmd.Context(), lane, 1) }
			}
			if environment != "" && !plan.IsLabel(environment) {
				return fmt.Errorf("%q is not an environment: write it as plans do, such as production", environment)
			}
			c, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			all, err := ask(c)
			if err != nil {
				return err
			}
			return a.services(all, running)
		},
	}
	cmd.Flags().StringVarP(&environment, "environment", "e", "", "of this environment alone")
	cmd.Flags().BoolVar(&running, "running", false, "only those that run now")
	return cmd
}

// services is a line for each of them, of all or of those that run.
func (a *app) services(all []client.Past, running bool) error {
	if running {
		all = slices.DeleteFunc(all, func(p client.Past) bool { return !p.Ended.IsZero() })
	}
	if a.json {
		return a.encode(all)
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SERVICE\tRELEASE\tPHASE\tWEIGHT\tSTARTED\tBY\tIMAGE")
	for _, p := range all {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%d %%\t%s\t%s\t%s\n", p.Service, p.ID, p.Phase, p.Weight, p.Started.UTC().Format(time.DateTime), p.By, p.Image)
	}
	return w.Flush()
}

// one is a command on one release: the newest, or one by its ID.
func (a *app) one(use, short string, do func(context.Context, *client.Client, workflows.Status) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " ENVIRONMENT/NAME [RELEASE]", Short: short, Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				s, err := c.Of(cmd.Context(), lane, strings.Join(args[1:], ""))
				if err != nil {
					return err
				}
				return do(cmd.Context(), c, s)
			})
		},
	}
}

// described is a release with what is around it.
type described struct {
	workflows.Status
	Sight    workflows.Sight           `json:"sight,omitzero"`
	Present  []string                  `json:"present,omitempty"`
	Messages workflows.MessengerStatus `json:"messages,omitzero"`
}

// describe shows everything that is known of a release.
func (a *app) describe() *cobra.Command {
	return a.one("describe", "Show everything that is known of a release: its picture, its pods, its messages and its story",
		func(ctx context.Context, c *client.Client, s workflows.Status) error {
			messages, err := c.Messages(ctx, s)
			if err != nil {
				return err
			}
			sight, err := c.Sight(ctx, s)
			if err != nil {
				return err
			}
			var present []string
			if !s.Phase.Ended() {
				if present, err = c.Present(ctx, client.Lane{Environment: s.Environment, Name: s.Service}); err != nil {
					return err
				}
			}
			if a.json {
				return a.encode(described{s, sight, present, messages})
			}
			return a.print("%s", view.Describe(view.Frame{Status: s, Sight: sight, Present: present, Dead: messages.Dead(), Now: a.Now()}, messages))
		})
}

// logs writes the story of a release.
func (a *app) logs() *cobra.Command {
	var follow bool
	cmd := a.one("logs", "Write the story of a release, line by line", func(ctx context.Context, c *client.Client, s workflows.Status) error {
		if follow && !a.json {
			plain := *a
			plain.Live = false
			lane := client.Lane{Environment: s.Environment, Name: s.Service}
			return plain.follow(ctx, c, following{lane: lane, id: s.ID, show: true})
		}
		if a.json {
			return a.encode(s.Log)
		}
		for _, l := range view.Lines(s, time.Time{}) {
			if err := a.print("%s\n", l); err != nil {
				return err
			}
		}
		return nil
	})
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the release has ended, and exit as it ends")
	return cmd
}

// diff compares a plan and an image with what was released last.
func (a *app) diff() *cobra.Command {
	var file, image, to string
	cmd := &cobra.Command{
		Use: "diff -f FILE [--image IMAGE]", Short: "Show what a release would change of the plan and the image of the last one", Args: cobra.NoArgs,
		Long: `Show what a release would change of the plan and the image of the last one, as a unified diff of the complete plans.

Exit code 0 says that they are the same, 1 that they differ or that it could not be found out.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.load(file)
			if err != nil {
				return err
			}
			lane := client.Lane{Environment: p.Metadata.Environment, Name: p.Metadata.Name}
			return a.with(cmd.Context(), lane.String(), func(c *client.Client, lane client.Lane) error {
				last, err := c.Request(cmd.Context(), lane, to)
				if err != nil {
					return err
				}
				return a.compare(last, workflows.ReleaseIn{ID: file, Plan: p, Image: image})
			})
		},
	}
	planFlag(cmd, &file)
	cmd.Flags().StringVar(&image, "image", "", "image that would be released; left out, images are not compared")
	cmd.Flags().StringVar(&to, "to", "", "a release to compare with; default: the last one")
	return cmd
}

func (a *app) compare(last, next workflows.ReleaseIn) error {
	if next.Image == "" {
		last.Image = ""
	}
	before, err := complete(last)
	if err != nil {
		return err
	}
	after, err := complete(next)
	if err != nil {
		return err
	}
	text := diff.Diff(last.ID, before, next.ID, after)
	if len(text) == 0 {
		return a.print("the same as release %s\n", last.ID)
	}
	// The first line repeats the names, for a program that this is not.
	_, rest, _ := strings.Cut(string(text), "\n")
	return errors.Join(a.print("%s", rest), ended{exitFailed})
}

// complete is a request as a person reads it, image first.
func complete(in workflows.ReleaseIn) ([]byte, error) {
	text, err := yaml.Marshal(in.Plan)
	if err != nil {
		return nil, fmt.Errorf("print plan: %w", err)
	}
	if in.Image == "" {
		return text, nil
	}
	return append([]byte("# image: "+in.Image+"\n"), text...), nil
}

// completing lets a shell complete the names of services for every command that takes one.
func (a *app) completing(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		if !strings.Contains(cmd.Use, "ENVIRONMENT/NAME") && !strings.Contains(cmd.Use, "ENVIRONMENT[/NAME]") {
			continue
		}
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			return a.names(cmd.Context(), args, typed), cobra.ShellCompDirectiveNoFileComp
		}
	}
}

// names are those that begin with what was typed: services first, then releases of the service.
func (a *app) names(ctx context.Context, args []string, typed string) []string {
	c, err := a.dial(ctx)
	if err != nil {
		return nil
	}
	defer c.Close()
	var all []string
	switch len(args) {
	case 0:
		all = c.Complete(ctx)
	case 1:
		lane, err := client.ParseLane(args[0])
		if err != nil {
			return nil
		}
		past, err := c.History(ctx, lane, completions)
		if err != nil {
			return nil
		}
		for _, p := range past {
			all = append(all, p.ID)
		}
	}
	return slices.DeleteFunc(all, func(name string) bool { return !strings.HasPrefix(name, typed) })
}

// completions are how many releases a shell is offered.
const completions = 20
