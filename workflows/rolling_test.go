// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestARollingReleaseReplacesPodsInBatches(t *testing.T) {
	r := prepare(t, inBatches()).run()
	r.promoted()
	require.Empty(t, cmp.Diff([]string{
		"5m0s  replace 1 pods: 1 of 3 run the new version",
		"10m20s  replace 1 pods: 2 of 3 run the new version",
		"15m40s  replace 1 pods: 3 of 3 run the new version",
		"1h16m0s  give checkout its own settings back",
	}, r.world.Timeline()))
	require.Equal(t, 1, r.said("before the first batch: stable failed 0 of 15,000 requests"), r.story())
	require.Equal(t, 3, r.said("check health passed"), r.story())
	require.Equal(t, 1, r.said("2 of 3 pods run the new version: 0 more than asked for, at most 1"), r.story())
	names := []string{"batch 1 of 3: 1 of 3 pods", "batch 2 of 3: 2 of 3 pods", "batch 3 of 3: 3 of 3 pods"}
	for i, s := range r.status.Track {
		require.Equal(t, names[i], s.Name)
		require.Equal(t, workflows.Passed, s.State)
	}
	require.Equal(t, []int{33, 66, 100}, []int{r.status.Track[0].Weight, r.status.Track[1].Weight, r.status.Track[2].Weight})
}

func TestEveryWatchOfARollingReleaseKnowsWhosePodsItsGuardsLookAt(t *testing.T) {
	p := inBatches()
	p.Spec.Target.Kind = plan.KindStatefulSet
	r := prepare(t, p)
	seen := given[activities.WatchIn](r, "WatchTrack")
	r.run().promoted()
	require.Len(t, *seen, 3)
	for _, in := range *seen {
		require.True(t, in.InPlace)
		require.Equal(t, plan.KindStatefulSet, in.Kind)
		require.Equal(t, "checkout", in.Route.StableDeployment)
	}
}

func TestARollingReleaseThatGoesWrongIsUndone(t *testing.T) {
	denied := fault.New(fault.Denied, "may not")
	tests := map[string]struct {
		plan  plan.Plan
		wrong func(*world.World)
		why   string
	}{
		"never ready": {
			unmeasured(), func(w *world.World) { w.ReadyAfter = -1 },
			"checkout was not rolled within 2m: 1 of 1 pods run it, 2 are ready: ImagePullBackOff",
		},
		"a check that never passes": {inBatches(), func(w *world.World) { w.BadAnswers = -1 }, "check health did not pass within 30s"},
		"bad from the first batch":  {inBatches(), func(w *world.World) { w.BadFromWeight = 1 }, "batch 1 failed at 33 %"},
		"bad from the second batch": {inBatches(), func(w *world.World) { w.BadFromWeight = 50 }, "batch 2 failed at 66 %"},
		"bad with all pods":         {inBatches(), func(w *world.World) { w.BadFromWeight = 100 }, "the bake failed at 100 %"},
		"bad late in the bake":      {inBatches(), func(w *world.World) { w.BadFrom = time.Hour }, "the bake failed at 100 %"},
		"pods that go away in a soak": {
			unmeasured(), func(w *world.World) { w.GoneFrom = 2 * time.Minute }, "batch 1 failed at 33 %: for 30s 1 of 1 pods run it, 2 are ready",
		},
		"pods that go away in the bake": {unmeasured(), func(w *world.World) { w.GoneFrom = time.Hour }, "the bake failed at 100 %: for 30s"},
		"a person who lets it go on": {
			unmeasured(), func(w *world.World) {
				w.OnCall = func(op world.Op) {
					if op == world.Look && w.Calls(world.Look) == 3 {
						w.Resume()
					}
				}
			}, "batch 1 failed at 33 %: somebody has let the rollout go on past its batch",
		},
		"the first batch is refused": {unmeasured(), func(w *world.World) { w.Fail(world.Roll, 1, denied) }, "may not"},
		"a person's edit in a batch": {unmeasured(), func(w *world.World) {
			w.Fail(world.Roll, 5, fault.New(fault.Edited, "somebody has given it another image"))
		}, "somebody has given it another image"},
		"the second batch is refused": {unmeasured(), func(w *world.World) { w.Fail(world.Roll, 103, denied) }, "may not"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := prepare(t, tt.plan)
			tt.wrong(r.world)
			r.run().undone(tt.why)
		})
	}
}

func TestAFailedBatchBringsTheFormerRevisionBack(t *testing.T) {
	r := prepare(t, inBatches())
	r.world.BadFromWeight = 50
	r.run().undone("batch 2 failed")
	require.Empty(t, cmp.Diff([]string{
		"5m0s  replace 1 pods: 1 of 3 run the new version",
		"10m20s  replace 1 pods: 2 of 3 run the new version",
		"11m40s  replace 1 pods: 1 of 3 run the new version",
		"11m40s  replace 1 pods: 0 of 3 run the new version",
		"11m40s  give checkout its own settings back",
	}, r.world.Timeline()))
	require.Equal(t, workflows.Passed, r.status.Track[0].State)
	require.Equal(t, workflows.Failed, r.status.Track[1].State)
	require.Equal(t, workflows.Pending, r.status.Track[2].State)
}

