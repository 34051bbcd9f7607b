// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func runJobIn() activities.RunJobIn {
	target, w := plan.Target{Namespace: "shop", Deployment: "checkout"}, activities.Write{ReleaseID: "checkout-one", Fence: activities.Fence{Release: 1, Step: 2}}
	return activities.RunJobIn{
		JobIn: activities.JobIn{Write: w, Target: target, Name: activities.JobName(target, "smoke", w)},
		Check: plan.Check{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke-tests"}, Within: plan.Duration(time.Minute)},
		Track: world.Candidate, Deadline: at(time.Minute),
	}
}

func TestAJobSaysHowItHasEnded(t *testing.T) {
	tests := map[string]struct {
		turn   func(*world.World)
		passed bool
		reason string
	}{
		"it completes": {func(*world.World) {}, true, "Job checkout-smoke-1-2 completed"},
		"it fails": {
			func(w *world.World) { w.BadJob = true }, false,
			"Job checkout-smoke-1-2 failed (BackoffLimitExceeded): container smoke ended with exit code 3 (Error): no basket",
		},
		"it does not end": {func(w *world.World) { w.JobTakes = -1 }, false, "Job checkout-smoke-1-2 has not ended within 1m: it runs"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := newBench()
			tt.turn(b.world)
			b.env.RegisterActivity(&activities.Checks{Jobs: b.world, Clock: b.world.Clock()})
			value, err := b.env.ExecuteActivity(checks.RunJob, runJobIn())
			require.NoError(t, err)
			var out activities.Checked
			require.NoError(t, value.Get(&out))
			require.Equal(t, activities.Checked{Passed: tt.passed, Reason: tt.reason}, out)
			require.Equal(t, []string{"checkout-smoke-1-2"}, b.world.State().Jobs, "it stays for another attempt")
			require.NotEmpty(t, b.beats)
		})
	}
}

func TestAJobThatCannotBeMadeIsNoVerdict(t *testing.T) {
	b := newBench()
	b.world.Fail(world.MakeJob, 1, fault.New(fault.Denied, "may not create Jobs"))
	b.env.RegisterActivity(&activities.Checks{Jobs: b.world, Clock: b.world.Clock()})
	_, err := b.env.ExecuteActivity(checks.RunJob, runJobIn())
	require.Equal(t, fault.Denied, fault.Of(err))
}

func TestANameOfAJobIsALabelWhateverItIsMadeOf(t *testing.T) {
	w := activities.Write{Fence: activities.Fence{Release: 12, Step: 7}}
	name := func(deployment, check string) string {
		return activities.JobName(plan.Target{Deployment: deployment}, check, w)
	}
	require.Equal(t, "checkout-smoke-12-7", name("checkout", "smoke"))
	long := strings.Repeat("a", 57)
	first, second := name(long, "smoke"), name(long, "smoke-too")
	require.NotEqual(t, first, second)
	for _, n := range []string{first, second, name(strings.Repeat("a-", 28)+"a", strings.Repeat("b", 63))} {
		require.True(t, plan.IsLabel(n), n)
		require.True(t, strings.HasSuffix(n, "-12-7"), n)
	}
}
