// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// mirror is what is true of copies of requests, where a router can make them.
func mirror(t *testing.T, b *bench) {
	t.Helper()
	b.route.Mirror = 30
	if reason := b.subject.traffic.RefusesMirror(); reason != "" {
		err := b.traffic.Routers.Inspect(t.Context(), b.route)
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "leave mirror out")
		b.clean(t)
		return
	}
	if b.object.Kind == plan.KindHTTPRoute {
		err := b.traffic.Routers.Inspect(t.Context(), b.route)
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "GatewayClass traefik of Gateway sandbox/sandbox does not say that it supports HTTPRouteRequestMirror")
		b.behind(t, "HTTPRouteRequestMirror", "HTTPRouteRequestPercentageMirror")
	}
	err := b.traffic.Routers.Inspect(t.Context(), b.route)
	require.NoError(t, err)
	b.candidate(t)
	m := b.mirrorer(t)
	require.NoError(t, m.SetMirror(t.Context(), b.copy(30, 1)))
	require.NoError(t, m.SetMirror(t.Context(), b.copy(30, 1)), "once more changes nothing")
	for _, n := range b.copied(t) {
		require.Equal(t, 30, n)
	}
	if b.object.Kind != plan.KindHTTPRoute { // there, no gateway accepts it
		settled, err := m.VerifyMirror(t.Context(), b.route, 30)
		require.NoError(t, err)
		require.True(t, settled.Settled, settled.Reason)
	}
	settled, err := m.VerifyMirror(t.Context(), b.route, 20)
	require.NoError(t, err)
	require.False(t, settled.Settled, "another percentage is not read back")
	require.Contains(t, settled.Reason, "copies 30 % of requests")
	require.Equal(t, fault.Fenced, fault.Of(m.SetMirror(t.Context(), b.copy(0, 0))), "a late write")
	_, err = b.router.Read(t.Context(), b.route)
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "sends copies of 30 % of requests to Service checkout-green already; was a release ended by force? Take them out, then release again")

	require.NoError(t, m.SetMirror(t.Context(), b.copy(100, 2)))
	require.Equal(t, 100, b.copied(t)[0])
	for range 2 {
		require.NoError(t, m.SetMirror(t.Context(), b.copy(0, 3)))
		b.clean(t)
	}
	require.Equal(t, fault.Fenced, fault.Of(m.SetMirror(t.Context(), b.copy(30, 2))))
	b.clean(t)
}

// mirrorEnds is what is true of the ways in which copies come to an end that are none of a good release.
func mirrorEnds(t *testing.T, b *bench) {
	t.Helper()
	b.route.Mirror = 30
	if b.subject.traffic.RefusesMirror() != "" {
		return
	}
	b.candidate(t)
	m := b.mirrorer(t)
	require.NoError(t, m.SetMirror(t.Context(), b.copy(30, 1)))
	b.set(t, 20, write(1, 2))
	require.Equal(t, [2]int64{80, 20}, b.observed(t)[0])
	for _, n := range b.copied(t) {
		require.Zero(t, n, "a weight takes them out")
	}
	b.set(t, 0, write(1, 3))
	require.NoError(t, m.SetMirror(t.Context(), b.copy(0, 4)))
	b.clean(t)

	require.NoError(t, m.SetMirror(t.Context(), b.copy(30, 5)))
	b.set(t, 0, write(1, 6))
	b.clean(t)

	require.NoError(t, m.SetMirror(t.Context(), b.copy(30, 7)))
	b.apply(t) // as a tool does that applies what stands in a repository
	require.NoError(t, m.SetMirror(t.Context(), b.copy(0, 8)))
	b.clean(t)

	in := b.copy(30, 9)
	in.Safe = &activities.SafeState{
		Version: activities.SafeStateVersion, ReleaseID: "release-1", Lane: "test/checkout", Recorded: time.Now().UTC(), Route: b.route,
		Target: plan.Target{Namespace: b.namespace, Deployment: "checkout", Service: "checkout"},
		Tracks: activities.Tracks{Stable: "checkout", StableImage: "shop:v1", StableSelector: map[string]string{"app": "checkout"}, Candidate: "checkout-green"},
	}
	require.NoError(t, m.SetMirror(t.Context(), in))
	found, err := router.Recall(t.Context(), world.Objects, b.namespace, "checkout")
	require.NoError(t, err)
	require.Equal(t, "release-1", found.Safe.ReleaseID)
	seen, err := b.router.(router.Restorer).Look(t.Context(), b.route)
	require.NoError(t, err)
	require.Equal(t, "30 %", seen.Copied)
	require.False(t, seen.Shared)
	b.byHand(t)
	require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]), "what a rescue prints does it")
	b.set(t, 0, write(1, 10))
	b.clean(t)
}

