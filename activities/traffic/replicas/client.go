// SPDX-License-Identifier: Apache-2.0

package replicas

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/service"
)

// Client shifts by the pods of one cluster. Between 0 and 100 it lets the root Service reach both tracks;
// the Service itself is switched and looked at as without weights.
type Client struct{ root *service.Client }

// New uses a clientset; its rate limits should leave room for an undo.
func New(kube kubernetes.Interface) *Client {
	return &Client{root: service.New(kube)}
}

var _ activities.Router = (*Client)(nil)

// Read returns 0, and refuses a target whose tracks have no label in common, or share it with others.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	if len(route.SharedSelector) == 0 {
		return 0, fault.New(fault.Invalid, "the pods of %s lack the label that both tracks must carry for traffic.replicas; "+
			"add %s: <name of the Deployment> to the Deployment's spec.template.metadata.labels, let it roll out, then release again",
			service.Title(route), cluster.LabelService)
	}
	if _, err := c.root.Read(ctx, route); err != nil {
		return 0, err
	}
	return 0, c.marked(ctx, route)
}

// marked finds the label on every pod of stable, and on no pod but those of the two tracks.
func (c *Client) marked(ctx context.Context, route activities.Route) error {
	stable, err := c.root.Pods(ctx, route, route.StableSelector)
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
	all, err := c.root.Pods(ctx, route, route.SharedSelector)
	if err != nil {
		return err
	}
	own := []labels.Selector{labels.SelectorFromSet(route.StableSelector), labels.SelectorFromSet(route.CandidateSelector)}
	for i := range all {
		if p := &all[i]; !own[0].Matches(labels.Set(p.Labels)) && !own[1].Matches(labels.Set(p.Labels)) {
			return fault.New(fault.Invalid, "pod %s/%s carries the label %s, but is of neither track; it would get requests of %s",
				p.Namespace, p.Name, shared, service.Title(route))
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
	return c.root.Point(ctx, in, selector)
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
	reached, err := c.root.Reached(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	reason := disagreement(weight, stable, candidate, reached)
	if reason != "" {
		return activities.Settled{Reason: service.Title(route) + " " + reason}, nil
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

// ready are the names of the pods that can answer.
func (c *Client) ready(ctx context.Context, route activities.Route, selector map[string]string) (map[string]bool, error) {
	pods, err := c.root.Pods(ctx, route, selector)
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
