// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/gatewayapi"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// within bounds every wait for the sandbox.
const within = time.Minute

// The sandbox that all tests share, each in a namespace of its own.
var (
	world  *stage.Stage
	places atomic.Int32
)

func TestMain(m *testing.M) {
	os.Exit(stage.Tests(stage.OpenWithoutWorker, func(s *stage.Stage) int {
		world = s
		return m.Run()
	}))
}

// place is a namespace with Deployment, Service and HTTPRoute "checkout", and the adapters with exactly
// the worker's rights.
type place struct {
	target    plan.Target
	route     activities.Route
	workloads *cluster.Client
	router    *gatewayapi.Client
	// writes are the requests of the adapters that change something.
	writes atomic.Int32
}

// option changes what a place is made with.
type option func(*appsv1.Deployment, *corev1.Service, *gatewayv1.HTTPRoute)

// open makes a place. Its pods are never scheduled, unless an option lets them.
func open(t *testing.T, options ...option) *place {
	t.Helper()
	namespace := fmt.Sprintf("place-%d", places.Add(1))
	d, s, r := deployment(namespace), service(namespace), route(namespace)
	for _, o := range options {
		o(d, s, r)
	}
	ctx, create := t.Context(), metav1.CreateOptions{}
	_, err := world.Kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, create)
	require.NoError(t, err)
	_, err = world.Kube.AppsV1().Deployments(namespace).Create(ctx, d, create)
	require.NoError(t, err)
	_, err = world.Kube.CoreV1().Services(namespace).Create(ctx, s, create)
	require.NoError(t, err)
	_, err = world.Gateways.GatewayV1().HTTPRoutes(namespace).Create(ctx, r, create)
	require.NoError(t, err)
	p := &place{target: plan.Target{Namespace: namespace, Deployment: "checkout", Service: "checkout"}}
	p.route = activities.Route{
		Namespace: namespace, Stable: "checkout", Candidate: "checkout-green", Port: 80,
		Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
	}
	config := workerConfig(t)
	config.Wrap(p.count)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	p.workloads, p.router = cluster.New(kube), gatewayapi.New(objects)
	return p
}

func workerConfig(t *testing.T) *rest.Config {
	t.Helper()
	config, err := world.WorkerConfig(t.Context())
	require.NoError(t, err)
	config.QPS, config.Burst = 400, 800
	return config
}

func (p *place) count(next http.RoundTripper) http.RoundTripper {
	return transportFunc(func(r *http.Request) (*http.Response, error) {
		if r.Method != http.MethodGet {
			p.writes.Add(1)
		}
		return next.RoundTrip(r)
	})
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var _ transport.WrapperFunc = (*place)(nil).count

func deployment(namespace string) *appsv1.Deployment {
	labels := map[string]string{"app": "checkout", "tier": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "checkout", Namespace: namespace, Labels: map[string]string{"team": "pay"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				NodeSelector: map[string]string{"never": "scheduled"},
				Containers: []corev1.Container{{
					Name: "shop", Image: image("v1"), Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
					ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
						HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromString("http")},
					}},
				}},
			}},
		},
	}
}

func service(namespace string) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "checkout", Namespace: namespace}, Spec: corev1.ServiceSpec{
		Selector: map[string]string{"app": "checkout", "tier": "web"},
		Ports:    []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
	}}
}

