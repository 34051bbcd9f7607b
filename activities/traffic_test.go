// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// dawdling is a cluster whose answers take longer than the pause between two looks.
type dawdling struct {
	activities.Clock
	looks int
	// ready from this look on.
	from int
}

func (d *dawdling) Readiness(context.Context, activities.AwaitReadyIn) (activities.Readiness, error) {
	if d.looks++; d.looks > d.from+2 {
		return activities.Readiness{}, errors.New("nobody needs to ask so often")
	}
	<-d.After(time.Second)
	return activities.Readiness{Ready: d.looks >= d.from}, nil
}

func (*dawdling) ResizeCandidate(context.Context, activities.ResizeCandidateIn) (activities.Resized, error) {
	return activities.Resized{}, errors.New("nobody asks for that")
}

func TestALookThatTakesLongIsNoWaitForPods(t *testing.T) {
	for from, looks := range map[int]int{1: 1, 3: 4} { // after a wait it looks once more
		w := world.New()
		require.NoError(t, w.DeployCandidate(t.Context(), activities.DeployCandidateIn{
			Write: activities.Write{Fence: activities.Fence{Release: 1, Step: 1}}, Tracks: activities.Tracks{Candidate: world.Candidate}, Image: world.NewImage, Replicas: world.Replicas,
		}))
		<-w.Clock().After(time.Minute)
		pods := &dawdling{Clock: w.Clock(), from: from}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(&activities.Traffic{Routers: activities.Routers{"gatewayAPI": w}, Pods: pods, Clock: w.Clock()})
		in := activities.ShiftTrafficIn{Ready: &activities.AwaitReadyIn{Deadline: at(time.Hour)}, Within: plan.Duration(time.Minute)}
		in.Write, in.Weight, in.Route.Traffic.GatewayAPI = activities.Write{Fence: activities.Fence{Release: 1, Step: 2}}, 10, &plan.GatewayAPI{Route: "checkout"}
		var traffic *activities.Traffic
		value, err := env.ExecuteActivity(traffic.ShiftTraffic, in)
		require.NoError(t, err)
		var out activities.Settled
		require.NoError(t, value.Get(&out))
		require.True(t, out.Settled, out.Reason)
		require.Equal(t, looks, pods.looks)
		require.Equal(t, 10, w.State().Weight)
	}
}
