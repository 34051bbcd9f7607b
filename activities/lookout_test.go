// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/testsuite"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// glances are what a viewer sees, one look after the other; the last one again and again.
type glances []func() (activities.Sight, error)

func (g *glances) View(context.Context, activities.LookoutIn) (activities.Sight, error) {
	now := (*g)[0]
	if len(*g) > 1 {
		*g = (*g)[1:]
	}
	return now()
}

func sees(name string) func() (activities.Sight, error) {
	return func() (activities.Sight, error) {
		return activities.Sight{Workloads: []activities.WorkloadSight{{Name: name}}}, nil
	}
}

func fails(err error) func() (activities.Sight, error) {
	return func() (activities.Sight, error) { return activities.Sight{}, err }
}

// lookFor looks for a while and returns what was last left in a heartbeat.
func lookFor(t *testing.T, d time.Duration, g ...func() (activities.Sight, error)) (activities.Sight, error) {
	t.Helper()
	now := at(0)
	clock := activities.Clock{
		Now:   func() time.Time { return now },
		After: func(d time.Duration) <-chan time.Time { now = now.Add(d); return time.After(0) },
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	all := glances(g)
	lookout := &activities.Lookout{Viewer: &all, Clock: clock}
	env.RegisterActivity(lookout)
	var last activities.Sight
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		require.NoError(t, details.Get(&last))
	})
	_, err := env.ExecuteActivity(lookout.ShowPods, activities.LookoutIn{Until: at(d)})
	return last, err
}

func TestALookoutLooksAsLongAsItIsAskedTo(t *testing.T) {
	last, err := lookFor(t, 3*time.Second, sees("a"), sees("b"))
	require.NoError(t, err)
	require.NotEmpty(t, last.Workloads)
}

func TestALookThatFailsLeavesWhatWasSeenBefore(t *testing.T) {
	last, err := lookFor(t, 3*time.Second, sees("a"), fails(errors.New("connection refused")))
	require.NoError(t, err)
	require.Equal(t, "a", last.Workloads[0].Name)
}

func TestALookThatMayNotBeTakenEndsIt(t *testing.T) {
	_, err := lookFor(t, time.Hour, fails(fault.New(fault.Denied, "may not list pods")))
	require.ErrorContains(t, err, "may not list pods")
	require.Equal(t, fault.Denied, fault.Of(err))
}
