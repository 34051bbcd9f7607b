// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// The person with the pager has rights in the namespace and nothing else: Temporal, worker and Prometheus
// are dead.
func TestARescueNeedsNothingButTheCluster(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "rescue", NewConnections: true})
	before := snapshot(t, shop)
	pager, err := world.PagerKubeconfig(t.Context(), shop.Namespace)
	require.NoError(t, err)
	r := begin(t, shop, stage.Quick{Steps: []string{"{weight: 10, hold: 1s}", "{weight: 50, hold: 10s}"}, AskWithin: "5s"}, image(t, "v2"))
	r.untilShare(50)
	require.NoError(t, world.Worker.Kill())
	require.NoError(t, world.Kill(t.Context(), "temporal"))
	require.NoError(t, world.Kill(t.Context(), "prometheus"))

	dry := rescueBy(t, pager, "--dry-run")
	require.Zero(t, dry.Code, dry.Err+dry.Out)
	require.Contains(t, dry.Out, "do  HTTPRoute rescue sends 50 % to rescue-green: send everything to Service rescue")
	require.Equal(t, []int{10, 50}, r.shares())
	refused := rescueBy(t, pager)
	require.Equal(t, 1, refused.Code)
	require.Contains(t, refused.Err, "there is nobody to ask here")

	said := rescueBy(t, pager, "--yes")
	meanwhile := load.Summarize(shop.Cut())
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "Rescued and verified: all requests go to Deployment rescue.")
	require.Zero(t, meanwhile.Failed, meanwhile.Errors)
	require.Positive(t, meanwhile.ByVersion["v2"])
	requireOnly(t, shop, "v1", 300)

	require.NoError(t, world.StartPart(t.Context(), "temporal"))
	require.NoError(t, world.StartPart(t.Context(), "prometheus"))
	world.Worker, err = world.StartWorker(context.Background(), stage.WorkerOptions{}) // it outlives the test
	require.NoError(t, err)
	ended, seen := r.end()
	require.Equal(t, 1, ended.Code, ended.Err+ended.Out)
	require.Contains(t, ended.Out, "needs-person")
	require.Contains(t, ended.Out, "was written by release rescue-")
	require.Equal(t, []int{10, 50, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, map[string]int{"v1": seen.Requests}, seen.ByVersion)

	said = rescueBy(t, pager, "--yes", "--remove-candidate")
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	v3 := image(t, "v3")
	r = begin(t, shop, stage.Quick{Steps: stage.Holding("1s", 50), Bake: "1s"}, v3)
	ended, _ = r.end()
	require.Zero(t, ended.Code, ended.Err+ended.Out)
	atRest(t, shop, v3)
	over := rescueBy(t, pager, "--yes")
	require.Zero(t, over.Code, over.Err+over.Out)
	require.Contains(t, over.Out, "There is nothing to rescue")
	require.Contains(t, over.Out, "slipway rollback test/rescue")
}

// rescueBy runs the command as somebody who has a kubeconfig alone.
func rescueBy(t *testing.T, kubeconfig string, args ...string) stage.Said {
	t.Helper()
	said, err := world.Slipway(t.Context(), append([]string{"rescue", "-n", "rescue", "rescue", "--kubeconfig", kubeconfig}, args...)...)
	require.NoError(t, err)
	t.Log(said.Out, said.Err)
	return said
}

// requireOnly waits until so many new requests were answered, all by one version.
func requireOnly(t *testing.T, shop *stage.Shop, version string, requests int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, stage.Await(ctx, func(context.Context) error {
		if n := len(shop.Results()); n < requests {
			return fmt.Errorf("%d requests were answered", n)
		}
		return nil
	}))
	seen := load.Summarize(shop.Cut())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, map[string]int{version: seen.Requests}, seen.ByVersion)
}
