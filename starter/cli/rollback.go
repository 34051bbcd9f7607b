// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/workflows"
)

// rollback brings an earlier version back after its successor was promoted.
func (a *app) rollback() *cobra.Command {
	var to, by, override string
	var list bool
	var f after
	cmd := &cobra.Command{
		Use: "rollback ENVIRONMENT/NAME", Short: "Bring the version before the newest promoted release back", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), args[0], func(c *client.Client, lane client.Lane) error {
				if list {
					return a.returns(cmd.Context(), c, lane)
				}
				r, err := c.Rollback(cmd.Context(), client.Earlier{Lane: lane, To: to, By: by, Override: override})
				if err != nil {
					return err
				}
				if f.wait || f.watch {
					return a.follow(cmd.Context(), c, following{lane, r.ID, f.watch})
				}
				if a.json {
					return a.encode(r)
				}
				return a.print("%s brings %s back; follow it with: slipway watch %s\n", r.ID, r.Image, lane)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "a promoted release whose image is wanted (see --list); default: what ran before the newest")
	cmd.Flags().BoolVar(&list, "list", false, "list what can be gone back to, and do nothing")
	cmd.Flags().StringVar(&by, "by", a.User, "who asks for it")
	cmd.Flags().StringVar(&override, "override", "", "why an image in quarantine is good now")
	f.flags(cmd)
	return cmd
}

// returns lists the promoted releases, newest first; the first is the one that serves.
func (a *app) returns(ctx context.Context, c *client.Client, lane client.Lane) error {
	all, err := c.History(ctx, lane, returnLimit)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(p client.Past) bool { return p.Phase != workflows.Promoted })
	if a.json {
		return a.encode(all)
	}
	return a.table(all)
}

// returnLimit is how far back a list of versions to go back to looks, in releases.
const returnLimit = 100
