// SPDX-License-Identifier: Apache-2.0

// Package service is the router of those who have none: the root Service's selector is switched from one
// track to the other, in one write. It knows the weights 0 and 100.
package service

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

// Client switches the Services of one cluster.
type Client struct {
	kube      kubernetes.Interface
	workloads *cluster.Client
}

// New uses a clientset; its rate limits should leave room for an undo.
func New(kube kubernetes.Interface) *Client {
	return &Client{kube: kube, workloads: cluster.New(kube)}
}

var _ activities.Router = (*Client)(nil)

// Read returns 0: preflight has found that the root Service selects stable.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	s, err := c.kube.CoreV1().Services(route.Namespace).Get(ctx, route.Stable, metav1.GetOptions{})
	if err != nil {
		return 0, cluster.Fault(err, "get "+Title(route))
	}
	if !maps.Equal(s.Spec.Selector, route.StableSelector) {
		return 0, fault.New(fault.Edited, "%s selects %v, not %v as a moment ago", Title(route), s.Spec.Selector, route.StableSelector)
	}
	return 0, nil
}

// Set declares which track the root Service selects.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	selector, err := selected(in.Route, in.Weight)
	if err != nil {
		return err
	}
	return c.Point(ctx, in, selector)
}

// Point declares what the root Service selects.
func (c *Client) Point(ctx context.Context, in activities.SetTrafficWeightIn, selector map[string]string) error {
	return c.workloads.SwitchService(ctx, activities.SwitchServiceIn{
		Write: in.Write, Namespace: in.Route.Namespace, Service: in.Route.Stable, Selector: selector, Also: in.Route.Also,
	})
}

// Verify tells whether the cluster sends the Service's requests to the pods of the track and no others.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	selector, err := selected(route, weight)
	if err != nil {
		return activities.Settled{}, err
	}
	pods, err := c.Pods(ctx, route, selector)
	if err != nil {
		return activities.Settled{}, err
	}
	track := map[string]bool{}
	for i := range pods {
		track[pods[i].Name] = true
	}
	reached, err := c.Reached(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	return compare(reached, track, Title(route)), nil
}

// compare looks for pods of another track, and for at least one of this one.
func compare(reached, track map[string]bool, service string) activities.Settled {
	for pod := range reached {
		if !track[pod] {
			return activities.Settled{Reason: service + " still has endpoints of the other track"}
		}
	}
	if len(reached) == 0 {
		return activities.Settled{Reason: service + " has no ready endpoint yet"}
	}
	return activities.Settled{Settled: true}
}

// Pods are those that a selector matches, ready or not.
func (c *Client) Pods(ctx context.Context, route activities.Route, selector map[string]string) ([]corev1.Pod, error) {
	pods, err := c.kube.CoreV1().Pods(route.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(selector)})
	if err != nil {
		return nil, cluster.Fault(err, "list pods of "+Title(route))
	}
	return pods.Items, nil
}

// noPod stands for every endpoint that is no pod.
const noPod = "an endpoint that is no pod"

// Reached are the names of the pods behind the root Service's ready endpoints.
func (c *Client) Reached(ctx context.Context, route activities.Route) (map[string]bool, error) {
	slices, err := c.kube.DiscoveryV1().EndpointSlices(route.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + route.Stable,
	})
	if err != nil {
		return nil, cluster.Fault(err, "list endpoints of "+Title(route))
	}
	out := map[string]bool{}
	for i := range slices.Items {
		for _, e := range slices.Items[i].Endpoints {
			if !ptr.Deref(e.Conditions.Ready, true) {
				continue
			}
			name := noPod
			if e.TargetRef != nil {
				name = e.TargetRef.Name
			}
			out[name] = true
		}
	}
	return out, nil
}

func selected(route activities.Route, weight int) (map[string]string, error) {
	switch weight {
	case 0:
		return route.StableSelector, nil
	case 100:
		return route.CandidateSelector, nil
	}
	return nil, fault.New(fault.Invalid, "a Service's selector knows the weights 0 and 100, not %d", weight)
}

// Title names the root Service in messages.
func Title(route activities.Route) string {
	return fmt.Sprintf("Service %s/%s", route.Namespace, route.Stable)
}
