// SPDX-License-Identifier: Apache-2.0

package ingress_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/ingress"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	class = `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}`
	rules = `rules: [{host: a.example, http: {paths: [{path: /, backend: {service: {name: checkout}}}]}}]`
	teams = `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: checkout, namespace: shop}, spec: {ingressClassName: nginx, ` + rules + `}}`
)

func namespace(t *testing.T, texts ...string) (*ingress.Client, dynamic.ResourceInterface) {
	t.Helper()
	var all []runtime.Object
	for _, text := range texts {
		o := &unstructured.Unstructured{}
		require.NoError(t, yaml.Unmarshal([]byte(text), &o.Object))
		all = append(all, o)
	}
	objects, err := world.Objects(all...)
	require.NoError(t, err)
	return ingress.New(objects), objects.Resource(ingress.Kinds()[0].Resource).Namespace("shop")
}

func set(weight int, step int64) activities.SetTrafficWeightIn {
	return activities.SetTrafficWeightIn{
		Write: activities.Write{ReleaseID: "a", Fence: activities.Fence{Release: 1, Step: step}}, Weight: weight, Route: activities.Route{
			Namespace: "shop", Stable: "checkout", Candidate: "checkout-green", Traffic: plan.Traffic{Ingress: &plan.Ingress{Name: "checkout"}},
			Testers: &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}},
		},
	}
}

func TestAnIngressWhoseRequestsTheAnnotationsDoNotReachIsRefused(t *testing.T) {
	with := func(meta, spec string) string {
		return `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: checkout, namespace: shop` + meta + `}, spec: {` + spec + rules + `}}`
	}
	for name, c := range map[string]struct {
		objects []string
		says    string
	}{
		"no class":                      {[]string{with("", "")}, "names no class; set spec.ingressClassName"},
		"a class that does not exist":   {[]string{teams}, "is of the class nginx, which does not exist"},
		"a class of another kind":       {[]string{teams, `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: traefik.io/ingress-controller}}`}, "whose controller traefik.io/ingress-controller does not know the canary annotations (k8s.io/ingress-nginx does)"},
		"a canary itself":               {[]string{class, with(`, annotations: {nginx.ingress.kubernetes.io/canary: "true"}`, "ingressClassName: nginx, ")}, "is a canary itself"},
		"the Service as the default":    {[]string{class, with("", "ingressClassName: nginx, defaultBackend: {service: {name: checkout}}, ")}, "has Service checkout as its default backend, which the canary annotations do not reach"},
		"another canary of the place":   {[]string{class, teams, `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: theirs, namespace: shop, annotations: {nginx.ingress.kubernetes.io/canary: "true"}}, spec: {` + rules + `}}`}, "Ingress shop/theirs is a canary for a.example/ already, and only one is obeyed"},
		"an Ingress of the name needed": {[]string{class, teams, `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: checkout-canary, namespace: shop}, spec: {}}`}, "Ingress shop/checkout-canary exists and is not Slipway's"},
	} {
		t.Run(name, func(t *testing.T) {
			router, all := namespace(t, c.objects...)
			_, err := router.Read(t.Context(), set(0, 1).Route)
			require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, fault.Invalid, fault.Of(router.Set(t.Context(), set(20, 1))))
			has, err := all.Get(t.Context(), "checkout-canary", metav1.GetOptions{})
			if err == nil {
				require.Empty(t, has.GetAnnotations(), "it is left as it is")
			}
		})
	}
}

func TestTheWayBackIsOpenWhateverBecomesOfTheTeamsIngress(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, dynamic.ResourceInterface){
		"it sends elsewhere": func(t *testing.T, all dynamic.ResourceInterface) {
			t.Helper()
			o, err := all.Get(t.Context(), "checkout", metav1.GetOptions{})
			require.NoError(t, err)
			require.NoError(t, unstructured.SetNestedSlice(o.Object, nil, "spec", "rules"))
			_, err = all.Update(t.Context(), o, metav1.UpdateOptions{})
			require.NoError(t, err)
		},
		"it is gone": func(t *testing.T, all dynamic.ResourceInterface) {
			t.Helper()
			require.NoError(t, all.Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			router, all := namespace(t, class, teams)
			require.NoError(t, router.Set(t.Context(), set(20, 1)))
			spoil(t, all)
			require.Error(t, router.Set(t.Context(), set(30, 2)), "forwards it is not")
			err := router.Set(t.Context(), set(0, 3))
			if name == "it is gone" {
				require.Equal(t, fault.NotFound, fault.Of(err), "a person is told")
			} else {
				require.NoError(t, err)
			}
			_, err = all.Get(t.Context(), "checkout-canary", metav1.GetOptions{})
			require.True(t, apierrors.IsNotFound(err), "%v", err)
		})
	}
}

func TestACookieOfAnotherValueIsRefused(t *testing.T) {
	router, _ := namespace(t, class, teams)
	route := set(0, 1).Route
	route.Testers = &plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: "v2"}}
	require.ErrorContains(t, router.ReadPreview(t.Context(), route), `sends only the cookie value "always" to a canary, not "v2"`)
}