// mirrored refuses what the owner copies himself.
func mirrored(t *testing.T, b *bench) {
	t.Helper()
	b.route.Mirror = 100
	own := map[string]func(rule map[string]any){
		plan.KindHTTPRoute: func(rule map[string]any) {
			rule["filters"] = []any{map[string]any{"type": "RequestMirror", "requestMirror": map[string]any{
				"backendRef": map[string]any{"name": "audit", "port": int64(80)},
			}}}
		},
		"VirtualService": func(rule map[string]any) { rule["mirror"] = map[string]any{"host": "audit"} },
	}[b.object.Kind]
	if own == nil {
		return
	}
	if b.object.Kind == plan.KindHTTPRoute {
		b.behind(t, "HTTPRouteRequestMirror")
	}
	b.edit(t, b.object.Name, func(o map[string]any) {
		all := b.lists(o)
		own(all[len(all)-1].in)
	})
	b.original = b.get(t)
	err := b.traffic.Routers.Inspect(t.Context(), b.route)
	for _, err := range []error{err, b.mirrorer(t).SetMirror(t.Context(), b.copy(100, 1))} {
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "as its owner wrote it, and Slipway does not copy beside that; leave mirror out of the plan")
	}
	b.clean(t)
}

func (b *bench) mirrorer(t *testing.T) activities.Mirrorer {
	t.Helper()
	m, ok := b.router.(activities.Mirrorer)
	require.True(t, ok)
	return m
}

func (b *bench) copy(percent int, step int64) activities.MirrorIn {
	return activities.MirrorIn{Write: write(1, step), Route: b.route, Percent: percent}
}

// copied are the percentages of requests to the root Service that are copied to the candidate, read without the adapter.
func (b *bench) copied(t *testing.T) []int {
	t.Helper()
	if b.object.Kind == "TraefikService" {
		return []int{b.copiedBeside(t)}
	}
	var out []int
	for _, l := range b.lists(b.get(t).Object) {
		for _, e := range l.entries() {
			if b.host(e) == "checkout" {
				out = append(out, b.copiedBy(l.in))
			}
		}
	}
	require.NotEmpty(t, out)
	return out
}

// copiedBy is what one rule copies to the candidate.
func (b *bench) copiedBy(rule map[string]any) int {
	if to, ok := rule["mirror"].(map[string]any); ok && strings.HasPrefix(fmt.Sprint(to["host"]), "checkout-green") {
		n, _, _ := unstructured.NestedFieldNoCopy(rule, "mirrorPercentage", "value")
		return int(n.(int64))
	}
	for _, f := range split.Entries(rule, "filters") {
		name, _, _ := unstructured.NestedString(f, "requestMirror", "backendRef", "name")
		if name != "checkout-green" {
			continue
		}
		n, given, _ := unstructured.NestedInt64(f, "requestMirror", "percent")
		if !given {
			return 100
		}
		return int(n)
	}
	return 0
}

// copiedBeside is what a TraefikService copies that stands in for the root Service.
func (b *bench) copiedBeside(t *testing.T) int {
	t.Helper()
	first := b.lists(b.get(t).Object)[0].entries()[0]
	if first["kind"] != "TraefikService" {
		return 0
	}
	o, err := b.objects.Get(t.Context(), fmt.Sprint(first["name"]), metav1.GetOptions{})
	require.NoError(t, err)
	main, _, _ := unstructured.NestedMap(o.Object, "spec", "mirroring")
	require.Equal(t, []any{"checkout", int64(80), true}, []any{main["name"], main["port"], main["passHostHeader"]}, "as the owner wrote it")
	to := split.Entries(main, "mirrors")
	require.Len(t, to, 1)
	require.Equal(t, []any{"checkout-green", int64(80), true, true}, []any{to[0]["name"], to[0]["port"], to[0]["passHostHeader"], to[0]["nativeLB"]})
	return int(to[0]["percent"].(int64))
}

