// SPDX-License-Identifier: Apache-2.0

package opinion_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/decide/opinion"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestEachRuleSaysItsOwn(t *testing.T) {
	rules := opinion.Read([]plan.Rule{
		{Name: "many", When: "candidate.failed > 20"},
		{Name: "of-another-version", When: "candidate.colour > 1"},
		{Name: "worse", When: "candidate.failedShare > 3.0 * stable.failedShare"},
	})
	got := rules.Ask(judge.Sight{
		Known:   map[string]float64{"candidate.failed": 24, "candidate.failedShare": .04},
		Unknown: map[string]string{"stable.failedShare": "stable had no requests in this step"},
	})
	require.Len(t, got, 3)
	require.Equal(t, judge.Ruling{Met: true, Saw: "candidate.failed = 24"}, got[0])
	require.Contains(t, got[1].Unsure, "undeclared reference to 'candidate.colour'")
	require.False(t, got[1].Met)
	require.Equal(t, judge.Ruling{Unsure: "stable.failedShare is not known: stable had no requests in this step", Saw: "candidate.failedShare = 0.04"}, got[2])
	require.Empty(t, opinion.Read(nil).Ask(judge.Sight{}))
}
