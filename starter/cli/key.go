// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/rand"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipwayhq/slipway/workflows/statement"
)

// newKey makes the pair by which decisions are signed and believed.
func (a *app) newKey() *cobra.Command {
	whom := statement.Trusted{}
	cmd := &cobra.Command{
		Use: "key", Short: "Make a pair of keys: one to sign approvals with, one by which the workers believe them", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			private, err := statement.Generate(rand.Reader)
			if err != nil {
				return err
			}
			whom.Public = private.Public()
			if _, err := statement.ParseKeys(whom.String()); err != nil {
				return err
			}
			if a.json {
				return a.encode(map[string]string{"private": private.Reveal(), "trusted": whom.String(), "id": whom.ID()})
			}
			return a.print(keyText, speaker(whom.For), private.Reveal(), whom.String())
		},
	}
	cmd.Flags().StringVar(&whom.For, "for", statement.Anybody, "the one person whose own key it is; * is a server that knows people, such as slipway slack")
	cmd.Flags().StringSliceVar(&whom.Groups, "group", nil, "a group that person belongs to, such as @team-checkout; may be given again")
	return cmd
}

const keyText = `# Secret: for %s. Whoever has it can approve.
SLIPWAY_APPROVAL_KEY=%s
# For every worker; more keys are separated by commas.
SLIPWAY_APPROVAL_KEYS=%s
`

func speaker(whom string) string {
	if whom == statement.Anybody {
		return "the server that signs for everybody it has recognised"
	}
	return strings.TrimSpace(whom) + " alone"
}
