// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// healthy is a check by a request.
func healthy() plan.Check {
	return plan.Check{Name: "health", URL: "http://checkout.example/health", Status: 200, Contains: "ok", Within: seconds(30)}
}

// checkedAtSteps is the canary with a request and a Job at its first step, and two Jobs at its second one.
func checkedAtSteps() plan.Plan {
	p := twoSteps()
	steps := p.Spec.Strategy.Canary.Steps
	steps[0].Checks = append([]plan.Check{healthy()}, smoke()...)
	steps[1].Checks = append(smoke(), plan.Check{Name: "regression", Job: &plan.JobCheck{CronJob: "regression-tests"}, Within: minutes(20)})
	return p
}

// The first Job begins at 10 %. A short one ends after 90s, a long one is under way when everything has been tried.
const (
	jobBegins = 5*time.Minute + 21*time.Second
	jobEnds   = jobBegins + 90*time.Second
	inJob     = 6*time.Minute + 30*time.Second
)

func shortJob(t *testing.T, p plan.Plan) *release {
	t.Helper()
	r := prepare(t, p)
	r.world.JobTakes = jobEnds - jobBegins
	return r
}

func longJob(t *testing.T, p plan.Plan) *release {
	t.Helper()
	r := prepare(t, p)
	r.world.JobTakes = -1
	return r
}

func TestTheChecksOfAStepRunAtItsWeightAfterItHasPassed(t *testing.T) {
	r := prepare(t, checkedAtSteps()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"0s  deploy checkout-green: 3 pods of the new version",
		"20s  weight 10 %",
		"5m21s  make a Job for checkout-green",
		"5m25s  delete the Job",
		"5m25s  weight 50 %",
		"15m26s  make a Job for checkout-green",
		"15m30s  delete the Job",
		"15m30s  make a Job for checkout-green",
		"15m34s  delete the Job",
		"15m34s  weight 100 %",
		"15m35s  point Service checkout at checkout-green",
		"1h15m35s  weight 0 %",
		"1h15m36s  scale checkout to zero, with the old version",
	}, r.world.Timeline()))
	require.Equal(t, 1, r.said("check health passed"), r.story())
	require.Equal(t, 2, r.said("check smoke passed: Job checkout-smoke-1-"), r.story())
	require.Equal(t, 1, r.said("check regression passed: Job checkout-regression-1-"), r.story())
	for _, s := range r.status.Track {
		require.Equal(t, workflows.Passed, s.State)
		require.NotNil(t, s.Verdict)
	}
}

func TestAGateAsksOnlyAfterTheChecksOfItsStep(t *testing.T) {
	p := checkedAtSteps()
	p.Spec.Strategy.Canary.Steps[0].Gate = &plan.Gate{Quorum: 1, Within: minutes(60)}
	r := shortJob(t, p)
	early := r.tell(inJob, workflows.Approve, by("alice"))
	checking, asking := r.ask(inJob+time.Second), r.ask(jobEnds+time.Second)
	r.at(20*time.Minute, workflows.Approve, by("bob"))
	r.run().promoted()
	require.ErrorContains(t, early.err, "nothing is waiting for an approval")
	require.Nil(t, checking.Asks)
	require.Contains(t, checking.Next, "check smoke passes: Job checkout-smoke-1-")
	require.Equal(t, 10, checking.Weight)
	require.True(t, checking.Deadline.Equal(began().Add(jobBegins+5*time.Minute)))
	require.Equal(t, "the release is undone", checking.AtDeadline)
	require.NotNil(t, asking.Asks)
	require.Equal(t, 20*time.Minute, r.when("weight 50 %"), r.story())
}

func TestACheckOfAStepThatFailsSendsUsersBackBeforeItsJobIsDeleted(t *testing.T) {
	r := prepare(t, checkedAtSteps())
	r.world.BadJob = true
	r.run().undone("check smoke did not pass: Job checkout-smoke-1-")
	require.Equal(t, workflows.Failed, r.status.Track[0].State)
	require.Equal(t, workflows.Pending, r.status.Track[1].State)
	require.Equal(t, 10, r.status.MaxWeight)
	back, gone, removed := r.when("weight 0 %"), r.when("delete the Job"), r.when("delete checkout-green")
	require.Equal(t, jobBegins+4*time.Second, back, r.story())
	require.LessOrEqual(t, back, gone)
	require.Less(t, gone, removed)

	r = prepare(t, checkedAtSteps())
	r.world.BadAnswers = -1
	r.run().undone("check health did not pass within 30s")
	require.Equal(t, jobBegins+30*time.Second, r.when("weight 0 %"))
	require.Zero(t, r.world.Calls(world.MakeJob))
}

func TestAnAbortDuringACheckOfAStepWaitsForNoJob(t *testing.T) {
	r := longJob(t, checkedAtSteps())
	r.at(inJob, workflows.Abort, by("alice"))
	r.run().undone("aborted by alice")
	require.Equal(t, inJob, r.when("weight 0 %"), r.story())
	require.Less(t, inJob, r.when("delete the Job"), r.story())
	require.Less(t, r.status.Ended.Sub(r.status.Started), inJob+20*time.Second)
}

