// SPDX-License-Identifier: Apache-2.0

// Package service is the router of those who have none: the root Service's selector is switched from one
// track to the other, in one write. It knows the weights 0 and 100.
package service

import (
	"context"
	"fmt"
	"maps"

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
		return 0, cluster.Fault(err, "get "+title(route))
	}
	if !maps.Equal(s.Spec.Selector, route.StableSelector) {
		return 0, fault.New(fault.Edited, "%s selects %v, not %v as a moment ago", title(route), s.Spec.Selector, route.StableSelector)
	}
	return 0, nil
}

// Set declares which track the root Service selects.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	selector, err := selected(in.Route, in.Weight)
	if err != nil {
		return err
	}
	return c.workloads.SwitchService(ctx, activities.SwitchServiceIn{
		Write: in.Write, Namespace: in.Route.Namespace, Service: in.Route.Stable, Selector: selector,
	})
}

// Verify tells whether the cluster sends the Service's requests to the pods of the track and no others.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	selector, err := selected(route, weight)
	if err != nil {
		return activities.Settled{}, err
	}
	pods, err := c.kube.CoreV1().Pods(route.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(selector)})
	if err != nil {
		return activities.Settled{}, cluster.Fault(err, "list pods of "+title(route))
	}
	track := map[string]bool{}
	for i := range pods.Items {
		track[pods.Items[i].Name] = true
	}
	slices, err := c.kube.DiscoveryV1().EndpointSlices(route.Namespace).List(ctx, metav1.ListOptions{
		LabelSelector: discoveryv1.LabelServiceName + "=" + route.Stable,
	})
	if err != nil {
		return activities.Settled{}, cluster.Fault(err, "list endpoints of "+title(route))
	}
	return compare(slices.Items, track, title(route)), nil
}

// compare looks for endpoints of another track, and for at least one of this one.
func compare(slices []discoveryv1.EndpointSlice, track map[string]bool, service string) activities.Settled {
	ready := 0
	for i := range slices {
		for _, e := range slices[i].Endpoints {
			if !ptr.Deref(e.Conditions.Ready, true) {
				continue
			}
			if e.TargetRef == nil || !track[e.TargetRef.Name] {
				return activities.Settled{Reason: service + " still has endpoints of the other track"}
			}
			ready++
		}
	}
	if ready == 0 {
		return activities.Settled{Reason: service + " has no ready endpoint yet"}
	}
	return activities.Settled{Settled: true}
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

func title(route activities.Route) string {
	return fmt.Sprintf("Service %s/%s", route.Namespace, route.Stable)
}