// candidate makes the Service that copies go to.
func (b *bench) candidate(t *testing.T) {
	t.Helper()
	_, err := world.Kube.CoreV1().Services(b.namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "checkout-green"}, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

// behind puts the route behind a gateway whose class declares these features.
func (b *bench) behind(t *testing.T, features ...string) {
	t.Helper()
	class := fmt.Sprintf("%s-%d", b.namespace, len(features))
	at := func(plural string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: plural}
	}
	o := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(fmt.Sprintf(
		`{apiVersion: gateway.networking.k8s.io/v1, kind: GatewayClass, metadata: {name: %s}, spec: {controllerName: example.com/nobody}}`, class)), &o.Object))
	made, err := world.Objects.Resource(at("gatewayclasses")).Create(t.Context(), o, metav1.CreateOptions{})
	require.NoError(t, err)
	var names []any
	for _, f := range features {
		names = append(names, map[string]any{"name": f})
	}
	made.Object["status"] = map[string]any{"supportedFeatures": names}
	_, err = world.Objects.Resource(at("gatewayclasses")).UpdateStatus(t.Context(), made, metav1.UpdateOptions{})
	require.NoError(t, err)
	g := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(fmt.Sprintf(`{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: own},
		spec: {gatewayClassName: %s, listeners: [{name: web, port: 80, protocol: HTTP}]}}`, class)), &g.Object))
	_, err = world.Objects.Resource(at("gateways")).Namespace(b.namespace).Create(t.Context(), g, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
	b.edit(t, b.object.Name, func(o map[string]any) {
		o["spec"].(map[string]any)["parentRefs"] = []any{map[string]any{"name": "own"}}
	})
	b.owners = strings.Replace(b.owners, "parentRefs: [{name: sandbox, namespace: sandbox}]", "parentRefs: [{name: own}]", 1)
	b.original = b.get(t)
}

func TestAShareOfTheRequestsIsCopiedWhereTheGatewayDeclaresThat(t *testing.T) {
	b := on(t, subjects()["HTTPRoute"])
	b.behind(t, "HTTPRouteRequestMirror")
	b.route.Mirror = 100
	err := b.traffic.Routers.Inspect(t.Context(), b.route)
	require.NoError(t, err)
	b.route.Mirror = 99
	err = b.traffic.Routers.Inspect(t.Context(), b.route)
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "does not say that it supports HTTPRouteRequestPercentageMirror")
	b.edit(t, b.object.Name, func(o map[string]any) {
		o["spec"].(map[string]any)["parentRefs"] = []any{map[string]any{"name": "own"}, map[string]any{"name": "gone"}}
	})
	b.route.Mirror = 100
	err = b.traffic.Routers.Inspect(t.Context(), b.route)
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "get gateways gone: it does not exist, so nobody says whether requests are copied there")
}

func TestAMirrorOfSomebodyElseIsLeftAlone(t *testing.T) {
	b := on(t, subjects()["TraefikService"])
	b.route.Mirror = 100
	theirs := &unstructured.Unstructured{}
	require.NoError(t, yaml.Unmarshal([]byte(`{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: checkout-mirror}, spec: {mirroring: {name: audit, port: 80}}}`), &theirs.Object))
	_, err := b.objects.Create(t.Context(), theirs, metav1.CreateOptions{})
	require.NoError(t, err)
	b.candidate(t)
	err = b.traffic.Routers.Inspect(t.Context(), b.route)
	for _, err := range []error{err, b.mirrorer(t).SetMirror(t.Context(), b.copy(100, 1))} {
		require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
		require.ErrorContains(t, err, "/checkout-mirror exists and is not Slipway's; rename it, its name is needed")
	}
	require.Empty(t, cmp.Diff(b.original.Object["spec"], b.get(t).Object["spec"]))
}
