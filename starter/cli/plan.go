// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// plan tells what a release would do; nothing is started.
func (a *app) plan() *cobra.Command {
	var file string
	var replicas int
	var live bool
	var traffic forecast.Traffic
	cmd := &cobra.Command{
		Use: "plan -f FILE", Short: "Show every step that a release would take: its time, its cost, its risk and its undo", Args: cobra.NoArgs,
		Long: `Show every step that a release would take: its time, its cost, its risk and its undo.

It needs the plan alone, and starts nothing. EXPOSED counts user-minutes per 100 users: the share of users on
the new version times the time until the step's verdict, added up to this step. The cost needs the number
of pods: give it by --replicas, or by --live, which asks the newest release of the service.

With --traffic and --errors it also says what each step of a canary can see: how long it takes to prove a good candidate
acceptable, when an unacceptable one is caught, and the smallest regression that shows within the step.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := a.load(file)
			if err != nil {
				return err
			}
			if replicas < 0 {
				return fmt.Errorf("--replicas %d: write how many pods the service has, 1 or more", replicas)
			}
			if live {
				if replicas, err = a.pods(cmd.Context(), p); err != nil {
					return err
				}
			}
			f, err := forecast.Of(p, replicas)
			if err != nil && replicas == 0 {
				err = fmt.Errorf("%w, by --replicas or --live", err)
			}
			if err != nil {
				return err
			}
			if err := see(&f, p, traffic); err != nil {
				return err
			}
			if a.json {
				return a.encode(f)
			}
			return a.print("%s", view.Forecast(f))
		},
	}
	planFlag(cmd, &file)
	cmd.Flags().IntVar(&replicas, "replicas", 0, "how many pods the service has; 0: not known")
	cmd.Flags().BoolVar(&live, "live", false, "take the number of pods from the newest release of the service, through Temporal")
	cmd.Flags().Float64Var(&traffic.Rate, "traffic", 0, "how many requests per second the service gets")
	cmd.Flags().Float64Var(&traffic.Errors, "errors", 0, "how many percent of them fail, such as 0.1")
	cmd.MarkFlagsRequiredTogether("traffic", "errors")
	cmd.MarkFlagsMutuallyExclusive("replicas", "live")
	return cmd
}

// see adds what each step sees, where somebody has said what the service gets.
func see(f *forecast.Forecast, p plan.Plan, t forecast.Traffic) error {
	switch {
	case t == forecast.Traffic{}:
		return nil
	case !(t.Rate > 0 && t.Rate <= 1e9):
		return fmt.Errorf("--traffic %g: write requests per second, above 0", t.Rate)
	case !(t.Errors > 0 && t.Errors <= 50):
		return fmt.Errorf("--errors %g: write the percentage of failed requests, above 0 to 50; a service that never fails is planned with one failure per day", t.Errors)
	}
	t.Errors /= 100
	f.See(p, t)
	return nil
}

// pods is how many the newest release of the plan's service found.
func (a *app) pods(ctx context.Context, p plan.Plan) (int, error) {
	n := 0
	lane := client.Lane{Environment: p.Metadata.Environment, Name: p.Metadata.Name}
	err := a.with(ctx, lane.String(), func(c *client.Client, lane client.Lane) error {
		s, err := c.Status(ctx, lane)
		if err != nil {
			return err
		}
		if n = s.Pods; n == 0 {
			return fmt.Errorf("%s did not get as far as counting the pods; give --replicas", s.ID)
		}
		return nil
	})
	return n, err
}

// choose says which strategy a profile calls for, and why.
func (a *app) choose() *cobra.Command {
	var p plan.Profile
	var m plan.Means
	cmd := &cobra.Command{
		Use: "choose", Short: "Say which strategy suits a service and a change, and why", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkProfile(p); err != nil {
				return err
			}
			c := plan.Choose(p, m)
			if a.json {
				return a.encode(c)
			}
			text, err := snippet(c)
			if err != nil {
				return err
			}
			return a.print("%s", view.Choice(c, text))
		},
	}
	flags := cmd.Flags()
	flags.StringVar((*string)(&p.Criticality), "criticality", string(plan.Medium), "of the service: low, medium or high")
	flags.StringVar((*string)(&p.Budget), "budget", string(plan.Normal), "for extra pods: tight, normal or double")
	flags.StringVar((*string)(&p.Confidence), "confidence", string(plan.Medium), "in the change: low, medium or high")
	flags.BoolVar(&p.NewFeature, "new-feature", false, "the change brings a feature that users have not seen yet")
	flags.BoolVar(&p.Quiet, "quiet", false, "the service has too few requests to compare two versions by")
	flags.BoolVar(&m.Router, "router", true, "there is a router that knows weights; --router=false if not")
	flags.BoolVar(&m.Metrics, "metrics", true, "there are metrics to compare by; --metrics=false if not")
	return cmd
}

// checkProfile names the flag of every word that nobody knows.
func checkProfile(p plan.Profile) error {
	var all []error
	for _, problem := range p.Validate() {
		all = append(all, fmt.Errorf("--%s: %s", problem.Field, problem.Message))
	}
	return errors.Join(all...)
}

// snippet is the least that a plan has to say for a choice.
func snippet(c plan.Choice) (string, error) {
	s := map[string]any{"strategy": c.Settings()}
	if c.Strategy == plan.StrategyCanary {
		s["analysis"] = plan.Analysis{Source: plan.Source{Prometheus: &plan.Prometheus{Preset: plan.PresetTraefik}}}
	}
	text, err := yaml.Marshal(map[string]any{"spec": s})
	if err != nil {
		return "", fmt.Errorf("print plan: %w", err)
	}
	return string(text), nil
}
