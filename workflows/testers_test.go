// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

func TestTestersReachTheCandidateFromTheDeployToThePromotion(t *testing.T) {
	r := prepare(t, tested()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  open the preview route",
		"20s  weight 10 %",
		"5m21s  weight 50 %",
		"15m22s  weight 100 %",
		"15m23s  point Service checkout at checkout-green",
		"15m23s  close the preview route",
		"1h15m23s  weight 0 %",
		"1h15m24s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, 1, r.said("requests with the cookie canary=always reach checkout-green"), r.story())
}

func TestTestersAreSentBackBeforeTheCandidateGoes(t *testing.T) {
	r := prepare(t, tested())
	r.world.BadFromWeight = 10
	r.run().undone("step 1 failed at 10 %")
	require.Equal(t, []string{"1m21s  weight 0 %", "1m22s  close the preview route", "1m24s  delete checkout-green"}, r.world.Timeline()[3:])
}

func TestTestersThatCannotBeToldApart(t *testing.T) {
	t.Run("are refused at preflight", func(t *testing.T) {
		r := prepare(t, tested())
		r.world.Fail(world.ReadPreview, 0, fault.New(fault.Invalid, "this router cannot tell"))
		r.run().failed(workflows.Refused, "this router cannot tell; nothing was changed")
		require.Empty(t, r.world.Timeline())
	})
	t.Run("undo the release before anybody was shifted, where only the router's answer tells", func(t *testing.T) {
		r := prepare(t, tested())
		r.world.SettleAfter = -1
		r.run().undone("the router did not take up the preview route within 10s: gateway: has not looked")
		require.Zero(t, r.status.MaxWeight)
	})
	t.Run("keep the candidate while their route is there", func(t *testing.T) {
		r := prepare(t, tested())
		r.world.BadFromWeight = 10
		r.world.Fail(world.Preview, 2, fault.New(fault.Denied, "may not delete"))
		r.run().failed(workflows.NeedsPerson, "close the preview route: may not delete")
		require.Contains(t, r.world.State().Tracks, world.Candidate)
	})
}
