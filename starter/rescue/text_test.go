// SPDX-License-Identifier: Apache-2.0

package rescue_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/starter/rescue"
)

func TestOverview(t *testing.T) {
	r := cluster.Recalled{Safe: recorded(), From: "Service shop/checkout", Doubt: "ConfigMap shop/slipway-checkout does not exist"}
	require.Empty(t, cmp.Diff(strings.TrimLeft(`
Note: ConfigMap shop/slipway-checkout does not exist; what follows is from Service shop/checkout.

Release checkout-abc123 of production/checkout has recorded this safe state at 2030-01-01 09:00:00 UTC (Service shop/checkout):
  all requests to Deployment checkout: 3 pods of shop:v1,
  selected by Service checkout with app=checkout

The way there:
  ok  Deployment checkout has 3 of 3 pods ready
  ok  Service checkout selects checkout (app=checkout)
  do  HTTPRoute checkout sends 50 % to checkout-green: send everything to Service checkout
  do  Service checkout reaches the pods of checkout alone
  do  the gateway serves HTTPRoute checkout as it then stands
  ok  there is no preview route
  ok  Deployment checkout-green keeps its 3 pods, without requests; --remove-candidate takes them away
Everything is marked with a new fence, also where it is ok: the release can write nothing any more.
If Temporal is up, rather end the release there: slipway abort production/checkout
`, "\n"), rescue.Overview(r, rescue.Plan(r.Safe, half(), false))))
}

func TestClosing(t *testing.T) {
	shift := rescue.Plan(recorded(), half(), false)[2]
	t.Run("of a rescue that is verified", func(t *testing.T) {
		require.Empty(t, cmp.Diff(strings.TrimPrefix(`

Rescued and verified: all requests go to Deployment checkout.
Release checkout-abc123 is shut out. Once Temporal is back it ends as needs-person, or at once by:
  slipway abort production/checkout --reason rescued
`, "\n"), rescue.Closing(recorded(), rescue.Report{Verified: true, Steps: []rescue.Step{{Action: shift, Outcome: rescue.Done}}})))
	})
	t.Run("of one that leaves something to do", func(t *testing.T) {
		require.Empty(t, cmp.Diff(strings.TrimPrefix(`

Not everything could be done and verified. Left to you:
  - HTTPRoute checkout sends 50 % to checkout-green: send everything to Service checkout
    failed: connection refused
    kubectl -n shop patch httproute/checkout --type=json -p '[{"op":"replace"}]'
Running this again does no harm.
Release checkout-abc123 is shut out. Once Temporal is back it ends as needs-person, or at once by:
  slipway abort production/checkout --reason rescued
`, "\n"), rescue.Closing(recorded(), rescue.Report{Steps: []rescue.Step{{Action: shift, Outcome: rescue.Failed, Reason: "connection refused"}}})))
	})
}

func TestNothingToRescue(t *testing.T) {
	s := recorded().Promote("shop:v2")
	s.Ended, s.EndedAt = activities.EndPromoted, time.Date(2030, 1, 1, 10, 30, 0, 0, time.UTC)
	require.Empty(t, cmp.Diff(strings.TrimLeft(`
There is nothing to rescue: release checkout-abc123 of production/checkout was promoted at 2030-01-01 10:30:00 UTC.
Deployment checkout-green serves, with shop:v2.
To go back to an earlier version: slipway rollback production/checkout
If Temporal is away, by hand, to shop:v1:
  kubectl -n shop scale deployment/checkout --replicas=3
  kubectl -n shop rollout status deployment/checkout
  kubectl -n shop patch service/checkout --type=json -p '[{"op":"replace","path":"/spec/selector","value":{"app":"checkout"}}]'
`, "\n"), rescue.Nothing(s)))

	s = recorded().Return("shop:v2")
	s.Ended, s.EndedAt = activities.EndPromoted, time.Date(2030, 1, 1, 10, 30, 0, 0, time.UTC)
	require.Empty(t, cmp.Diff(strings.TrimLeft(`
There is nothing to rescue: release checkout-abc123 of production/checkout was promoted at 2030-01-01 10:30:00 UTC.
Deployment checkout serves, with shop:v2.
To go back to an earlier version: slipway rollback production/checkout
If Temporal is away, by hand, to shop:v1:
  kubectl -n shop set image deployment/checkout '*=shop:v1'
  kubectl -n shop rollout status deployment/checkout
`, "\n"), rescue.Nothing(s)))

	s = recorded()
	s.Ended, s.EndedAt = activities.EndUndone, time.Date(2030, 1, 1, 10, 30, 0, 0, time.UTC)
	require.Empty(t, cmp.Diff(strings.TrimLeft(`
There is nothing to rescue: release checkout-abc123 of production/checkout was undone at 2030-01-01 10:30:00 UTC.
Deployment checkout serves, with shop:v1.
To go back to an earlier version: slipway rollback production/checkout
`, "\n"), rescue.Nothing(s)))
}
