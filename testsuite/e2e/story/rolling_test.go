// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

func TestARollingReleaseLosesNoRequestOnItsWayForthAndBack(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "rolling", Replicas: 4, Rate: 200, NewConnections: true})
	before := snapshot(t, shop)
	roll := func(version, wants, readyWithin string, env ...string) *telling {
		t.Helper()
		plan, err := shop.RollingPlan(wants, readyWithin)
		require.NoError(t, err)
		return launch(t, shop, "release", "-f", plan, "--image", image(t, version, env...))
	}

	t.Run("a version that never becomes ready is taken back from its first batch", func(t *testing.T) {
		said, seen := roll("v2", "v2", "10s", "NEVER_READY", "true").end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "rolling was not rolled within 10s: 1 of 1 pods run it, 4 of 5 are ready")
		require.Contains(t, said.Out, "its readiness probe does not pass")
		require.Zero(t, seen.Failed, seen.Errors)
		require.Zero(t, seen.ByVersion["v2"])
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	})

	t.Run("a version that does not pass its check is taken back from its first batch", func(t *testing.T) {
		said, seen := roll("v3", "v2", "30s").end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "check version did not pass within 5s")
		require.Zero(t, seen.Failed, seen.Errors)
		require.Positive(t, seen.ByVersion["v3"])
		require.Greater(t, seen.ByVersion["v1"], seen.ByVersion["v3"])
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		keepHistory(t, shop.Lane(), "rolling-undone")
	})

	t.Run("an abort brings the revision back that ran before", func(t *testing.T) {
		r := roll("v5", "v5", "30s")
		r.until("the first batch is watched", func() bool { return detailsContain(t, shop, "batch 1 is judged") })
		r.tell("abort", shop.Lane(), "--reason", "changed my mind")
		said, seen := r.end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "aborted by ada: changed my mind")
		require.Zero(t, seen.Failed, seen.Errors)
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		keepHistory(t, shop.Lane(), "rolling-aborted")
	})

	t.Run("a good version reaches everybody", func(t *testing.T) {
		said, seen := roll("v2", "v2", "30s").end()
		require.Zero(t, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "all pods of rolling run "+image(t, "v2"))
		require.Zero(t, seen.Failed, "%v %v", seen.FailedByVersion, seen.Errors)
		require.Positive(t, seen.ByVersion["v2"])
		atRest(t, shop, image(t, "v2"))
		keepHistory(t, shop.Lane(), "rolling-promoted")
		now := snapshot(t, shop)
		require.Empty(t, cmp.Diff(before.Deployments["rolling"].Strategy, now.Deployments["rolling"].Strategy))
	})

	t.Run("an undo to a revision that does not exist touches nothing, one to a former revision brings it back", func(t *testing.T) {
		plan, err := shop.RollingPlan("v1", "30s")
		require.NoError(t, err)
		now := snapshot(t, shop)
		said, _ := launch(t, shop, "undo", "-f", plan, "--to-revision", "77").end()
		require.Equal(t, 1, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "Deployment rolling/rolling has no revision 77; it has kept ")
		require.Empty(t, cmp.Diff(now, snapshot(t, shop)))

		sets, err := world.Kube.AppsV1().ReplicaSets(shop.Namespace).List(t.Context(), metav1.ListOptions{})
		require.NoError(t, err)
		revision := ""
		for i := range sets.Items {
			if sets.Items[i].Spec.Template.Spec.Containers[0].Image == shop.Image {
				revision = sets.Items[i].Annotations["deployment.kubernetes.io/revision"]
			}
		}
		said, seen := launch(t, shop, "undo", "-f", plan, "--to-revision", revision).end()
		require.Zero(t, said.Code, said.Err+said.Out)
		require.Zero(t, seen.Failed, seen.Errors)
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		keepHistory(t, shop.Lane(), "undo-promoted")
	})

	// Last, because its pods answer badly to their very end.
	t.Run("a version that fails requests is taken back", func(t *testing.T) {
		said, seen := roll("v4", "v4", "30s", "ERROR_RATE", "0.4").end()
		require.Equal(t, 2, said.Code, said.Err+said.Out)
		require.Contains(t, said.Out, "batch 1 failed at 25 %")
		require.Zero(t, seen.FailedByVersion["v1"])
		require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	})
}
