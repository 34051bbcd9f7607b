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
