// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// mirrored is a canary that begins with copies.
func mirrored(mirror string) stage.Quick {
	return stage.Quick{Steps: stage.Holding("4s", 20, 50), Canary: "mirror: " + mirror}
}

// copies reports whether the gateway is told to copy requests of a shop.
func copies(t *testing.T, shop *stage.Shop) bool {
	t.Helper()
	services := schema.GroupVersionResource{Group: "traefik.io", Version: "v1alpha1", Resource: "traefikservices"}
	all, err := world.Objects.Resource(services).Namespace(shop.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	return len(all.Items) > 1
}

// The candidate's errors are seen by its copies alone: it is taken back before anybody was sent to it.
func TestABadCandidateIsTakenBackByCopiesWithoutAUserHavingMetIt(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "bad-mirror", Front: stage.TraefikService, Rate: 200})
	before := snapshot(t, shop)
	q := mirrored("{hold: 20s}")
	r := begin(t, shop, q, image(t, "v2", "ERROR_RATE", "0.2"))
	r.until("requests are copied", func() bool { return copies(t, shop) })
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "the mirror failed by copies of 100 % of requests: candidate failed")
	require.Empty(t, r.shares(), "no weight was ever set")
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, map[string]int{"v1": seen.Requests}, seen.ByVersion, "users met stable alone")
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)), "no trace is left")
}

func TestAGoodCandidateGoesOnFromCopiesToWeights(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "good-mirror", Front: stage.TraefikService, Rate: 200})
	before := snapshot(t, shop)
	v2 := image(t, "v2")
	r := begin(t, shop, mirrored("{percent: 50, hold: 8s}"), v2)
	r.until("requests are copied", func() bool { return copies(t, shop) })
	require.Empty(t, r.shares())
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "promoted: "+v2)
	require.Equal(t, []int{20, 50, 100, 0}, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Positive(t, seen.ByVersion["v2"])
	require.Empty(t, cmp.Diff(before.Fronts, snapshot(t, shop).Fronts), "no trace is left")
	atRest(t, shop, v2)
}

func TestAnAbortEndsTheCopiesAndLeavesNoTrace(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "aborted-mirror", Front: stage.TraefikService})
	before := snapshot(t, shop)
	r := begin(t, shop, mirrored("{hold: 5m}"), image(t, "v2"))
	r.until("requests are copied", func() bool { return copies(t, shop) })
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Empty(t, r.shares())
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

func TestACandidateThatDiesUnderCopiesHarmsNobody(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "dead-mirror", Front: stage.TraefikService, Rate: 200})
	before := snapshot(t, shop)
	r := begin(t, shop, mirrored("{hold: 5m}"), image(t, "v2"))
	r.until("requests are copied", func() bool { return copies(t, shop) })
	pods := world.Kube.CoreV1().Pods(shop.Namespace)
	_, err := world.Kube.AppsV1().Deployments(shop.Namespace).UpdateScale(t.Context(), shop.Name+"-green",
		&autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: shop.Name + "-green", Namespace: shop.Namespace}}, metav1.UpdateOptions{})
	require.NoError(t, err)
	r.until("the candidate is gone", func() bool {
		all, err := pods.List(t.Context(), metav1.ListOptions{})
		return err == nil && len(all.Items) == 2
	})
	said, seen := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "failed by copies of 100 % of requests")
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, r.shares())
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}

// Traefik answers a route with that filter by an error, so it is refused where nobody says that it is supported.
func TestCopiesThatTheGatewayDoesNotDeclareAreRefusedBeforeAnythingIsTouched(t *testing.T) {
	shop := openShop(t, stage.ShopOptions{Namespace: "no-mirror"})
	before := snapshot(t, shop)
	r := begin(t, shop, mirrored("{hold: 8s}"), image(t, "v2"))
	said, seen := r.end()
	require.Equal(t, 1, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out+said.Err, "GatewayClass traefik of Gateway sandbox/sandbox does not say that it supports HTTPRouteRequestMirror")
	require.Zero(t, seen.Failed, seen.Errors)
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
}
