// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The team's objects of routers that copy requests.
const (
	mirroredRoute = `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: checkout, namespace: shop}, spec: {rules: [
		{filters: [{type: RequestHeaderModifier}], backendRefs: [{name: checkout, port: 80, weight: 7}]},
		{backendRefs: [{name: other, port: 80}]}, {backendRefs: [{name: checkout, port: 80}]}]}}`
	mirroredService = `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: checkout, namespace: shop},
		spec: {weighted: {sticky: {cookie: {name: version}}, services: [{name: checkout, port: 80, passHostHeader: true, weight: 3}]}}}`
	mirroredMesh = `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: checkout, namespace: shop}, spec: {http: [
		{timeout: 7s, route: [{destination: {host: checkout.shop, port: {number: 80}}, weight: 100}]},
		{route: [{destination: {host: other}}]}, {route: [{destination: {host: checkout}}]}]}}`
	candidateService = `{apiVersion: v1, kind: Service, metadata: {name: checkout-green, namespace: shop}, spec: {clusterIP: 10.0.0.9}}`
)

// copier is a router with the team's object, and nothing beside it.
type copier struct {
	activities.Router
	activities.Mirrorer
	restorer router.Restorer
	objects  dynamic.ResourceInterface
	route    activities.Route
	owners   any
}

func copiers(t *testing.T) map[string]*copier {
	t.Helper()
	out := map[string]*copier{}
	for text, field := range map[string]string{mirroredRoute: "gatewayAPI", mirroredService: "traefik", mirroredMesh: "istio"} {
		var all []runtime.Object
		for _, one := range []string{text, candidateService} {
			o := &unstructured.Unstructured{}
			text, err := yaml.YAMLToJSON([]byte(one))
			require.NoError(t, err)
			require.NoError(t, o.UnmarshalJSON(text)) // whole numbers are such, as an API server's are
			all = append(all, o)
		}
		server, err := world.Objects(all...)
		require.NoError(t, err)
		route := activities.Route{Namespace: "shop", Stable: "checkout", Candidate: "checkout-green", Port: 80, Mirror: 30, Traffic: each()[field]}
		object, _ := router.Object(route.Traffic)
		r, err := router.All(nil, server).Of(route.Traffic)
		require.NoError(t, err)
		c := &copier{Router: r, route: route, objects: server.Resource(object.Resource).Namespace("shop")}
		c.Mirrorer, c.restorer = r.(activities.Mirrorer), r.(router.Restorer)
		c.owners = c.spec(t)
		out[object.Kind] = c
	}
	return out
}

func (c *copier) spec(t *testing.T) any {
	t.Helper()
	o, err := c.objects.Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	return runtime.DeepCopyJSONValue(o.Object["spec"])
}

func at(step int64) activities.Write {
	return activities.Write{ReleaseID: "a", Fence: activities.Fence{Release: 1, Step: step}}
}

func (c *copier) copy(t *testing.T, percent int, step int64) {
	t.Helper()
	require.NoError(t, c.SetMirror(t.Context(), activities.MirrorIn{Write: at(step), Route: c.route, Percent: percent}))
}

func (c *copier) weigh(t *testing.T, weight int, step int64) {
	t.Helper()
	require.NoError(t, c.Set(t.Context(), activities.SetTrafficWeightIn{Write: at(step), Route: c.route, Weight: weight}))
}

// clean finds what the owner wrote, and nothing beside it.
func (c *copier) clean(t *testing.T) {
	t.Helper()
	require.Empty(t, cmp.Diff(c.owners, c.spec(t)))
	all, err := c.objects.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, all.Items, 1)
	require.NotContains(t, all.Items[0].GetAnnotations(), "slipway.dev/mirror")
}

func TestCopiesAreMadeInEveryRuleOfTheServiceAndLeaveNoTrace(t *testing.T) {
	for name, c := range copiers(t) {
		t.Run(name, func(t *testing.T) {
			c.copy(t, 30, 1)
			c.copy(t, 30, 1)
			text, err := yaml.Marshal(c.spec(t))
			require.NoError(t, err)
			require.Equal(t, map[string]int{"HTTPRoute": 2, "VirtualService": 2}[name], strings.Count(string(text), "checkout-green"))
			_, err = c.Read(t.Context(), c.route)
			require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
			require.ErrorContains(t, err, "sends copies of 30 % of requests to Service checkout-green already")
			settled, err := c.Verify(t.Context(), c.route, 0)
			require.NoError(t, err)
			require.False(t, settled.Settled, "it still copies")
			c.copy(t, 0, 2)
			c.clean(t)
			late := c.SetMirror(t.Context(), activities.MirrorIn{Write: at(1), Route: c.route, Percent: 30})
			require.Equal(t, fault.Fenced, fault.Of(late), "%v", late)
			c.clean(t)
		})
	}
}

func TestCopiesEndWithWhateverWeightIsSet(t *testing.T) {
	for name, c := range copiers(t) {
		t.Run(name, func(t *testing.T) {
			c.copy(t, 100, 1)
			c.weigh(t, 20, 2)
			text, err := yaml.Marshal(c.spec(t))
			require.NoError(t, err)
			require.NotContains(t, strings.ToLower(string(text)), "mirror")
			require.Contains(t, string(text), "weight: 80")
			c.weigh(t, 0, 3)
			c.clean(t)
			c.copy(t, 100, 4)
			c.weigh(t, 0, 5)
			c.clean(t)
		})
	}
}

func TestWhatARescuePrintsTakesCopiesOut(t *testing.T) {
	for name, c := range copiers(t) {
		t.Run(name, func(t *testing.T) {
			c.copy(t, 30, 1)
			seen, err := c.restorer.Look(t.Context(), c.route)
			require.NoError(t, err)
			require.Equal(t, "30 %", seen.Copied)
			require.False(t, seen.Shared)
			_, patch, found := strings.Cut(seen.Undo, "--type=json -p '")
			require.True(t, found, seen.Undo)
			_, err = c.objects.Patch(t.Context(), "checkout", types.JSONPatchType, []byte(strings.TrimSuffix(patch, "'")), metav1.PatchOptions{})
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(c.owners, c.spec(t)))
			require.Equal(t, map[string]string{"TraefikService": "delete traefikservice/checkout-mirror"}[name], seen.Clear)
			c.weigh(t, 0, 2)
			c.clean(t)
		})
	}
}

func TestTheWeightThatSomebodyGivesTheServiceWhileItsRequestsAreCopiedStays(t *testing.T) {
	c := copiers(t)["TraefikService"]
	c.copy(t, 100, 1)
	_, err := c.objects.Patch(t.Context(), "checkout", types.JSONPatchType,
		[]byte(`[{"op": "replace", "path": "/spec/weighted/services/0/weight", "value": 5}]`), metav1.PatchOptions{})
	require.NoError(t, err)
	c.copy(t, 0, 2)
	text, err := yaml.Marshal(c.spec(t))
	require.NoError(t, err)
	require.Contains(t, string(text), "weight: 5")
}

func TestAMirrorOfAnotherWayOfServingIsRefused(t *testing.T) {
	a := &activities.Traffic{Routers: router.All(nil, nil)}
	err := a.Routers.Inspect(t.Context(), activities.Route{Mirror: 100, Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout", Kind: plan.KindGRPCRoute}}})
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "no feature of the Gateway API tells whether a gateway copies the requests of a GRPCRoute")
}
