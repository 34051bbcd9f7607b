// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/starter/rescue"
)

// rescueReady is how long the old version's pods may take, unless a person says otherwise.
const rescueReady = 2 * time.Minute

// rescueOptions are the flags of a rescue.
type rescueOptions struct {
	rescue.Access
	namespace, deployment, by string
	dryRun, yes, remove       bool
	ready                     time.Duration
}

// rescue is the one command that reaches the cluster itself: it must work when Temporal does not.
func (a *app) rescue() *cobra.Command {
	var o rescueOptions
	cmd := &cobra.Command{
		Use: "rescue -n NAMESPACE DEPLOYMENT", Short: "Send all requests back to the old version without Temporal, with your own rights in the cluster",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, namespace, err := o.Config()
			if err != nil {
				return err
			}
			o.namespace, o.deployment = cmp.Or(o.namespace, namespace), args[0]
			r, err := rescue.Dial(config, a.clock(), o.ready)
			if err != nil {
				return err
			}
			return a.restore(cmd.Context(), r, o)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.namespace, "namespace", "n", "", "namespace of the Deployment; default: that of the kubeconfig's context")
	f.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig file; default: KUBECONFIG, else ~/.kube/config")
	f.StringVar(&o.Context, "context", "", "context of the kubeconfig; default: its current one")
	f.BoolVar(&o.dryRun, "dry-run", false, "show what would be done, and change nothing")
	f.BoolVar(&o.yes, "yes", false, "do not ask")
	f.BoolVar(&o.remove, "remove-candidate", false, "take the new version's pods away too, once nobody is sent to them")
	f.DurationVar(&o.ready, "ready-within", rescueReady, "how long the old version's pods may take to be ready")
	f.StringVar(&o.by, "by", a.User, "who rescues; it is kept with the record")
	return cmd
}

// clock is the terminal's time, and real waits.
func (a *app) clock() activities.Clock {
	return activities.Clock{Now: a.Now, After: func(d time.Duration) <-chan time.Time { return time.NewTimer(d).C }}
}

// restore looks, shows, asks and acts.
func (a *app) restore(ctx context.Context, r *rescue.Rescuer, o rescueOptions) error {
	found, err := r.Recall(ctx, o.namespace, o.deployment)
	if err != nil {
		return rescue.Explain(err)
	}
	if found.Safe.Finished() {
		if a.json {
			return a.encode(foundRecord{From: found.From, Safe: found.Safe})
		}
		return a.print("%s", rescue.Nothing(found.Safe))
	}
	now, err := r.Look(ctx, found.Safe)
	if err != nil {
		return rescue.Explain(err)
	}
	actions := rescue.Plan(found.Safe, now, o.remove)
	if err := a.showRescue(found, actions, o.dryRun); err != nil || o.dryRun {
		return err
	}
	if err := a.confirm(o.yes); err != nil {
		return err
	}
	order := rescue.Order{Safe: found.Safe, Actions: actions, ID: "rescue-" + strings.ToLower(rand.Text()[:6]), By: o.by, Say: a.sayStep}
	return a.rescued(found.Safe, r.Carry(ctx, order))
}

// foundRecord is what machines read before, or instead of, a rescue.
type foundRecord struct {
	From    string               `json:"from"`
	Safe    activities.SafeState `json:"safe"`
	Actions []rescue.Action      `json:"actions,omitempty"`
}

func (a *app) showRescue(found cluster.Recalled, actions []rescue.Action, only bool) error {
	switch {
	case !a.json:
		return a.print("%s", rescue.Overview(found, actions))
	case only:
		return a.encode(foundRecord{From: found.From, Safe: found.Safe, Actions: actions})
	}
	return nil
}

// confirm asks a person, where there is one.
func (a *app) confirm(yes bool) error {
	switch {
	case yes:
		return nil
	case !a.Asks || a.json:
		return errors.New("there is nobody to ask here: look at it with --dry-run, then give --yes; nothing was changed")
	}
	if err := a.print("\nGo on? [y/N] "); err != nil {
		return err
	}
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return a.print("\n")
	}
	return errors.New("not confirmed; nothing was changed")
}

func (a *app) sayStep(s rescue.Step) {
	if !a.json {
		_ = a.print("%s", s.Line()) // a rescue goes on when nobody can read it any more
	}
}

func (a *app) rescued(safe activities.SafeState, report rescue.Report) error {
	var err error
	if a.json {
		err = a.encode(report)
	} else {
		err = a.print("%s", rescue.Closing(safe, report))
	}
	if err != nil {
		return fmt.Errorf("tell how the rescue ended: %w", err)
	}
	if !report.Verified {
		return ended{exitFailed}
	}
	return nil
}
