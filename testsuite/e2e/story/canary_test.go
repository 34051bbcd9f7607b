// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/sdk/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

func TestAGoodReleaseReachesEverybodyWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "good"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10, 50)}, v2)
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "promoted: "+v2)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Positive(t, seen.ByVersion["v2"])
	atRest(t, shop, v2)
	keepHistory(t, shop.Lane(), "canary-promoted")

	// The roles have swapped: the next release goes the other way.
	v3 := image(t, "v3")
	r = begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10, 50)}, v3)
	said, seen = r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v3)
}

func TestABadReleaseIsTakenBackAtItsFirstWeightAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "bad", Rate: 200})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("8s", 10, 50), Errors: "margin: 1", Patience: "20s"}, image(t, "v2", "ERROR_RATE", "0.05"))
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "step 1 failed at 10 %: candidate failed")
	require.Equal(t, []int{10, 0}, r.shares())
	require.Zero(t, seen.FailedByVersion["v1"])
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	keepHistory(t, shop.Lane(), "canary-undone")
}

func TestALateFaultIsTakenBackFromTheBake(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "late"})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 50), Bake: "30s"}, image(t, "v2", "ERROR_RATE", "0.2", "FAULT_AFTER", "5s"))
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "the bake failed at 100 %")
	require.Equal(t, []int{50, 100, 0}, r.shares())
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestAKilledWorkerLosesNoPlaceAndRepeatsNothing(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "crash"})
	v2 := image(t, "v2", "START_DELAY", "1s")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("3s", 10, 50), Bake: "3s"}, v2)
	for _, moment := range []struct {
		what string
		now  func() bool
	}{
		{"the candidate is being made", func() bool {
			_, err := shop.Stage.Kube.AppsV1().Deployments(shop.Namespace).Get(t.Context(), shop.Name+"-green", metav1.GetOptions{})
			return err == nil
		}},
		{"the first weight has just been written", func() bool { return len(r.shares()) == 1 }},
		{"half of the second hold is over", func() bool {
			s := shop.Route.Since(r.began)
			return len(s) == 2 && time.Since(s[1].At) > 1500*time.Millisecond
		}},
		{"the candidate serves everything", func() bool { return len(r.shares()) == 3 }},
	} {
		r.until(moment.what, moment.now)
		restartWorker(t)
	}
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
	scheduled := map[string]int{}
	for _, e := range eventsOf(t, shop) {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[a.ActivityType.Name]++
		}
	}
	require.Equal(t, 3, scheduled["WatchTrack"], "one per step and one for the bake: no hold began again")
	require.Equal(t, 4, scheduled["ShiftTraffic"])
	require.Equal(t, 1, scheduled["DeployCandidate"])
}

func TestTemporalMayDieInTheMiddle(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "temporal"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("3s", 10, 50)}, v2)
	r.untilShare(50)
	require.NoError(t, world.Kill(t.Context(), "temporal"))
	require.NoError(t, world.StartPart(t.Context(), "temporal"))
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
}

func TestAnAbortTakesEverythingBack(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "abort", NewConnections: true})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("30s", 10, 50)}, image(t, "v2"))
	r.untilShare(10)
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "aborted by ada: changed my mind")
	require.Equal(t, []int{10, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	keepHistory(t, shop.Lane(), "canary-aborted")

	late, err := world.Slipway(t.Context(), "abort", shop.Lane(), "--reason", "once more")
	require.NoError(t, err)
	require.Equal(t, 1, late.Code)
	require.Contains(t, late.Err, "no release of test/abort is running")
}

func TestAPausedReleaseStaysUntilItIsResumedOrPromoted(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "pause"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10, 20, 50)}, v2)
	r.untilShare(10)
	r.tell("pause", shop.Lane(), "--reason", "lunch")
	r.until("people are asked", func() bool { return detailsContain(t, shop, "owner: people") })
	require.Equal(t, []int{10}, r.shares())
	r.tell("resume", shop.Lane())
	r.untilShare(20)
	r.tell("promote", shop.Lane(), "--reason", "we know it is good")
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 20, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
}

func TestAGateAsksThePeopleItNamesAndNobodyElse(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "gate"})
	r := begin(t, shop, stage.Quick{Steps: []string{"{weight: 10, hold: 2s, gate: {approvers: [bob, eve], within: 1m}}"}}, image(t, "v2"))
	r.until("people are asked", func() bool { return detailsContain(t, shop, "approval by 1 of [bob eve]") })
	require.True(t, detailsContain(t, shop, "owner: people"))
	require.True(t, detailsContain(t, shop, "deadline: "))
	require.True(t, detailsContain(t, shop, "the release is undone"))
	said, err := world.Slipway(t.Context(), "approve", shop.Lane(), "--by", "mallory")
	require.NoError(t, err)
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Err, "mallory is not among the approvers")
	// What somebody types into Temporal's own tools is recorded, and counts for nothing.
	bare := map[string]string{"id": "typed", "by": "bob"}
	require.NoError(t, temporal.SignalWorkflow(t.Context(), shop.Lane(), "", "approve", bare))
	r.until("the signal is refused", func() bool {
		said, err := world.Slipway(t.Context(), "status", shop.Lane(), "-o", "json")
		return err == nil && strings.Contains(said.Out, "approve by bob refused: approve counts only with a signed statement")
	})
	r.tell("approve", shop.Lane(), "--by", "bob")
	said, _ = r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
}

