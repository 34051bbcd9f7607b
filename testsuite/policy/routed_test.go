// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// inFront are the routers that stand before a Service.
func inFront() []plan.Traffic {
	return []plan.Traffic{
		{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
		{GatewayAPI: &plan.GatewayAPI{Route: "checkout", Kind: plan.KindGRPCRoute}},
		{Traefik: &plan.Traefik{Service: "checkout"}},
		{Ingress: &plan.Ingress{Name: "checkout"}},
		{Istio: &plan.Istio{VirtualService: "checkout"}},
	}
}

// teams are what the teams have made for them.
func teams() []string {
	route := `, metadata: {name: checkout, namespace: shop}, spec: {parentRefs: [{name: public}], rules: [{backendRefs: [{name: checkout}]}]},
		status: {parents: [{parentRef: {name: public}, controllerName: a, conditions: [{type: Accepted, status: "True"}, {type: ResolvedRefs, status: "True"}]}]}}`
	return []string{
		`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute` + route,
		`{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute` + route,
		`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: public, namespace: shop}, spec: {gatewayClassName: mirrors}}`,
		`{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: mirrors}, status: {supportedFeatures: [
			{name: HTTPRouteRequestMirror}, {name: HTTPRouteRequestPercentageMirror}]}}`,
		`{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: checkout, namespace: shop}, spec: {weighted: {services: [{name: checkout}]}}}`,
		`{apiVersion: v1, kind: Service, metadata: {name: checkout-green, namespace: shop}, spec: {clusterIP: 10.0.0.9}}`,
		`{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}`,
		`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: checkout, namespace: shop}, spec: {ingressClassName: nginx,
			rules: [{host: a, http: {paths: [{path: /, backend: {service: {name: checkout}}}]}}]}}`,
		`{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: checkout, namespace: shop}, spec: {http: [{route: [{destination: {host: checkout}}]}]}}`,
		`{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: checkout, namespace: shop}, spec: {host: checkout}}`,
	}
}

// left are what a release makes beside them, as one that was left alone leaves it.
func left() []string {
	meta := `metadata: {namespace: shop, labels: {app.kubernetes.io/managed-by: slipway}, annotations: {nginx.ingress.kubernetes.io/canary-weight: "50"}, name: `
	return []string{
		`{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, ` + meta + `checkout-preview}}`,
		`{apiVersion: gateway.networking.k8s.io/v1, kind: GRPCRoute, ` + meta + `checkout-preview}}`,
		`{apiVersion: traefik.io/v1alpha1, kind: TraefikService, ` + meta + `checkout-mirror}}`,
		`{apiVersion: networking.k8s.io/v1, kind: Ingress, ` + meta + `checkout-canary}}`,
		`{apiVersion: networking.istio.io/v1, kind: DestinationRule, ` + meta + `checkout-green}}`,
	}
}

// routed is an API server with one object for each router.
func routed(t *testing.T, abandoned bool) *fake.FakeDynamicClient {
	t.Helper()
	texts := teams()
	if abandoned {
		texts = append(texts, left()...)
	}
	var all []runtime.Object
	for _, text := range texts {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
		all = append(all, o)
	}
	out, err := world.Objects(all...)
	require.NoError(t, err)
	return out
}

// shifts calls everything that a router in front of a Service can be asked for.
func shifts(t *testing.T, all activities.Routers, route activities.Route, w activities.Write) {
	t.Helper()
	ctx := t.Context()
	r, err := all.Of(route.Traffic)
	require.NoError(t, err)
	_, err = r.Read(ctx, route)
	require.NoError(t, err)
	for _, weight := range []int{5, 10, 0} {
		w.Fence.Step++
		require.NoError(t, r.Set(ctx, activities.SetTrafficWeightIn{Write: w, Route: route, Weight: weight}))
		_, err = r.Verify(ctx, route, weight)
		require.NoError(t, err)
	}
	copies(t, r, route, w)
	p, ok := r.(activities.Previewer)
	if !ok {
		return
	}
	route.Testers = &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
	require.NoError(t, p.ReadPreview(ctx, route))
	preview := activities.PreviewIn{Write: w, Route: route}
	require.NoError(t, p.OpenPreview(ctx, preview)) // one creates, the other updates
	require.NoError(t, p.OpenPreview(ctx, preview))
	_, err = p.VerifyPreview(ctx, route)
	require.NoError(t, err)
	require.NoError(t, p.ClosePreview(ctx, preview))
}

// copies calls everything by which requests are copied.
func copies(t *testing.T, r activities.Router, route activities.Route, w activities.Write) {
	t.Helper()
	m, ok := r.(activities.Mirrorer)
	if !ok || route.Traffic.RefusesMirror() != "" {
		return
	}
	route.Mirror = 50
	require.NoError(t, m.ReadMirror(t.Context(), route))
	for _, percent := range []int{50, 50, 0} { // one creates, the other updates
		require.NoError(t, m.SetMirror(t.Context(), activities.MirrorIn{Write: w, Route: route, Percent: percent}))
		settled, err := m.VerifyMirror(t.Context(), route, percent)
		require.NoError(t, err)
		require.True(t, settled.Settled, settled.Reason)
	}
}
