// SPDX-License-Identifier: Apache-2.0

package rescue_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	kubefake "k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/gatewayapi"
	"github.com/slipwayhq/slipway/starter/rescue"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// shop is a service whose release was left alone at 50 %, on fake API servers.
type shop struct {
	kube    *kubefake.Clientset
	objects *dynamicfake.FakeDynamicClient
	rescuer *rescue.Rescuer
	// workloads and routes are the release's own hands.
	workloads *cluster.Client
	routes    *gatewayapi.Client
	safe      activities.SafeState
	fence     int64
	now       time.Time
	rescues   int
	// passed is called with every wait.
	passed func()
}

var meta = metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}

// open makes the shop with the release's own adapters.
func open(t *testing.T) *shop {
	t.Helper()
	s := &shop{now: time.Date(2030, 1, 1, 10, 0, 0, 0, time.UTC), passed: func() {}}
	s.kube = kubefake.NewClientset(objects()...)
	var err error
	s.objects, err = world.Objects(route())
	require.NoError(t, err)
	s.keepLeases()
	clock := activities.Clock{
		Now: func() time.Time { return s.now },
		After: func(d time.Duration) <-chan time.Time {
			s.now = s.now.Add(d)
			s.passed()
			done := make(chan time.Time, 1)
			done <- s.now
			return done
		},
	}
	s.rescuer = rescue.New(s.kube, s.objects, clock, time.Minute)
	s.workloads, s.routes = cluster.New(s.kube), gatewayapi.New(s.objects)

	ctx, target := t.Context(), plan.Target{Namespace: "shop", Deployment: "checkout", Service: "checkout"}
	tracks, err := s.workloads.Inspect(ctx, activities.InspectTargetIn{Target: target, Image: "shop:v2"})
	require.NoError(t, err)
	s.safe = recorded()
	s.safe.Tracks, s.safe.Route.Candidate = tracks, tracks.CandidateService
	s.fence, err = s.workloads.TakeFence(ctx, activities.TakeFenceIn{Target: target, ReleaseID: s.safe.ReleaseID, Safe: &s.safe})
	require.NoError(t, err)
	require.NoError(t, s.workloads.DeployCandidate(ctx, activities.DeployCandidateIn{Write: s.late(1), Target: target, Tracks: tracks, Image: "shop:v2"}))
	require.NoError(t, s.shift(ctx, 50, 2))
	return s
}

// late is a step of the release.
func (s *shop) late(step int64) activities.Write {
	return activities.Write{ReleaseID: s.safe.ReleaseID, Fence: activities.Fence{Release: s.fence, Step: step}}
}

func (s *shop) shift(ctx context.Context, weight int, step int64) error {
	return s.routes.Set(ctx, activities.SetTrafficWeightIn{Write: s.late(step), Route: s.safe.Route, Weight: weight, Safe: &s.safe})
}

// keepLeases gives them the resource versions that the fake lacks, by which a Lease that exists is told from
// a new one.
func (s *shop) keepLeases() {
	s.kube.PrependReactor("get", "leases", func(a kubetesting.Action) (bool, runtime.Object, error) {
		found, err := s.kube.Tracker().Get(a.GetResource(), "shop", a.(kubetesting.GetAction).GetName())
		if err != nil {
			return true, nil, err
		}
		lease := found.DeepCopyObject().(*coordinationv1.Lease)
		lease.ResourceVersion = "1"
		return true, lease, nil
	})
}

// objects are a Deployment of three ready pods behind a Service.
func objects() []runtime.Object {
	pod := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: blue},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "shop:v1"}}},
	}
	out := []runtime.Object{
		&appsv1.Deployment{ObjectMeta: meta, Status: appsv1.DeploymentStatus{ReadyReplicas: 3}, Spec: appsv1.DeploymentSpec{
			Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: blue}, Template: pod,
		}},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: blue, Ports: []corev1.ServicePort{{Port: 80}}}},
	}
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: "checkout-1", Labels: map[string]string{discoveryv1.LabelServiceName: "checkout"},
	}}
	for _, name := range []string{"a", "b", "c"} {
		out = append(out, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: blue}})
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{TargetRef: &corev1.ObjectReference{Name: name}})
	}
	return append(out, slice)
}

// route is one that its gateway serves, whatever becomes of it.
func route() *gatewayv1.HTTPRoute {
	gateway := gatewayv1.ParentReference{Name: "public"}
	r := &gatewayv1.HTTPRoute{TypeMeta: metav1.TypeMeta{APIVersion: gatewayv1.GroupVersion.String(), Kind: "HTTPRoute"}, ObjectMeta: meta}
	r.Spec.ParentRefs = []gatewayv1.ParentReference{gateway}
	r.Spec.Rules = []gatewayv1.HTTPRouteRule{{BackendRefs: []gatewayv1.HTTPBackendRef{
		{BackendRef: gatewayv1.BackendRef{BackendObjectReference: gatewayv1.BackendObjectReference{Name: "checkout"}, Weight: new(int32(7))}},
	}}}
	r.Status.Parents = []gatewayv1.RouteParentStatus{{ParentRef: gateway, ControllerName: "gateway.example/controller", Conditions: []metav1.Condition{
		{Type: string(gatewayv1.RouteConditionAccepted), Status: metav1.ConditionTrue},
		{Type: string(gatewayv1.RouteConditionResolvedRefs), Status: metav1.ConditionTrue},
	}}}
	return r
}

// deny lets nobody do something to a resource any more.
func (s *shop) deny(verb, resource string) {
	refuse := func(a kubetesting.Action) (bool, runtime.Object, error) {
		kind := schema.GroupResource{Group: a.GetResource().Group, Resource: a.GetResource().Resource}
		return true, nil, apierrors.NewForbidden(kind, "checkout", nil)
	}
	s.kube.PrependReactor(verb, resource, refuse)
	s.objects.PrependReactor(verb, resource, refuse)
}

// rescue does what the command does.
func (s *shop) rescue(t *testing.T, remove bool) rescue.Report {
	t.Helper()
	found, err := s.rescuer.Recall(t.Context(), "shop", "checkout")
	require.NoError(t, err)
	now, err := s.rescuer.Look(t.Context(), found.Safe)
	require.NoError(t, err)
	s.rescues++
	return s.rescuer.Carry(t.Context(), rescue.Order{
		Safe: found.Safe, Actions: rescue.Plan(found.Safe, now, remove), ID: fmt.Sprint("rescue-", s.rescues), By: "ada", Say: func(rescue.Step) {},
	})
}

func (s *shop) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	d, err := s.kube.AppsV1().Deployments("shop").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return d
}

func (s *shop) service(t *testing.T) *corev1.Service {
	t.Helper()
	o, err := s.kube.CoreV1().Services("shop").Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	return o
}

func (s *shop) httpRoute(t *testing.T) *gatewayv1.HTTPRoute {
	t.Helper()
	routes := s.objects.Resource(schema.GroupVersionResource{Group: gatewayv1.GroupName, Version: "v1", Resource: "httproutes"})
	o, err := routes.Namespace("shop").Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	r := &gatewayv1.HTTPRoute{}
	require.NoError(t, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, r))
	return r
}

// edit is somebody's hand on stable.
func (s *shop) edit(t *testing.T, change func(*appsv1.Deployment)) {
	t.Helper()
	d := s.deployment(t, "checkout")
	change(d)
	_, err := s.kube.AppsV1().Deployments("shop").Update(t.Context(), d, metav1.UpdateOptions{})
	require.NoError(t, err)
}