func TestAnIncidentOfEverybodyHoldsAndIsNotBlamedOnTheCandidate(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "incident"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("4s", 20, 50), Patience: "40s"}, v2)
	r.untilShare(20)
	require.NoError(t, shop.Incident(stage.Faults{ErrorRate: 0.2}))
	r.until("the watch tells of an incident", func() bool { return watchSays(t, shop, "incident outside of the release") })
	held := time.Now()
	r.until("the hold is long over", func() bool { return time.Since(held) > 5*time.Second })
	require.Equal(t, []int{20}, r.shares(), "nothing moves while everybody suffers")
	require.NoError(t, shop.Recover())
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Positive(t, seen.FailedByVersion["v1"])
	require.Positive(t, seen.FailedByVersion["v2"])
	atRest(t, shop, v2)
}

// watchSays looks at what the watch that is under way has found, as Temporal's UI does.
func watchSays(t *testing.T, shop *stage.Shop, text string) bool {
	t.Helper()
	d, err := temporal.DescribeWorkflowExecution(t.Context(), shop.Lane(), "")
	require.NoError(t, err)
	for _, a := range d.GetPendingActivities() {
		for _, p := range a.GetHeartbeatDetails().GetPayloads() {
			if strings.Contains(string(p.GetData()), text) {
				return true
			}
		}
	}
	return false
}

func TestTemporalsHistoryReadsLikeARunbookAndGrowsWithStepsNotWithTime(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "history"})
	told := []enums.EventType{
		enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enums.EVENT_TYPE_TIMER_STARTED, enums.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
	}
	events := map[string]int{}
	// One of the two tells everything to somebody whom no worker knows: that costs it nothing.
	for version, hold := range map[string]string{"v2": "2s", "v3": "5s"} {
		q := stage.Quick{Steps: stage.Holding(hold, 5, 10, 20, 40, 60)}
		if hold == "5s" {
			q.Notifications = "[{to: [nobody, nowhere]}]"
		}
		r := begin(t, shop, q, image(t, version))
		said, _ := r.end()
		require.Zero(t, said.Code, said.Err+said.Out)
		all := eventsOf(t, shop)
		events[hold] = len(all)
		for _, e := range all {
			if slices.Contains(told, e.EventType) {
				require.NotEmpty(t, e.GetUserMetadata().GetSummary().GetData(), "%s has no summary", e)
			}
		}
	}
	require.Equal(t, events["2s"], events["5s"])
	require.LessOrEqual(t, events["5s"], 200)
}

func TestAGateOnEveryStepCostsLittleHistory(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "gates"})
	weights, steps := []int{5, 20, 40, 60, 80}, []string(nil)
	for _, w := range weights {
		steps = append(steps, fmt.Sprintf("{weight: %d, hold: 2s, gate: {approvers: [bob], within: 1m}}", w))
	}
	r := begin(t, shop, stage.Quick{Steps: steps}, image(t, "v2"))
	for _, w := range weights {
		r.until(fmt.Sprintf("people are asked at %d %%", w), func() bool {
			return detailsContain(t, shop, fmt.Sprintf("%d %% on the candidate", w)) && detailsContain(t, shop, "approval by 1 of [bob]")
		})
		r.tell("approve", shop.Lane(), "--by", "bob")
	}
	said, _ := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.LessOrEqual(t, unhindered(eventsOf(t, shop)), 200)
}

// unhindered is how many events there are without the workflow tasks that a busy machine was too slow for: each was
// scheduled, begun and lost.
func unhindered(events []*history.HistoryEvent) int {
	n := len(events)
	for _, e := range events {
		if e.EventType == enums.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT || e.EventType == enums.EVENT_TYPE_WORKFLOW_TASK_FAILED {
			n -= 3
		}
	}
	return n
}

func eventsOf(t *testing.T, shop *stage.Shop) []*history.HistoryEvent {
	t.Helper()
	h, err := stage.History(t.Context(), temporal, shop.Lane())
	require.NoError(t, err)
	return h.Events
}

// detailsContain asks for the current details, as Temporal's UI does.
func detailsContain(t *testing.T, shop *stage.Shop, text string) bool {
	t.Helper()
	value, err := temporal.QueryWorkflow(t.Context(), shop.Lane(), "", "__temporal_workflow_metadata")
	if err != nil {
		return false // not started, or between two workers
	}
	var m sdk.WorkflowMetadata
	require.NoError(t, value.Get(&m))
	return strings.Contains(m.CurrentDetails, text)
}

// restartWorker kills the worker and starts another.
func restartWorker(t *testing.T) {
	t.Helper()
	require.NoError(t, world.Worker.Kill())
	w, err := world.StartWorker(context.Background(), stage.WorkerOptions{}) // it outlives the test
	require.NoError(t, err)
	world.Worker = w
}
