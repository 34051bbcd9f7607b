// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// TestACandidateThatRunsOutOfMemoryIsTakenBackWhateverItsRequestsSay: failures are in dry run and counted by queries of
// the plan's own; the candidate leaks until its pods are killed.
func TestACandidateThatRunsOutOfMemoryIsTakenBackWhateverItsRequestsSay(t *testing.T) {
	memory := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}
	shop := openShop(t, stage.ShopOptions{Namespace: "leak", Rate: 100, Resources: corev1.ResourceRequirements{Limits: memory, Requests: memory}})
	before := snapshot(t, shop)
	const all = `http_requests_total{namespace="{{namespace}}",pod=~"{{pods}}"`
	r := begin(t, shop, stage.Quick{
		Steps: stage.Holding("2m", 20), Errors: "margin: 30, dryRun: true", Patience: "1m",
		Queries: `requests: '` + all + `}', failures: '` + all + `,code=~"5.."}', pod: pod`,
		Guards:  "restarts: {limit: 100}",
	}, image(t, "v2", "LEAK_PER_SECOND", "12000000"))
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "for want of memory in 30m (2 pods), stable 0 times (2 pods)")
	require.Contains(t, said.Out, "In dry run, deciding nothing: errors would have")
	require.Equal(t, []int{20, 0}, r.shares())
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

// TestARuleOfThePlanTakesACandidateBack: failures are in dry run, so nothing but the plan's own rule can.
func TestARuleOfThePlanTakesACandidateBack(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "rule"})
	before := snapshot(t, shop)
	const mine = "candidate.failed > 5 && candidate.failedShare > 3.0 * stable.failedShare && candidate.pods > 1"
	r := begin(t, shop, stage.Quick{
		Steps: stage.Holding("2m", 50), Errors: "margin: 30, dryRun: true",
		Guards: "rules: [{name: idle, when: 'candidate.requests < 0', then: hold}, {name: mine, when: '" + mine + "', for: 3}]",
	}, image(t, "v2", "ERROR_RATE", "0.2"))
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "rule mine is met: "+mine+" (candidate.failed = ")
	require.Contains(t, said.Out, "stable.failedShare = 0, candidate.pods = 2), 3 ticks in a row")
	require.Equal(t, []int{50, 0}, r.shares())
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}
