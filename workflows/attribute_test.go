// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

// searched are the search attributes that a release has at its end.
func (r *release) searched() (all temporal.SearchAttributes) {
	r.world.Attach(r.env, nil)
	r.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in workflows.ReleaseIn) (workflows.Status, error) {
		s, err := workflows.Canary(ctx, in)
		all = workflow.GetTypedSearchAttributes(ctx)
		return s, err
	}, workflow.RegisterOptions{Name: "Canary"})
	r.execute("Canary", r.in)
	return all
}

func TestAReleaseIsFoundByWhatItIsAndHowItEnded(t *testing.T) {
	r := prepare(t, twoSteps())
	r.in.Source = workflows.Source{Repository: "acme/checkout", Commit: "c0ffee"}
	r.in.RequestedBy = strings.Repeat("ä", 300)
	r.world.BadFromWeight = 10
	all := r.searched()
	r.undone("step 1 failed")
	_, digest, _ := strings.Cut(world.NewImage, "@")
	for key, want := range map[temporal.SearchAttributeKeyKeyword]string{
		workflows.ServiceAttribute: "checkout", workflows.EnvironmentAttribute: "production", workflows.StrategyAttribute: "canary",
		workflows.PhaseAttribute: "undone", workflows.VerdictAttribute: "fail", workflows.CommitAttribute: "c0ffee",
		workflows.DigestAttribute: digest, workflows.RequesterAttribute: strings.Repeat("ä", 200),
	} {
		got, ok := all.GetKeyword(key)
		require.True(t, ok, key.GetName())
		require.Equal(t, want, got, key.GetName())
	}
	outcome, ok := all.GetString(workflows.OutcomeAttribute)
	require.True(t, ok)
	require.Equal(t, r.status.Outcome, outcome)
	weight, ok := all.GetInt64(workflows.WeightAttribute)
	require.True(t, ok)
	require.Zero(t, weight)
}
