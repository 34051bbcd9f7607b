// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// lane shows who runs, who waits and why.
func (a *app) lane() *cobra.Command {
	return &cobra.Command{
		Use: "lane ENVIRONMENT/NAME", Short: "Show what runs and what waits for a service, its freezes and its quarantine", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				s, err := c.Lane(cmd.Context(), lane)
				if err != nil {
					return err
				}
				if a.json {
					return a.encode(s)
				}
				return a.print("%s", view.Lane(s, a.Now()))
			})
		},
	}
}

// withdraw takes a release that waits out of its lane.
func (a *app) withdraw() *cobra.Command {
	w := workflows.Withdrawal{}
	cmd := &cobra.Command{
		Use: "withdraw ENVIRONMENT/NAME RELEASE", Short: "Take a release that waits out of its lane", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				w.ID = args[1]
				if err := c.Withdraw(cmd.Context(), lane, w); err != nil {
					return err
				}
				return a.print("%s no longer waits\n", w.ID)
			})
		},
	}
	cmd.Flags().StringVar(&w.By, "by", a.User, "who says it")
	reasonFlag(cmd, &w.Reason)
	return cmd
}

// freeze orders a freeze that ends by itself.
func (a *app) freeze() *cobra.Command {
	h := decide.Hold{Kind: decide.Freeze}
	var until string
	cmd := &cobra.Command{
		Use: "freeze ENVIRONMENT[/NAME] --until TIME --reason REASON", Args: cobra.ExactArgs(1),
		Short: "Let nothing start or move forward until a time; what runs stays at its weight",
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if h.Until, err = moment(until, a.Now()); err != nil {
				return err
			}
			return a.within(cmd.Context(), args[0], func(c *client.Client, s client.Scope) error {
				heard, err := c.Freeze(cmd.Context(), s, h)
				if err != nil {
					return err
				}
				return a.heard(heard, "%s is frozen until %s", s, h.Until.UTC().Format(time.RFC3339))
			})
		},
	}
	cmd.Flags().StringVar(&until, "until", "", `when it ends: a moment such as 2026-12-27T06:00:00Z, or a length of time such as "4h"`)
	cmd.Flags().StringVar(&h.By, "by", a.User, "who orders it")
	_ = cmd.MarkFlagRequired("until")
	reasonFlag(cmd, &h.Reason)
	return cmd
}

// thaw ends what freeze has begun, before its time.
func (a *app) thaw() *cobra.Command {
	t := workflows.Thawing{Kind: decide.Freeze}
	cmd := &cobra.Command{
		Use: "thaw ENVIRONMENT[/NAME]", Short: "End a freeze before its time; the freezes of a plan stay", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.within(cmd.Context(), args[0], func(c *client.Client, s client.Scope) error {
				heard, err := c.Thaw(cmd.Context(), s, t)
				if err != nil {
					return err
				}
				return a.heard(heard, "%s is no longer frozen", s)
			})
		},
	}
	cmd.Flags().StringVar(&t.By, "by", a.User, "who says it")
	cmd.Flags().StringVar(&t.Reason, "reason", "", "why, in plain words; it is kept")
	return cmd
}

// stopTheLine holds a whole environment until somebody resumes it.
func (a *app) stopTheLine() *cobra.Command {
	var environment, by, reason string
	var resume bool
	cmd := &cobra.Command{
		Use: "stop-the-line --environment ENVIRONMENT --reason REASON | --resume", Args: cobra.NoArgs,
		Short: "Let nothing in an environment start or move forward until somebody resumes it",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" && !resume {
				return errors.New("say why, by --reason; or --resume to end it")
			}
			return a.within(cmd.Context(), environment, func(c *client.Client, s client.Scope) error {
				if s.Name != "" {
					return fmt.Errorf("%s is a service; the line of a whole environment is stopped, such as --environment production", s)
				}
				if resume {
					heard, err := c.Thaw(cmd.Context(), s, workflows.Thawing{Kind: decide.Stop, By: by, Reason: reason})
					if err != nil {
						return err
					}
					return a.heard(heard, "the line of %s goes on", s)
				}
				heard, err := c.Freeze(cmd.Context(), s, decide.Hold{Kind: decide.Stop, Reason: reason, By: by})
				if err != nil {
					return err
				}
				return a.heard(heard, "the line of %s is stopped", s)
			})
		},
	}
	cmd.Flags().StringVar(&environment, "environment", "", "such as production")
	cmd.Flags().StringVar(&by, "by", a.User, "who orders it")
	cmd.Flags().StringVar(&reason, "reason", "", "why, in plain words; it is kept")
	cmd.Flags().BoolVar(&resume, "resume", false, "go on")
	_ = cmd.MarkFlagRequired("environment")
	return cmd
}

// heard tells what was done, and how many services know.
func (a *app) heard(services int, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if a.json {
		return a.encode(map[string]any{"done": text, "services": services})
	}
	return a.print("%s; services that have heard of it: %d\n", text, services)
}

// within dials and parses what a freeze is for.
func (a *app) within(ctx context.Context, scope string, do func(*client.Client, client.Scope) error) error {
	s, err := client.ParseScope(scope)
	if err != nil {
		return err
	}
	c, err := a.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return do(c, s)
}

func reasonFlag(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, in plain words; it is kept")
	_ = cmd.MarkFlagRequired("reason")
}

// moment reads a time, or a length of time from now.
func moment(s string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return now.Add(d).UTC().Truncate(time.Second), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf(`%q is not a time: write a moment such as 2026-12-27T06:00:00Z, or a length of time such as "4h"`, s)
	}
	return t, nil
}