func TestAWayBackThatFailsLetsNothingGo(t *testing.T) {
	r := prepare(t, unmeasured())
	r.world.GoneFrom = 2 * time.Minute
	r.world.OnCall = func(op world.Op) {
		if op == world.Look {
			r.world.Fail(world.Roll, 0, fault.New(fault.Denied, "may not update"))
		}
	}
	r.run().failed(workflows.NeedsPerson, "bring back revision 1 of checkout: may not update")
	require.Contains(t, r.status.Outcome, "restore the settings of checkout: not tried")
	require.Equal(t, world.Rollout{New: 1, Held: true, Kept: true}, r.world.State().Rollout, "a paused rollout stays paused")
}

func TestAGateStandsAfterTheFirstBatch(t *testing.T) {
	p := inBatches()
	p.Spec.Strategy.Rolling.Gate = &plan.Gate{Approvers: []string{"alice"}, Quorum: 1, Within: minutes(60)}
	t.Run("and opens by an approval", func(t *testing.T) {
		r := prepare(t, p)
		r.at(30*time.Minute, workflows.Approve, by("alice"))
		r.run().promoted()
		require.Equal(t, 30*time.Minute, r.when("2 of 3 run"), r.story())
	})
	t.Run("and is undone at its deadline", func(t *testing.T) {
		prepare(t, p).run().undone("nobody answered within 1h: approval by 1 of [alice]")
	})
	t.Run("and nobody else can promote past it", func(t *testing.T) {
		r := prepare(t, p)
		a := r.tell(6*time.Minute, workflows.Promote, by("mallory"))
		r.run().undone("nobody answered")
		require.ErrorContains(t, a.err, "mallory is not among the approvers")
	})
}

func TestAPromotionRollsTheRestAtOnce(t *testing.T) {
	r := prepare(t, inBatches())
	r.at(6*time.Minute, workflows.Promote, by("carol"))
	r.run().promoted()
	require.Equal(t, 6*time.Minute, r.when("2 of 3 run"), r.story())
	require.Equal(t, []workflows.StepState{workflows.Skipped, workflows.Skipped, workflows.Skipped},
		[]workflows.StepState{r.status.Track[0].State, r.status.Track[1].State, r.status.Track[2].State})
	require.GreaterOrEqual(t, r.when("own settings back"), r.when("3 of 3 run")+time.Hour, "the bake still follows")
}

func TestAPausedRollingReleaseStaysAtItsBatch(t *testing.T) {
	r := prepare(t, unmeasured())
	r.at(time.Minute, workflows.Pause, workflows.Command{ID: "p", By: "alice"})
	r.at(time.Hour, workflows.Resume, workflows.Command{ID: "r", By: "alice"})
	r.run().promoted()
	require.GreaterOrEqual(t, r.when("2 of 3 run"), time.Hour, r.story())
}

// undoRollout runs the undo of a rollout that has ended.
func undoRollout(t *testing.T, revision int64, happens func(*release)) *release {
	t.Helper()
	r := prepare(t, unmeasured())
	r.world.Rolled().Bake = 0
	happens(r)
	r.world.Attach(r.env, nil)
	r.env.RegisterWorkflow(workflows.RolloutUndo)
	return r.execute(workflows.RolloutUndo, workflows.UndoIn{ID: r.in.ID, Plan: r.in.Plan, Revision: revision, RequestedBy: "alice"})
}

func TestAnUndoneRolloutRunsItsFormerRevision(t *testing.T) {
	r := undoRollout(t, 1, func(*release) {})
	require.NoError(t, r.err)
	require.Equal(t, workflows.Promoted, r.status.Phase, r.story())
	require.Equal(t, world.OldImage, r.status.Image)
	r.clean()
}

func TestAnUndoToARevisionThatIsNotThereTouchesNothing(t *testing.T) {
	r := undoRollout(t, 7, func(*release) {})
	r.failed(workflows.Refused, "checkout has no revision 7; nothing was changed")
	require.Empty(t, r.world.Timeline())
}

func TestAnAbortedUndoOfARolloutBringsThePresentRevisionBack(t *testing.T) {
	r := undoRollout(t, 0, func(r *release) { r.at(100*time.Millisecond, workflows.Abort, by("bob")) })
	require.NoError(t, r.err)
	require.Equal(t, workflows.Undone, r.status.Phase, r.story())
	require.Empty(t, cmp.Diff(world.New().Rolled().State(), r.world.State()))
}

func TestNothingHoldsAnUndoOfARollout(t *testing.T) {
	r := undoRollout(t, 1, func(r *release) {
		r.in.Plan.Spec.Freeze = []plan.Freeze{{From: "2030-01-01T09:00:00Z", To: "2030-01-01T14:00:00Z", Reason: "fair"}}
		r.hear(0, workflows.HoldsSignal, stopped())
	})
	require.NoError(t, r.err)
	require.Equal(t, workflows.Promoted, r.status.Phase, r.story())
	require.Less(t, r.status.Ended.Sub(r.status.Started), 5*time.Minute)
}
