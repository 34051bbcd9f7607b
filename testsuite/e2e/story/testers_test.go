// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/history/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// If the verdict counted testers' requests, the candidate would have 40 % of all instead of 10, and people
// would be asked.
func TestTestersReachTheCandidateEveryTimeAndTheVerdictDoesNotCountThem(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "testers", Rate: 100})
	for _, c := range []struct{ version, testers, header, value string }{
		{"v2", "testers: {header: {name: X-Canary, value: always}}", "X-Canary", "always"},
		{"v3", "testers: {cookie: {name: canary, value: always}}", "Cookie", "theme=dark; canary=always"},
	} {
		next := image(t, c.version)
		r := begin(t, shop, stage.Quick{Steps: stage.Holding("6s", 10), Canary: c.testers}, next)
		r.untilShare(10)
		knocks := load.Options{URL: world.Gateway + "/", Host: shop.Host, Rate: 50, Header: http.Header{c.header: {c.value}}}
		door := load.Start(knocks)
		// A gateway may say that it has a route a moment before it serves it.
		r.until("the gateway serves the testers' route", func() bool {
			return slices.ContainsFunc(door.Results(), func(k load.Result) bool { return k.Version == c.version })
		})
		require.Zero(t, door.Stop().Failed)
		testers := load.Start(knocks)
		r.until("testers have asked often", func() bool { return len(testers.Results()) > 150 })
		asked := testers.Stop()
		require.Equal(t, map[string]int{c.version: asked.Requests}, asked.ByVersion)
		require.Zero(t, asked.Failed, asked.Errors)
		require.Equal(t, []int{10}, r.shares())

		said, seen := r.end()
		require.Zero(t, said.Code, said.Err+said.Out)
		require.Zero(t, seen.Failed, seen.Errors)
		require.Equal(t, []int{10, 100, 0}, r.shares())
		require.NotContains(t, snapshot(t, shop).Routes, shop.Name+"-preview")
		atRest(t, shop, next)
	}
}

func TestTestersAreServedWhileTheReleaseIsTakenBack(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "untested"})
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("30s", 10), Canary: "testers: {header: {name: X-Canary, value: always}}"}, image(t, "v2"))
	r.untilShare(10)
	testers := load.Start(load.Options{URL: world.Gateway + "/", Host: shop.Host, Rate: 50, Header: http.Header{"X-Canary": {"always"}}})
	r.until("testers have asked", func() bool { return len(testers.Results()) > 20 })
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	asked := testers.Stop()
	require.Zero(t, asked.Failed, asked.Errors)
	require.Positive(t, asked.ByVersion["v1"], "they are on stable now")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestACandidateSizedForItsWeightGrowsBeforeTheWeightComes(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "sized", Replicas: 3})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("3s", 10, 50), Canary: "sizing: weight"}, v2)
	size := func() int32 {
		d, err := world.Kube.AppsV1().Deployments(shop.Namespace).Get(t.Context(), shop.Name+"-green", metav1.GetOptions{})
		require.NoError(t, err)
		return d.Status.ReadyReplicas
	}
	r.untilShare(10)
	require.EqualValues(t, 1, size())
	r.untilShare(50)
	require.EqualValues(t, 2, size())
	r.untilShare(100)
	require.EqualValues(t, 3, size())
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
	require.Equal(t, 1, scheduled(eventsOf(t, shop), "SizeCandidate"), "for the second step; the promotion sizes by itself")
}

// scheduled counts the activities of one type.
func scheduled(events []*history.HistoryEvent, activity string) int {
	n := 0
	for _, e := range events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil && a.ActivityType.Name == activity {
			n++
		}
	}
	return n
}
