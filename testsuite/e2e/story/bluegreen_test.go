// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// preview tests the candidate through the gateway, by a header that only testers send.
func preview(shop *stage.Shop, path string) string {
	headers := fmt.Sprintf("headers: {Host: %s, X-Preview: green}", shop.Host)
	return fmt.Sprintf("preview: {header: {name: X-Preview, value: green}, checks: [{name: version, url: '%[1]s%[2]s', %[3]s, contains: v2, within: 5s}], load: {url: '%[1]s/', %[3]s, rate: 50, for: 2s}}",
		world.Gateway, path, headers)
}

func TestABlueGreenReleaseIsTestedWhereNobodyIsAndSwitchesEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "green", Rate: 300})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{BlueGreen: preview(shop, "/")}, v2)
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Positive(t, seen.ByVersion["v2"])
	atRest(t, shop, v2)
	require.LessOrEqual(t, len(eventsOf(t, shop)), 120)
	keepHistory(t, shop.Lane(), "bluegreen-promoted")
}

func TestABlueGreenReleaseThatFailsItsPreviewReachesNobody(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "preview"})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{BlueGreen: preview(shop, "/")}, image(t, "v3"))
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "check version did not pass within 5s")
	require.Empty(t, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Zero(t, seen.ByVersion["v3"])
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	keepHistory(t, shop.Lane(), "bluegreen-undone")
}

func TestABlueGreenReleaseThatTurnsBadAfterTheSwitchIsSwitchedBack(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "switchback", Rate: 200})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{BlueGreen: " ", Bake: "30s", Errors: "margin: 1"}, image(t, "v2", "ERROR_RATE", "0.1"))
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "the bake failed at 100 %: candidate failed")
	require.Equal(t, []int{100, 0}, r.shares())
	require.Zero(t, seen.FailedByVersion["v1"])
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestAServiceWithoutARouterIsSwitchedByItsSelector(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "selector", NewConnections: true})
	before := snapshot(t, shop)
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{BlueGreen: " ", Selector: true, Bake: "30s"}, v2)
	r.until("the bake has begun", func() bool { return detailsContain(t, shop, "the bake is judged") })
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Positive(t, seen.ByVersion["v2"])
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	keepHistory(t, shop.Lane(), "bluegreen-aborted")

	v3 := image(t, "v3") // the other one is in quarantine
	r = begin(t, shop, stage.Quick{BlueGreen: " ", Selector: true}, v3)
	said, seen = r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, r.shares(), "the route was not touched")
	atRest(t, shop, v3)
}

func TestAFinishedReleaseIsRolledBack(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "rollback"})
	said, err := world.Slipway(t.Context(), "rollback", shop.Lane())
	require.NoError(t, err)
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Err, "there is nothing to go back from")

	v2, v3 := image(t, "v2"), image(t, "v3")
	for _, next := range []string{v2, v3} {
		said, _ := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 50)}, next).end()
		require.Zero(t, said.Code, said.Err+said.Out)
	}
	back := func(want string, args ...string) {
		t.Helper()
		shop.Cut()
		said, err := world.Slipway(t.Context(), append([]string{"rollback", shop.Lane(), "--wait"}, args...)...)
		require.NoError(t, err)
		require.Zero(t, said.Code, said.Err+said.Out)
		report := summary(shop)
		require.Zero(t, report.Failed, report.Errors)
		atRest(t, shop, want)
	}
	back(v2)
	keepHistory(t, shop.Lane(), "rollback-promoted")

	all, err := world.Slipway(t.Context(), "rollback", shop.Lane(), "--list", "-o", "json")
	require.NoError(t, err)
	said, err = world.Slipway(t.Context(), "rollback", shop.Lane(), "--to", releaseOf(t, all.Out, v3))
	require.NoError(t, err)
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Err, "is in quarantine")
	back(v3, "--to", releaseOf(t, all.Out, v3), "--override", "v3 was not the cause")

	said, err = world.Slipway(t.Context(), "rollback", shop.Lane(), "--to", "rollback-nobody")
	require.NoError(t, err)
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Err, "no release rollback-nobody of test/rollback was promoted; these were: ")
}
