// SPDX-License-Identifier: Apache-2.0

package replicas

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Client shifts by the pods of one cluster.
type Client struct {
	kube      kubernetes.Interface
	workloads *cluster.Client
}

// New uses a clientset; its rate limits should leave room for an undo.
func New(kube kubernetes.Interface) *Client {
	return &Client{kube: kube, workloads: cluster.New(kube)}
}

var _ activities.Router = (*Client)(nil)

// Read returns 0, and refuses a target whose tracks have no label in common, or share it with others.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	if len(route.SharedSelector) == 0 {
		return 0, fault.New(fault.Invalid, "the pods of %s lack the label that both tracks must carry for traffic.replicas; "+
			"add %s: <name of the Deployment> to the Deployment's spec.template.metadata.labels, let it roll out, then release again",
			title(route), cluster.LabelService)
	}
	s, err := c.kube.CoreV1().Services(route.Namespace).Get(ctx, route.Stable, metav1.GetOptions{})
	if err != nil {
		return 0, cluster.Fault(err, "get "+title(route))
	}
	if !maps.Equal(s.Spec.Selector, route.StableSelector) {
		return 0, fault.New(fault.Edited, "%s selects %v, not %v as a moment ago", title(route), s.Spec.Selector, route.StableSelector)
	}
	return 0, c.marked(ctx, route)
}

// marked finds the label on every pod of stable, and on no pod but those of the two tracks.
func (c *Client) marked(ctx context.Context, route activities.Route) error {
	stable, err := c.pods(ctx, route, route.StableSelector)
	if err != nil {
		return err
	}
	shared := labels.SelectorFromSet(route.SharedSelector)
	for i := range stable {
		if p := &stable[i]; !shared.Matches(labels.Set(p.Labels)) && p.DeletionTimestamp == nil {
			return fault.New(fault.Invalid, "pod %s/%s serves and does not carry the label %s yet; let its Deployment roll out, then release again",
				p.Namespace, p.Name, shared)
		}
	}
	all, err := c.pods(ctx, route, route.SharedSelector)
	if err != nil {
		return err
	}
	own := []labels.Selector{labels.SelectorFromSet(route.StableSelector), labels.SelectorFromSet(route.CandidateSelector)}
	for i := range all {
		if p := &all[i]; !own[0].Matches(labels.Set(p.Labels)) && !own[1].Matches(labels.Set(p.Labels)) {
			return fault.New(fault.Invalid, "pod %s/%s carries the label %s, but is of neither track; it would get requests of %s",
				p.Namespace, p.Name, shared, title(route))
		}
	}
	return nil
}

// Set declares which tracks the root Service reaches. How many pods the candidate has is declared before.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	selector := in.Route.SharedSelector
	switch {
	case in.Weight < 0 || in.Weight > 100:
		return fault.New(fault.Invalid, "a weight is 0 to 100, not %d", in.Weight)
	case in.Weight == 0:
		selector = in.Route.StableSelector
	case in.Weight == 100:
		selector = in.Route.CandidateSelector
	}
	return c.workloads.SwitchService(ctx, activities.SwitchServiceIn{
		Write: in.Write, Namespace: in.Route.Namespace, Service: in.Route.Stable, Selector: selector,
	})
}

// Verify tells whether the cluster sends the Service's requests to every ready pod that should get them
// and to no other, and the candidate no more than its weight.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	stable, err := c.ready(ctx, route, route.StableSelector)
	if err != nil {
		return activities.Settled{}, err
	}
	candidate, err := c.ready(ctx, route, route.CandidateSelector)
	if err != nil {
		return activities.Settled{}, err
	}
	slices, err := c.kube.DiscoveryV1().EndpointSlices(route.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + route.Stable,
	})
	if err != nil {
		return activities.Settled{}, cluster.Fault(err, "list endpoints of "+title(route))
	}
	reason := disagreement(weight, stable, candidate, reached(slices.Items))
	if reason != "" {
		return activities.Settled{Reason: title(route) + " " + reason}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// disagreement is how the pods that are reached differ from those that a weight asks for; empty where they
// do not.
func disagreement(weight int, stable, candidate, reached map[string]bool) string {
	want := map[string]bool{}
	if weight < 100 {
		maps.Copy(want, stable)
	}
	if weight > 0 {
		maps.Copy(want, candidate)
	}
	for pod := range want {
		if !reached[pod] {
			return "does not reach every ready pod yet"
		}
	}
	switch all := len(want); {
	case weight < 100 && len(stable) == 0, weight > 0 && len(candidate) == 0:
		return "lacks a ready pod of a track that should serve"
	case len(reached) > all:
		return "still reaches pods that should get nothing"
	case weight > 0 && weight < 100 && 200*len(candidate) > (2*weight+1)*all: // the weight is a rounded share
		return fmt.Sprintf("reaches %d ready pods of which %d are the candidate's: more than %d %%", all, len(candidate), weight)
	}
	return ""
}

// reached are the pods behind the ready endpoints.
func reached(slices []discoveryv1.EndpointSlice) map[string]bool {
	out := map[string]bool{}
	for i := range slices {
		for _, e := range slices[i].Endpoints {
			if !ptr.Deref(e.Conditions.Ready, true) {
				continue
			}
			name := "an endpoint that is no pod"
			if e.TargetRef != nil {
				name = e.TargetRef.Name
			}
			out[name] = true
		}
	}
	return out
}

// ready are the names of the pods that can answer.
func (c *Client) ready(ctx context.Context, route activities.Route, selector map[string]string) (map[string]bool, error) {
	pods, err := c.pods(ctx, route, selector)
	out := map[string]bool{}
	for i := range pods {
		if isReady(&pods[i]) {
			out[pods[i].Name] = true
		}
	}
	return out, err
}

func isReady(p *corev1.Pod) bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}

func (c *Client) pods(ctx context.Context, route activities.Route, selector map[string]string) ([]corev1.Pod, error) {
	pods, err := c.kube.CoreV1().Pods(route.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(selector)})
	if err != nil {
		return nil, cluster.Fault(err, "list pods of "+title(route))
	}
	return pods.Items, nil
}

func title(route activities.Route) string {
	return fmt.Sprintf("Service %s/%s", route.Namespace, route.Stable)
}
