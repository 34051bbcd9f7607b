// SPDX-License-Identifier: Apache-2.0

package split_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/gatewayapi"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// anyRoute has one to six rules, of which some send to checkout, and much beside that no code knows.
func anyRoute(t *rapid.T) *unstructured.Unstructured {
	var rules []any
	for i := range rapid.IntRange(1, 6).Draw(t, "rules") {
		entry := func(name string) any {
			out := map[string]any{"name": name, "port": int64(80), "unknown": map[string]any{"a": "b"}}
			if w := rapid.Int64Range(0, 100).Draw(t, "weight"); w > 0 {
				out["weight"] = w
			}
			return out
		}
		rule := map[string]any{"timeouts": map[string]any{"request": fmt.Sprintf("%ds", i)}}
		switch rapid.IntRange(0, 2).Draw(t, "kind") {
		case 0:
			rule["backendRefs"] = []any{entry("checkout")}
		case 1:
			rule["backendRefs"] = []any{entry("other-a"), entry("other-b")}
		}
		rules = append(rules, rule)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": map[string]any{"name": "checkout", "namespace": "shop"},
		"spec": map[string]any{"rules": rules, "unknown": []any{"c"}},
	}}
}

func TestAnyRouteIsWeighedInFullAndIsAsItWasInTheEnd(t *testing.T) {
	route := activities.Route{Namespace: "shop", Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}}, Stable: "checkout", Candidate: "checkout-green"}
	rapid.Check(t, func(rt *rapid.T) {
		before := anyRoute(rt)
		objects, err := world.Objects(before.DeepCopy())
		require.NoError(rt, err)
		now := func() map[string]any {
			o, err := objects.Resource(gatewayapi.Kinds()[0].Resource).Namespace("shop").Get(t.Context(), "checkout", metav1.GetOptions{})
			require.NoError(rt, err)
			return o.Object
		}
		router := gatewayapi.New(objects)
		set := func(weight int, step int64) error {
			return router.Set(t.Context(), activities.SetTrafficWeightIn{
				Write: activities.Write{ReleaseID: "a", Fence: activities.Fence{Release: 1, Step: step}}, Route: route, Weight: weight,
			})
		}
		if _, err := router.Read(t.Context(), route); err != nil {
			require.Equal(rt, fault.Invalid, fault.Of(err), "%v", err)
			require.Error(rt, set(10, 1), "what cannot be read is not written")
			require.Equal(rt, before.Object["spec"], now()["spec"])
			return
		}
		for step := range rapid.IntRange(1, 4).Draw(rt, "steps") {
			weight := rapid.IntRange(1, 100).Draw(rt, "weight")
			require.NoError(rt, set(weight, int64(step)))
			weighed(rt, before.Object, now(), int64(weight))
		}
		require.NoError(rt, set(0, 9))
		require.Equal(rt, before.Object["spec"], now()["spec"])
	})
}

// weighed finds the two entries in every rule for checkout, and everything else as it was.
func weighed(t *rapid.T, before, now map[string]any, weight int64) {
	was := split.Entries(runtime.DeepCopyJSON(before), "spec", "rules")
	for i, rule := range split.Entries(runtime.DeepCopyJSON(now), "spec", "rules") {
		refs, old := split.Entries(rule, "backendRefs"), split.Entries(was[i], "backendRefs")
		if len(old) != 1 {
			require.Equal(t, was[i], rule)
			continue
		}
		require.Len(t, refs, 2)
		require.Equal(t, []any{100 - weight, weight}, []any{refs[0]["weight"], refs[1]["weight"]})
		for _, e := range append(refs, old[0]) {
			delete(e, "weight")
		}
		require.Equal(t, "checkout-green", refs[1]["name"])
		refs[1]["name"] = "checkout"
		require.Equal(t, refs[0], refs[1], "what the owner wrote holds for both")
	}
}

func TestAFieldIsWrittenAsPeopleWriteIt(t *testing.T) {
	require.Equal(t, "spec.rules[2].backendRefs", split.Field("/spec/rules/2/backendRefs"))
}
