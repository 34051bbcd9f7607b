// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// confirmed is a gate of another system, beside so many people.
func confirmed(people int) plan.Gate {
	return plan.Gate{
		Quorum: people, Within: minutes(60),
		Confirm: &plan.Confirm{URL: "http://gate.example/check?token=x", Every: seconds(10), Metadata: map[string]string{"team": "checkout"}},
	}
}

func TestAnotherSystemOpensAGateInThePlaceOfPeople(t *testing.T) {
	r := prepare(t, asking(confirmed(0)))
	r.world.ConfirmsFrom = 12 * time.Minute
	person := r.tell(10*time.Minute, workflows.Approve, by("ann"))
	past := r.tell(11*time.Minute, workflows.Promote, by("ann"))
	r.run().promoted()
	require.ErrorContains(t, person.err, "no person is asked here, but a yes of http://gate.example/check")
	require.ErrorContains(t, past.err, "the gate of step 1 waits for http://gate.example/check, and no person stands for that")
	require.GreaterOrEqual(t, r.when("weight 50 %"), 12*time.Minute)
	require.Less(t, r.when("weight 50 %"), 12*time.Minute+15*time.Second)
	var asked activities.About
	require.NoError(t, json.Unmarshal([]byte(r.world.Asked()), &asked))
	require.Empty(t, cmp.Diff(activities.About{
		Name: "checkout", Namespace: "shop", Phase: "stepping", Checksum: r.status.Digest(), Metadata: map[string]string{"team": "checkout"},
		Environment: "production", Release: "checkout-abc123", Question: "1.1", Image: world.NewImage, PlanHash: planHash, Weight: 10,
	}, asked))
	require.NotContains(t, r.story(), "token")
}

func TestAGateOfBothWaitsForBoth(t *testing.T) {
	for name, tt := range map[string]struct{ system, person, opens time.Duration }{
		"the system first": {10 * time.Minute, 30 * time.Minute, 30 * time.Minute},
		"the person first": {12 * time.Minute, 8 * time.Minute, 12 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, asking(confirmed(1)))
			r.world.ConfirmsFrom = tt.system
			r.at(tt.person, workflows.Approve, by("ann"))
			r.run().promoted()
			require.GreaterOrEqual(t, r.when("weight 50 %"), tt.opens, r.story())
			require.Less(t, r.when("weight 50 %"), tt.opens+15*time.Second, r.story())
		})
	}
}

func TestASystemThatDoesNotSayYesIsANoAtTheDeadline(t *testing.T) {
	for name, wrong := range map[string]func(*world.World){
		"it says no":         func(w *world.World) { w.ConfirmsFrom = -1 },
		"it does not answer": func(w *world.World) { w.Fail(world.Confirm, 0, errors.New("connection refused")) },
	} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, asking(confirmed(0)))
			wrong(r.world)
			r.run().undone("nobody answered within 1h: a yes of http://gate.example/check")
		})
	}
	t.Run("a person may still say no", func(t *testing.T) {
		r := prepare(t, asking(confirmed(0)))
		r.world.ConfirmsFrom = -1
		r.at(10*time.Minute, workflows.Reject, by("ann"))
		r.run().undone("rejected by ann: said ann")
		require.Equal(t, 10*time.Minute, r.when("weight 0 %"), "nothing is asked any more")
	})
}
