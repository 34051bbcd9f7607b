// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// others are the routers beside the HTTPRoute that the sandbox's gateway serves.
func others() []stage.Front { return []stage.Front{stage.TraefikService, stage.Ingress} }

func TestACanaryBehindAnotherRouterReachesEverybodyWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	for _, front := range others() {
		t.Run(string(front), func(t *testing.T) {
			shop := openShop(t, stage.ShopOptions{Namespace: "good-" + strings.ToLower(string(front)), Front: front})
			before := snapshot(t, shop)
			v2 := image(t, "v2")
			r := begin(t, shop, stage.Quick{Steps: stage.Holding("4s", 20, 50)}, v2)
			said, seen := r.end()
			require.Zero(t, said.Code, said.Err+said.Out)
			require.Contains(t, said.Out, "promoted: "+v2)
			require.Equal(t, []int{20, 50, 100, 0}, r.shares())
			require.Zero(t, seen.Failed, seen.Errors)
			require.Positive(t, seen.ByVersion["v1"])
			require.Positive(t, seen.ByVersion["v2"])
			require.Empty(t, cmp.Diff(before.Fronts, snapshot(t, shop).Fronts), "no trace is left")
			atRest(t, shop, v2)
		})
	}
}

func TestABadCanaryBehindAnotherRouterIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, front := range others() {
		t.Run(string(front), func(t *testing.T) {
			shop := openShop(t, stage.ShopOptions{Namespace: "bad-" + strings.ToLower(string(front)), Front: front, Rate: 200})
			before := snapshot(t, shop)
			r := begin(t, shop, stage.Quick{Steps: stage.Holding("8s", 20, 50)}, image(t, "v2", "ERROR_RATE", "0.1"))
			said, seen := r.end()
			require.Equal(t, 2, said.Code, said.Err+said.Out)
			require.Contains(t, said.Out, "step 1 failed at 20 %: candidate failed")
			require.Equal(t, []int{20, 0}, r.shares())
			require.Zero(t, seen.FailedByVersion["v1"])
			require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
		})
	}
}

func TestTestersComeInByAnIngressWithoutAnybodyElse(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "testers-ingress", Front: stage.Ingress})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{BlueGreen: "preview: {header: {name: X-Preview, value: green}}, gate: {within: 1m}"}, v2)
	ask := func() load.Report {
		testers := load.Start(load.Options{URL: world.Gateway + "/", Host: shop.Host, Rate: 50, Header: http.Header{"X-Preview": {"green"}}})
		r.until("testers have asked", func() bool { return len(testers.Results()) > 50 })
		return testers.Stop()
	}
	r.until("testers reach the candidate", func() bool { return ask().ByVersion["v2"] > 0 })
	require.NotContains(t, summary(shop).ByVersion, "v2")
	r.until("a person has approved", func() bool {
		said, err := world.Slipway(t.Context(), "approve", shop.Lane())
		return err == nil && said.Code == 0
	})
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, []int{100, 0}, r.shares(), "with the weight 0 while it was for testers alone")
	require.NotContains(t, snapshot(t, shop).Fronts, "ingresses/"+shop.Name+"-canary")
	atRest(t, shop, v2)
}

func TestAPersonsEditPausesTheReleaseAndIsKeptOrTakenBackAsAPersonSays(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "edited"})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: []string{
		"{weight: 20, hold: 2s, gate: {within: 1m}}", "{weight: 50, hold: 2s}", "{weight: 60, hold: 2s, gate: {within: 1m}}",
	}}, v2)
	r.until("the first gate asks", func() bool { return detailsContain(t, shop, "approval by 1") })
	weigh(t, shop, 30)
	r.until("people are asked what becomes of it, in the middle of the wait", func() bool {
		return detailsContain(t, shop, "to 30 % since Slipway set it to 20 % (spec.rules[0].backendRefs)")
	})
	require.True(t, detailsContain(t, shop, "somebody (kubectl-edit, "))
	said, err := world.Slipway(t.Context(), "resume", shop.Lane())
	require.NoError(t, err)
	require.Equal(t, 1, said.Code)
	require.Contains(t, said.Err, "resume with --keep or --take-back, or abort")
	require.Equal(t, []int{20, 30}, r.shares(), "nothing is overwritten")
	r.tell("resume", shop.Lane(), "--keep")
	r.until("the gate asks again", func() bool { return detailsContain(t, shop, "- next: approval by 1") })
	r.tell("approve", shop.Lane())
	r.untilShare(60)
	require.Equal(t, []int{20, 30, 50, 60}, r.shares(), "theirs stood until the next step")
	r.until("the second gate asks", func() bool { return detailsContain(t, shop, "- next: approval by 1") })
	weigh(t, shop, 40)
	r.until("people are asked again", func() bool { return detailsContain(t, shop, "to 40 % since Slipway set it to 60 %") })
	r.tell("resume", shop.Lane(), "--take-back")
	r.until("the gate asks again", func() bool { return detailsContain(t, shop, "- next: approval by 1") })
	r.tell("approve", shop.Lane())
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, []int{20, 30, 50, 60, 40, 60, 100, 0}, r.shares())
	atRest(t, shop, v2)
}

// weigh is a person's hand on the weights of a shop's route.
func weigh(t *testing.T, shop *stage.Shop, weight int) {
	t.Helper()
	routes := world.Gateways.GatewayV1().HTTPRoutes(shop.Namespace)
	require.NoError(t, stage.Await(t.Context(), func(ctx context.Context) error {
		r, err := routes.Get(ctx, shop.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		refs := r.Spec.Rules[0].BackendRefs
		refs[0].Weight, refs[1].Weight = new(int32(100-weight)), new(int32(weight))
		_, err = routes.Update(ctx, r, metav1.UpdateOptions{FieldManager: "kubectl-edit"})
		return err
	}))
}

func TestAClientStaysOnTheVersionThatItGotFirst(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "sticky", Front: stage.TraefikService})
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("8s", 50), Canary: "sticky: {cookie: version}"}, v2)
	r.untilShare(50)
	for _, version := range []string{"v1", "v2"} {
		var cookie string
		r.until("a client gets "+version, func() bool {
			first := ask(t, shop, "")
			cookie = first.cookie
			return first.version == version && cookie != ""
		})
		for range 20 {
			require.Equal(t, version, ask(t, shop, cookie).version)
		}
	}
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	atRest(t, shop, v2)
}

// answered is what one client has got.
type answered struct{ version, cookie string }

func ask(t *testing.T, shop *stage.Shop, cookie string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, world.Gateway+"/", nil)
	require.NoError(t, err)
	req.Host = shop.Host
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	out := answered{version: resp.Header.Get("X-Version")}
	for _, c := range resp.Cookies() {
		if c.Name == "version" {
			out.cookie = c.Name + "=" + c.Value
		}
	}
	return out
}
