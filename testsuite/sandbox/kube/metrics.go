// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	discoveryv2 "k8s.io/api/apidiscovery/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/handlers/responsewriters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/slipwayhq/slipway/testsuite/sandbox/kube/meter"
)

// metricsAPI serves metrics.k8s.io/v1beta1, by which autoscalers and `kubectl top` learn what pods use. It
// stands inside the API server, behind its authentication and authorization; elsewhere it is a server of
// its own, behind the same APIService. It knows get and list, and JSON alone.
type metricsAPI struct {
	source atomic.Pointer[metricsSource]
}

// metricsSource is there once the node runs.
type metricsSource struct {
	client  kubernetes.Interface
	runtime *runtime
}

var apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}

// metricsPriority is that of a metrics server elsewhere: "pods" alone means the core's.
const metricsPriority = 100

// metricsAPIService registers the API as one that the API server serves itself.
func metricsAPIService() map[string]any {
	gv := metricsv1beta1.SchemeGroupVersion
	return map[string]any{
		"apiVersion": apiServices.GroupVersion().String(), "kind": "APIService", "metadata": map[string]any{"name": gv.Version + "." + gv.Group},
		"spec": map[string]any{
			"group": gv.Group, "version": gv.Version, "groupPriorityMinimum": int64(metricsPriority), "versionPriority": int64(metricsPriority),
		},
	}
}

// install puts the API into an API server that has not been made yet.
func (m *metricsAPI) install(c *server.Config) {
	build := c.BuildHandlerChainFunc
	c.BuildHandlerChainFunc = func(next http.Handler, c *server.Config) http.Handler { return build(m.before(next), c) }
	gv := metricsv1beta1.SchemeGroupVersion
	version := discoveryv2.APIVersionDiscovery{Version: gv.Version, Freshness: discoveryv2.DiscoveryFreshnessCurrent}
	for _, r := range metricsResources().APIResources {
		scope := discoveryv2.ScopeCluster
		if r.Namespaced {
			scope = discoveryv2.ScopeNamespace
		}
		version.Resources = append(version.Resources, discoveryv2.APIResourceDiscovery{
			Resource: r.Name, ResponseKind: &metav1.GroupVersionKind{Group: gv.Group, Version: gv.Version, Kind: r.Kind},
			Scope: scope, Verbs: r.Verbs,
		})
	}
	c.AggregatedDiscoveryGroupManager.AddGroupVersion(gv.Group, version)
	c.AggregatedDiscoveryGroupManager.SetGroupVersionPriority(metav1.GroupVersion(gv), metricsPriority, metricsPriority)
}

// metricsResources are what discovery tells.
func metricsResources() *metav1.APIResourceList {
	return &metav1.APIResourceList{
		TypeMeta: metav1.TypeMeta{Kind: "APIResourceList", APIVersion: "v1"}, GroupVersion: metricsv1beta1.SchemeGroupVersion.String(),
		APIResources: []metav1.APIResource{
			{Name: "nodes", Kind: "NodeMetrics", Verbs: metav1.Verbs{"get", "list"}},
			{Name: "pods", Kind: "PodMetrics", Namespaced: true, Verbs: metav1.Verbs{"get", "list"}},
		},
	}
}

// begin answers with what a node's runtime measures.
func (m *metricsAPI) begin(r *runtime, config *rest.Config) error {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	m.source.Store(&metricsSource{client: client, runtime: r})
	return nil
}

