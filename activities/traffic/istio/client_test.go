// SPDX-License-Identifier: Apache-2.0

package istio_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/istio"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	virtualService = `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: checkout, namespace: shop},
		spec: {http: [{route: [{destination: {host: checkout.shop.svc.cluster.local}}]}]}}`
	destinationRule = `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: any, namespace: shop},
		spec: {host: checkout.shop, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}}`
)

// mesh is one with these objects.
func mesh(t *testing.T, texts ...string) (*istio.Client, dynamic.ResourceInterface) {
	t.Helper()
	var all []runtime.Object
	for _, text := range texts {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
		all = append(all, o)
	}
	objects, err := world.Objects(all...)
	require.NoError(t, err)
	rules := schema.GroupVersionResource{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}
	return istio.New(objects), objects.Resource(rules).Namespace("shop")
}

func set(weight int, release, step int64) activities.SetTrafficWeightIn {
	return activities.SetTrafficWeightIn{
		Write: activities.Write{ReleaseID: "a", Fence: activities.Fence{Release: release, Step: step}}, Weight: weight, Route: route(),
	}
}

func route() activities.Route {
	return activities.Route{
		Namespace: "shop", Stable: "checkout", Candidate: "checkout-green", Traffic: plan.Traffic{Istio: &plan.Istio{VirtualService: "checkout"}},
		Testers: &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}},
	}
}

func TestWhatHoldsForTheHostOfStableHoldsForTheCandidatesWhileItIsReached(t *testing.T) {
	c, rules := mesh(t, virtualService, destinationRule)
	copied := func() error {
		_, err := rules.Get(t.Context(), "checkout-green", metav1.GetOptions{})
		return err
	}
	_, err := c.Read(t.Context(), route())
	require.NoError(t, err)
	require.NoError(t, c.Set(t.Context(), set(20, 2, 1)))
	o, err := rules.Get(t.Context(), "checkout-green", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"host": "checkout-green.shop", "trafficPolicy": map[string]any{"tls": map[string]any{"mode": "ISTIO_MUTUAL"}},
	}, o.Object["spec"])

	preview := activities.PreviewIn{Write: set(0, 2, 2).Write, Route: route()}
	require.NoError(t, c.OpenPreview(t.Context(), preview))
	require.NoError(t, c.Set(t.Context(), set(0, 2, 3)))
	require.NoError(t, copied(), "testers still reach it")
	preview.Write = set(0, 2, 4).Write
	require.NoError(t, c.ClosePreview(t.Context(), preview))
	require.True(t, apierrors.IsNotFound(copied()), "nobody does")

	require.Equal(t, fault.Fenced, fault.Of(c.Set(t.Context(), set(20, 1, 9))))
	require.True(t, apierrors.IsNotFound(copied()), "a late write makes nothing")
}

func TestAMeshThatCannotBeShiftedIsRefusedWithItsReason(t *testing.T) {
	in := func(spec string) string {
		return `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: checkout, namespace: shop}, spec: ` + spec + `}`
	}
	for name, c := range map[string]struct {
		objects []string
		says    string
	}{
		"a subset of the host": {
			[]string{in(`{http: [{route: [{destination: {host: checkout, subset: v1}}]}]}`)}, "sends nothing to Service checkout (it names: subset v1 of checkout)",
		},
		"the host of another namespace": {
			[]string{in(`{http: [{route: [{destination: {host: checkout.other.svc.cluster.local}}]}]}`)}, "(it names: checkout.other.svc.cluster.local)",
		},
		"a route below HTTP": {
			[]string{in(`{http: [{route: [{destination: {host: checkout}}]}], tcp: [{route: [{destination: {host: checkout}}]}]}`)},
			"sends spec.tcp to Service checkout too, and Slipway shifts spec.http alone",
		},
		"a delegate": {
			[]string{in(`{http: [{route: [{destination: {host: checkout}}]}, {delegate: {name: inner}}]}`)}, "delegates to VirtualService inner",
		},
		"two policies of one host": {
			[]string{virtualService, destinationRule, `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: other, namespace: shop}, spec: {host: checkout}}`},
			"two DestinationRules of shop are for the host of Service checkout; leave one",
		},
		"a policy of the team's with the candidate's name": {
			[]string{virtualService, `{apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: {name: checkout-green, namespace: shop}, spec: {host: a}}`},
			"DestinationRule shop/checkout-green exists and is not Slipway's; rename it, its name is needed",
		},
	} {
		t.Run(name, func(t *testing.T) {
			router, _ := mesh(t, c.objects...)
			_, err := router.Read(t.Context(), route())
			require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestWhatIstiosAnalysisSaysIsHeeded(t *testing.T) {
	c, _ := mesh(t, `{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {name: checkout, namespace: shop},
		spec: {http: [{route: [{destination: {host: checkout}}]}]},
		status: {validationMessages: [{level: ERROR, type: {name: ReferencedResourceNotFound, code: IST0101}}]}}`)
	settled, err := c.Verify(t.Context(), route(), 0)
	require.NoError(t, err)
	require.False(t, settled.Settled)
	require.Equal(t, "istio: ReferencedResourceNotFound IST0101", settled.Reason)
}
