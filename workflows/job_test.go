// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// smoke is a check by a Job.
func smoke() []plan.Check {
	return []plan.Check{{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke-tests"}, Within: minutes(5)}}
}

// smokeTested is the blue-green plan with a Job in its preview, in the place of the check and the load.
func smokeTested() plan.Plan {
	p := blueGreen()
	p.Spec.Strategy.BlueGreen.Preview.Checks, p.Spec.Strategy.BlueGreen.Preview.Load = smoke(), nil
	return p
}

// smokeTestedFirst is the canary with a Job before the first weight.
func smokeTestedFirst() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.Checks = smoke()
	return p
}

// smokeTestedInBatches is the rolling plan with a Job after each batch.
func smokeTestedInBatches() plan.Plan {
	p := inBatches()
	p.Spec.Strategy.Rolling.Checks = smoke()
	return p
}

func TestAJobRunsOnceBeforeTheSwitchAndIsDeleted(t *testing.T) {
	r := prepare(t, smokeTested()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  open the preview route",
		"20s  make a Job for checkout-green",
		"24s  delete the Job",
		"5m0s  close the preview route",
		"5m0s  weight 100 %",
		"5m1s  point Service checkout at checkout-green",
		"1h5m1s  weight 0 %",
		"1h5m2s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, 1, r.said("check smoke passed: Job checkout-smoke-1-3 completed"), r.story())
}

func TestNobodyReachesACanaryBeforeItsChecksHavePassed(t *testing.T) {
	r := prepare(t, smokeTestedFirst()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  make a Job for checkout-green",
		"24s  delete the Job",
		"24s  weight 10 %",
	}, r.world.Timeline()[:4]))

	p := smokeTestedFirst()
	p.Spec.Strategy.Canary.Checks = append(p.Spec.Strategy.Canary.Checks, plan.Check{Name: "health", URL: "http://checkout.example/health", Status: 200, Contains: "ok", Within: seconds(30)})
	r = prepare(t, p)
	r.world.BadAnswers = -1
	r.run().undone("check health did not pass within 30s")
	require.Zero(t, r.status.MaxWeight)
	require.Equal(t, 1, r.said("check smoke passed: Job checkout-smoke-1-2 completed"), r.story())
}

func TestAJobRunsAfterEveryBatch(t *testing.T) {
	r := prepare(t, smokeTestedInBatches()).run()
	r.promoted()
	require.Equal(t, len(r.status.Track), r.said("check smoke passed: Job checkout-smoke-"), r.story())
	require.Equal(t, len(r.status.Track), r.world.Calls(world.DeleteJob))
}

func TestAReleaseWhoseJobGoesWrongIsUndoneAndTheJobIsDeleted(t *testing.T) {
	denied := fault.New(fault.Denied, "may not create Jobs")
	tests := map[string]struct {
		wrong func(*world.World)
		why   string
	}{
		"it fails": {
			func(w *world.World) { w.BadJob = true },
			"failed (BackoffLimitExceeded): container smoke ended with exit code 3 (Error): no basket",
		},
		"it never ends":        {func(w *world.World) { w.JobTakes = -1 }, "has not ended within 5m: it runs"},
		"it cannot be made":    {func(w *world.World) { w.Fail(world.MakeJob, 1, denied) }, "may not create Jobs"},
		"it cannot be deleted": {func(w *world.World) { w.Fail(world.DeleteJob, 1, denied) }, "may not create Jobs"},
	}
	for name, p := range map[string]plan.Plan{
		"blue-green": smokeTested(), "canary": smokeTestedFirst(), "canary at its steps": checkedAtSteps(), "rolling": smokeTestedInBatches(),
	} {
		for what, tt := range tests {
			t.Run(name+", "+what, func(t *testing.T) {
				r := prepare(t, p)
				tt.wrong(r.world)
				r.run().undone(tt.why)
				require.Empty(t, r.world.State().Jobs)
			})
		}
	}
}

func TestARolloutThatIsAbortedDuringAJobComesBackFirst(t *testing.T) {
	const abort = 12 * time.Minute
	r := prepare(t, smokeTestedInBatches())
	r.world.JobTakes = 4 * time.Minute
	r.at(abort, workflows.Abort, by("alice"))
	r.run().undone("aborted by alice")
	made, back, gone := r.when("make a Job"), r.when("replace 1 pods: 0 of 3 run the new version"), r.when("delete the Job")
	require.Less(t, made, abort, r.story())
	require.Less(t, abort, made+r.world.JobTakes, r.story())
	require.Equal(t, abort, back, r.story())
	require.Less(t, back, gone, r.story())
}

func TestACronJobThatDoesNotExistIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	for name, p := range map[string]plan.Plan{"blue-green": smokeTested(), "canary": smokeTestedFirst(), "rolling": smokeTestedInBatches()} {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, p)
			r.world.NoCronJob = true
			r.run()
			require.Equal(t, workflows.Refused, r.status.Phase)
			require.Contains(t, r.status.Outcome, "CronJob smoke-tests does not exist")
			require.Zero(t, r.world.Calls(world.TakeFence))
			require.Empty(t, r.world.Timeline())
		})
	}
}

func TestARollbackNeedsNoCronJob(t *testing.T) {
	r := goBack(t)
	r.in.Plan = smokeTested()
	r.world.NoCronJob = true
	r.run()
	require.NoError(t, r.err)
	require.Equal(t, workflows.Promoted, r.status.Phase, r.story())
	require.Zero(t, r.world.Calls(world.MakeJob))
}
