// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// slipway gives a command, whatever comes of it.
func slipway(t *testing.T, args ...string) stage.Said {
	t.Helper()
	said, err := world.Slipway(t.Context(), args...)
	require.NoError(t, err)
	return said
}

// served is how many requests a version has answered since the last cut.
func served(shop *stage.Shop, version string) int {
	return load.Summarize(shop.Results()).ByVersion[version]
}

func TestASecondReleaseOfTheSameServiceWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "second"})
	q := stage.Quick{Steps: stage.Holding("3s", 10)}
	v3 := image(t, "v3")
	first := begin(t, shop, q, image(t, "v2"))
	first.untilShare(10)
	plan, err := shop.Plan(q)
	require.NoError(t, err)
	said := slipway(t, "release", "-f", plan, "--image", v3)
	require.Zero(t, said.Code, said.Err)
	require.Contains(t, said.Out, "runs; follow it with: slipway lane test/second")
	again := slipway(t, "release", "-f", plan, "--image", v3)
	require.Contains(t, again.Out, "nothing was added: this image is released by second-")
	waited := slipway(t, "lane", shop.Lane())
	require.Contains(t, waited.Out, "waits 1 second-")
	second := slipway(t, "release", "-f", plan, "--image", v3, "--wait")
	require.Zero(t, second.Code, second.Err+second.Out)
	require.Contains(t, second.Out, "promoted: "+v3)
	said, seen := first.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "promoted: ", "whoever waits for the first hears of the first")
	require.Equal(t, []int{10, 100, 0, 10, 100, 0}, first.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v3)
	keepHistory(t, "lane/"+shop.Lane(), "lane")
}

func TestAHotfixPreemptsWhatRuns(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "hotfix"})
	q := stage.Quick{Steps: stage.Holding("2s", 10)}
	slow := begin(t, shop, stage.Quick{Steps: stage.Holding("10m", 20)}, image(t, "v2"))
	slow.untilShare(20)
	plan, err := shop.Plan(q)
	require.NoError(t, err)
	fix := slipway(t, "release", "-f", plan, "--image", image(t, "v3"), "--hotfix", "--wait")
	require.Zero(t, fix.Code, fix.Err+fix.Out)
	said, seen := slow.end()
	require.Equal(t, 2, said.Code)
	require.Contains(t, said.Out, "preempted by the hotfix hotfix-")
	require.Equal(t, []int{20, 0, 10, 100, 0}, slow.shares())
	require.Zero(t, seen.Failed, seen.Errors)
}

func TestALaneThatIsTerminatedInTheMiddleIsBegunAgainAndStartsNothingBeside(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "anew"})
	q := stage.Quick{Steps: stage.Holding("4s", 10)}
	v3 := image(t, "v3")
	first := begin(t, shop, q, image(t, "v2"))
	first.untilShare(10)
	require.NoError(t, temporal.TerminateWorkflow(t.Context(), "lane/"+shop.Lane(), "", "a test"))
	plan, err := shop.Plan(q)
	require.NoError(t, err)
	second := slipway(t, "release", "-f", plan, "--image", v3, "--wait")
	require.Zero(t, second.Code, second.Err+second.Out)
	said, seen := first.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 100, 0, 10, 100, 0}, first.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v3)
}

func TestAFreezeHoldsTheWeightUnderLoadAndThaws(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "frozen"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10, 50)}, v2)
	r.untilShare(10)
	r.tell("freeze", shop.Lane(), "--until", "1h", "--reason", "fair")
	r.until("the release holds", func() bool { return detailsContain(t, shop, "frozen until") })
	before := served(shop, "v2")
	r.until("it holds while requests are served", func() bool { return served(shop, "v2") > before+50 })
	require.Equal(t, []int{10}, r.shares())
	require.True(t, detailsContain(t, shop, "owner: ada"))
	r.tell("thaw", shop.Lane())
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
}