func TestACandidateThatTurnsBadDuringACheckIsTakenBackWithoutItsAnswer(t *testing.T) {
	t.Run("by a Job", func(t *testing.T) {
		r := longJob(t, checkedAtSteps())
		r.world.BadFrom = 6 * time.Minute
		r.run().undone("failed at 10 % during check smoke: candidate failed")
		require.Less(t, r.when("weight 0 %"), 8*time.Minute, r.story())
		require.Less(t, r.when("weight 0 %"), r.when("delete the Job"))
	})
	t.Run("by a request", func(t *testing.T) {
		p := checkedAtSteps()
		p.Spec.Strategy.Canary.Steps[0].Checks[0].Within = minutes(20)
		r := prepare(t, p)
		r.world.BadFrom, r.world.BadAnswers = 6*time.Minute, -1
		r.run().undone("failed at 10 % during check health: candidate failed")
		require.Less(t, r.when("weight 0 %"), 8*time.Minute, r.story())
	})
	t.Run("where only pods are watched", func(t *testing.T) {
		p := byPods()
		p.Spec.Strategy.Canary.Steps[0].Checks = smoke()
		r := longJob(t, p)
		r.world.GoneFrom = inJob
		r.run().undone("failed at 25 % during check smoke: for 30s 0 of 1 pods are ready")
		require.Less(t, r.last("point Service checkout at checkout"), 8*time.Minute, r.story())
	})
}

func TestAPromotionEndsTheChecksOfAStep(t *testing.T) {
	t.Run("one that runs as a Job", func(t *testing.T) {
		r := longJob(t, checkedAtSteps())
		r.at(inJob, workflows.Promote, by("carol"))
		r.run().promoted()
		require.Equal(t, 1, r.world.Calls(world.DeleteJob), r.story())
		require.Less(t, r.when("weight 100 %"), inJob+20*time.Second, r.story())
		require.LessOrEqual(t, r.when("delete the Job"), r.when("weight 100 %"))
		require.Zero(t, r.said("check smoke passed"))
		require.Equal(t, []workflows.StepState{workflows.Skipped, workflows.Skipped}, []workflows.StepState{r.status.Track[0].State, r.status.Track[1].State})
	})
	t.Run("one that runs as a request", func(t *testing.T) {
		p := checkedAtSteps()
		p.Spec.Strategy.Canary.Steps[0].Checks[0].Within = minutes(20)
		r := prepare(t, p)
		r.world.BadAnswers = -1
		r.at(inJob, workflows.Promote, by("carol"))
		r.run().promoted()
		require.Equal(t, inJob, r.when("weight 100 %"), r.story())
		require.Zero(t, r.world.Calls(world.MakeJob))
	})
	t.Run("those that are still to come", func(t *testing.T) {
		r := prepare(t, checkedAtSteps())
		r.at(2*time.Minute, workflows.Promote, by("carol"))
		r.run().promoted()
		require.Zero(t, r.world.Calls(world.MakeJob))
	})
	t.Run("and can be aborted while the Job is put away", func(t *testing.T) {
		r := longJob(t, checkedAtSteps())
		r.at(inJob, workflows.Promote, by("carol"))
		r.at(inJob+2*time.Second, workflows.Abort, by("alice"))
		r.run().undone("aborted by alice")
		require.Equal(t, inJob+2*time.Second, r.when("weight 0 %"), r.story())
	})
}

func TestAnEditDuringACheckIsDecidedBeforeTheNextOne(t *testing.T) {
	r, h := shortJob(t, checkedAtSteps()), scaled()
	r.world.Keeper, h.world, h.since, h.from = h, r.world, 0, jobBegins+10*time.Second // the check before it has ended by then
	r.at(jobEnds+time.Minute, workflows.Resume, edits("ann", workflows.EditsKeep))
	before, after := r.ask(inJob), r.ask(jobEnds+time.Second)
	r.run().promoted()
	require.True(t, before.Paused)
	require.Contains(t, before.Next, "keep what was changed")
	require.Contains(t, after.Next, "keep what was changed", "the Job has ended, and nothing has gone on")
	require.Equal(t, jobEnds+time.Minute, r.when("weight 50 %"), r.story())
}

func TestPreflightLooksAtTheCronJobsOfAllSteps(t *testing.T) {
	r := prepare(t, checkedAtSteps())
	r.world.NoCronJob = true
	r.run().failed(workflows.Refused, "CronJob smoke-tests does not exist; nothing was changed")
	require.Empty(t, r.world.Timeline())

	p := byPods()
	p.Spec.Strategy.Canary.Steps = checkedAtSteps().Spec.Strategy.Canary.Steps
	p.Spec.Strategy.Canary.Steps[0].Weight = 25
	r = prepare(t, p)
	seen := given[activities.InspectJobsIn](r, "InspectJobs")
	r.run().promoted()
	require.Equal(t, []string{"smoke-tests", "regression-tests"}, (*seen)[0].CronJobs, "each once")
	require.Contains(t, (*seen)[0].Selectors, map[string]string{"track": world.Both}, "by which users would be sent to a Job's pods as well")
}

// given are the inputs of all activities of a name, once the release has run.
func given[In any](r *release, name string) *[]In {
	out := &[]In{}
	r.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		if info.ActivityType.Name == name {
			var in In
			if err := args.Get(&in); err != nil {
				r.t.Errorf("read the input of %s: %v", name, err)
			}
			*out = append(*out, in)
		}
	})
	return out
}