// before answers the requests for this API and leaves all others to next.
func (m *metricsAPI) before(next http.Handler) http.Handler {
	gv := metricsv1beta1.SchemeGroupVersion
	root := "/apis/" + gv.String()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		info, ok := request.RequestInfoFrom(r.Context())
		switch {
		case strings.TrimSuffix(r.URL.Path, "/") == root:
			responsewriters.WriteRawJSON(http.StatusOK, metricsResources(), w)
		case ok && info.IsResourceRequest && info.APIGroup == gv.Group && info.APIVersion == gv.Version:
			answer, err := m.find(r, info)
			if err != nil {
				status := responsewriters.ErrorToAPIStatus(err)
				responsewriters.WriteRawJSON(int(status.Code), status, w)
				return
			}
			responsewriters.WriteRawJSON(http.StatusOK, answer, w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// find asks the API server which pods or nodes are meant: it knows names, labels and selectors best.
func (m *metricsAPI) find(r *http.Request, info *request.RequestInfo) (any, error) {
	s := m.source.Load()
	if s == nil {
		return nil, apierrors.NewServiceUnavailable("the node has not started yet")
	}
	ctx, query := r.Context(), r.URL.Query()
	// "0" is what the API server has at hand.
	list := metav1.ListOptions{LabelSelector: query.Get("labelSelector"), FieldSelector: query.Get("fieldSelector"), ResourceVersion: "0"}
	switch info.Verb + " " + info.Resource + info.Subresource {
	case "list pods":
		return s.listPods(ctx, info.Namespace, list)
	case "get pods":
		pod, err := s.client.CoreV1().Pods(info.Namespace).Get(ctx, info.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		found := s.pod(pod)
		if found == nil {
			return nil, apierrors.NewNotFound(metricsv1beta1.Resource("podmetrics"), info.Namespace+"/"+info.Name)
		}
		return found, nil
	case "list nodes":
		return s.listNodes(ctx, list)
	case "get nodes":
		node, err := s.client.CoreV1().Nodes().Get(ctx, info.Name, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return s.node(ctx, node)
	default:
		return nil, apierrors.NewMethodNotSupported(metricsv1beta1.Resource(info.Resource), info.Verb)
	}
}

func (s *metricsSource) listPods(ctx context.Context, namespace string, o metav1.ListOptions) (*metricsv1beta1.PodMetricsList, error) {
	pods, err := s.client.CoreV1().Pods(namespace).List(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &metricsv1beta1.PodMetricsList{TypeMeta: typeOf("PodMetricsList"), Items: []metricsv1beta1.PodMetrics{}}
	for i := range pods.Items {
		if found := s.pod(&pods.Items[i]); found != nil {
			out.Items = append(out.Items, *found)
		}
	}
	return out, nil
}

// pod is nil where a pod does not run, or has not run long enough.
func (s *metricsSource) pod(pod *corev1.Pod) *metricsv1beta1.PodMetrics {
	rates := s.runtime.rates(string(pod.UID))
	if len(rates) == 0 {
		return nil
	}
	out := &metricsv1beta1.PodMetrics{
		TypeMeta: typeOf("PodMetrics"), ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, Labels: pod.Labels},
	}
	for _, name := range slices.Sorted(maps.Keys(rates)) {
		rate := rates[name]
		// The pod's window is that of the container that has run for the shortest time.
		if at := metav1.NewTime(rate.At); out.Containers == nil || rate.Window < out.Window.Duration {
			out.Timestamp, out.CreationTimestamp, out.Window = at, at, metav1.Duration{Duration: rate.Window}
		}
		out.Containers = append(out.Containers, metricsv1beta1.ContainerMetrics{Name: name, Usage: usageOf(rate)})
	}
	return out
}

func (s *metricsSource) listNodes(ctx context.Context, o metav1.ListOptions) (*metricsv1beta1.NodeMetricsList, error) {
	nodes, err := s.client.CoreV1().Nodes().List(ctx, o)
	if err != nil {
		return nil, err
	}
	out := &metricsv1beta1.NodeMetricsList{TypeMeta: typeOf("NodeMetricsList"), Items: []metricsv1beta1.NodeMetrics{}}
	for i := range nodes.Items {
		found, err := s.node(ctx, &nodes.Items[i])
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, *found)
	}
	return out, nil
}

// node uses what its pods use: the servers of the sandbox beside them are not counted.
func (s *metricsSource) node(ctx context.Context, node *corev1.Node) (*metricsv1beta1.NodeMetrics, error) {
	pods, err := s.listPods(ctx, metav1.NamespaceAll, metav1.ListOptions{FieldSelector: "spec.nodeName=" + node.Name, ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	now := metav1.Now()
	out := &metricsv1beta1.NodeMetrics{
		TypeMeta: typeOf("NodeMetrics"), ObjectMeta: metav1.ObjectMeta{Name: node.Name, Labels: node.Labels, CreationTimestamp: now},
		Timestamp: now, Window: metav1.Duration{Duration: meter.Window}, Usage: usageOf(meter.Rate{}),
	}
	for _, pod := range pods.Items {
		for _, c := range pod.Containers {
			for name, quantity := range c.Usage {
				sum := out.Usage[name]
				sum.Add(quantity)
				out.Usage[name] = sum
			}
		}
	}
	return out, nil
}

func typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{Kind: kind, APIVersion: metricsv1beta1.SchemeGroupVersion.String()}
}

func usageOf(r meter.Rate) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewScaledQuantity(int64(r.Cores*1e9), resource.Nano),
		corev1.ResourceMemory: *resource.NewQuantity(r.Memory, resource.BinarySI),
	}
}