func TestAStoppedLineHoldsWhatRunsAndWhatIsYetToCome(t *testing.T) {
	one := openShop(t, stage.ShopOptions{Namespace: "line"})
	young := openShop(t, stage.ShopOptions{Namespace: "young"})
	r := begin(t, one, stage.Quick{Steps: stage.Holding("2s", 10, 50)}, image(t, "v2"))
	r.untilShare(10)
	r.tell("stop-the-line", "--environment", "test", "--reason", "outage")
	r.until("the release holds", func() bool { return detailsContain(t, one, "the line of test is stopped (outage, by ada)") })
	plan, err := young.Plan(stage.Quick{Steps: stage.Holding("2s", 10)})
	require.NoError(t, err)
	said := slipway(t, "release", "-f", plan, "--image", image(t, "v2"))
	require.Contains(t, said.Out, "waits: the line of test is stopped (outage, by ada)", said.Err)
	require.Equal(t, []int{10}, r.shares())
	r.tell("stop-the-line", "--environment", "test", "--resume")
	said, _ = r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 50, 100, 0}, r.shares())
	last := slipway(t, "release", "-f", plan, "--image", image(t, "v2"), "--wait")
	require.Zero(t, last.Code, last.Err+last.Out)
}

func TestAnImageThatWasTakenBackNeedsAWordAndADeploymentHasOnePlan(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "barred"})
	before := snapshot(t, shop)
	v2 := image(t, "v2")
	q := stage.Quick{Steps: stage.Holding("30s", 10), Lane: "{coolDown: 1h}"}
	r := begin(t, shop, q, v2)
	r.untilShare(10)
	r.tell("abort", shop.Lane(), "--reason", "no")
	said, _ := r.end()
	require.Equal(t, 2, said.Code)
	plan, err := shop.Plan(q)
	require.NoError(t, err)
	for _, args := range [][]string{{"--image", v2}, {"--image", image(t, "v3")}, {"--image", image(t, "v3"), "--hotfix"}} {
		refused := slipway(t, append([]string{"release", "-f", plan}, args...)...)
		require.Equal(t, 1, refused.Code, args)
		require.Contains(t, refused.Err, "--override REASON")
	}

	// Another plan on the same Deployment is refused by its owner's name, and changes nothing.
	q.Name = "other"
	other, err := shop.Plan(q)
	require.NoError(t, err)
	said = slipway(t, "release", "-f", other, "--image", v2, "--wait")
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Out, "Deployment barred/barred is released by the plan test/barred")
	require.Contains(t, said.Out, "nothing was changed")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))

	quick, err := shop.Plan(stage.Quick{Steps: stage.Holding("2s", 10)})
	require.NoError(t, err)
	said = slipway(t, "release", "-f", quick, "--image", v2, "--override", "it was the network", "--wait")
	require.Zero(t, said.Code, said.Err+said.Out)
	require.NotContains(t, slipway(t, "lane", shop.Lane()).Out, "barred  registry")
}

// attempts is the size of a flood.
const attempts = 10_000

func TestAFloodOfCommandsFillsNoHistoryAndAnAbortIsHeard(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "flood"})
	r := begin(t, shop, stage.Quick{Steps: []string{"{weight: 10, hold: 1s, gate: {approvers: [bob], within: 1h}}"}}, image(t, "v2"))
	r.until("people are asked", func() bool { return detailsContain(t, shop, "approval by 1 of [bob]") })
	before := len(eventsOf(t, shop))
	flood(t, shop)
	// Temporal drops the task of a command that is refused, unless the worker was slow to answer it.
	require.LessOrEqual(t, len(eventsOf(t, shop)), before+attempts/20, "refused commands cost next to no history")
	r.tell("abort", shop.Lane(), "--reason", "enough")
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "aborted by ada: enough")
	require.Equal(t, []int{10, 0}, r.shares())
}

// flood sends approvals of somebody who may not give them, as many at once as Temporal takes.
func flood(t *testing.T, shop *stage.Shop) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	numbers := make(chan int)
	var senders sync.WaitGroup
	var mu sync.Mutex
	refused := 0
	for range 8 {
		senders.Go(func() {
			for n := range numbers {
				if approve(ctx, shop, n) != nil {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			}
		})
	}
	for n := range attempts {
		numbers <- n
	}
	close(numbers)
	senders.Wait()
	require.NoError(t, ctx.Err())
	require.Equal(t, attempts, refused)
}

func approve(ctx context.Context, shop *stage.Shop, n int) error {
	handle, err := temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: shop.Lane(), UpdateName: "approve", WaitForStage: client.WorkflowUpdateStageCompleted,
		Args: []any{map[string]string{"id": strconv.Itoa(n), "by": "mallory"}},
	})
	if err != nil {
		return fmt.Errorf("approve: %w", err)
	}
	return handle.Get(ctx, nil)
}