// route has three rules: two that send to checkout, with what an owner may write into them, and between
// them one that has nothing to do with it.
func route(namespace string) *gatewayv1.HTTPRoute {
	return &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Name: "checkout", Namespace: namespace}, Spec: gatewayv1.HTTPRouteSpec{
		CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{parent("sandbox")}},
		Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(namespace + ".example")},
		Rules: []gatewayv1.HTTPRouteRule{
			{
				Matches: []gatewayv1.HTTPRouteMatch{{
					Path:    &gatewayv1.HTTPPathMatch{Type: ptr.To(gatewayv1.PathMatchPathPrefix), Value: new("/api")},
					Headers: []gatewayv1.HTTPHeaderMatch{{Type: ptr.To(gatewayv1.HeaderMatchExact), Name: "X-Tier", Value: "gold"}},
				}},
				Filters: []gatewayv1.HTTPRouteFilter{{
					Type:                  gatewayv1.HTTPRouteFilterRequestHeaderModifier,
					RequestHeaderModifier: &gatewayv1.HTTPHeaderFilter{Set: []gatewayv1.HTTPHeader{{Name: "X-Seen", Value: "yes"}}},
				}},
				Timeouts:    &gatewayv1.HTTPRouteTimeouts{Request: ptr.To[gatewayv1.Duration]("7s")},
				BackendRefs: []gatewayv1.HTTPBackendRef{backend("checkout", ptr.To[int32](7))},
			},
			{
				Matches:     []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Type: ptr.To(gatewayv1.PathMatchExact), Value: new("/split")}}},
				BackendRefs: []gatewayv1.HTTPBackendRef{backend("other-a", ptr.To[int32](2)), backend("other-b", ptr.To[int32](3))},
			},
			{BackendRefs: []gatewayv1.HTTPBackendRef{backend("checkout", nil)}},
		},
	}}
}

// plain leaves one rule with one backend.
func plain(_ *appsv1.Deployment, _ *corev1.Service, r *gatewayv1.HTTPRoute) {
	r.Spec.Rules = r.Spec.Rules[2:]
}

func backend(name string, weight *int32) gatewayv1.HTTPBackendRef {
	return gatewayv1.HTTPBackendRef{BackendRef: gatewayv1.BackendRef{Weight: weight, BackendObjectReference: gatewayv1.BackendObjectReference{
		Name: gatewayv1.ObjectName(name), Port: ptr.To[gatewayv1.PortNumber](80),
	}}}
}

func parent(name string) gatewayv1.ParentReference {
	return gatewayv1.ParentReference{Name: gatewayv1.ObjectName(name), Namespace: ptr.To[gatewayv1.Namespace]("sandbox")}
}

// image is one that the sandbox has.
func image(version string, env ...map[string]string) string {
	var all map[string]string
	for _, e := range env {
		all = e
	}
	reference, err := world.PutImage(version, all)
	if err != nil {
		panic(err)
	}
	return reference
}

// write is a step of the n-th release.
func write(release, step int64) activities.Write {
	return activities.Write{ReleaseID: fmt.Sprintf("release-%d", release), Fence: activities.Fence{Release: release, Step: step}}
}

func (p *place) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	d, err := world.Kube.AppsV1().Deployments(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return d
}

func (p *place) service(t *testing.T, name string) *corev1.Service {
	t.Helper()
	s, err := world.Kube.CoreV1().Services(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return s
}

func (p *place) httpRoute(t *testing.T) *gatewayv1.HTTPRoute {
	t.Helper()
	r, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	return r
}

// editRoute is somebody's hand on the route.
func (p *place) editRoute(t *testing.T, edit func(*gatewayv1.HTTPRoute)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		r := p.httpRoute(t)
		edit(r)
		_, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Update(ctx, r, metav1.UpdateOptions{})
		return err
	})
}

// editDeployment is somebody's hand on a Deployment.
func (p *place) editDeployment(t *testing.T, name string, edit func(*appsv1.Deployment)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		d := p.deployment(t, name)
		edit(d)
		_, err := world.Kube.AppsV1().Deployments(p.target.Namespace).Update(ctx, d, metav1.UpdateOptions{})
		return err
	})
}

func eventually(t *testing.T, look func(context.Context) error) {
	t.Helper()
	soon(t, within, look)
}

// soon is eventually with a bound of its own.
func soon(t *testing.T, bound time.Duration, look func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bound)
	defer cancel()
	require.NoError(t, stage.Await(ctx, look))
}
