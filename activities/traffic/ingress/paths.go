// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// controller is what an IngressClass names whose controller obeys the annotations.
const controller = "k8s.io/ingress-nginx"

// shiftable refuses an Ingress whose requests to the root Service the annotations cannot reach.
func (c *Client) shiftable(ctx context.Context, o *unstructured.Unstructured, route activities.Route) error {
	if _, err := paths(o, route); err != nil {
		return err
	}
	if o.GetAnnotations()[annotationCanary] == "true" {
		return fault.New(fault.Invalid, "%s is a canary itself (annotation %s); name the Ingress that it stands beside", title(route), annotationCanary)
	}
	if backend, found, _ := unstructured.NestedMap(o.Object, "spec", "defaultBackend"); found && serviceOf(backend) == route.Stable {
		return fault.New(fault.Invalid, "%s has Service %s as its default backend, which the canary annotations do not reach; give it a rule instead", title(route), route.Stable)
	}
	if err := c.obeyed(ctx, o, route); err != nil {
		return err
	}
	return c.alone(ctx, o, route)
}

// obeyed finds a controller that knows the annotations.
func (c *Client) obeyed(ctx context.Context, o *unstructured.Unstructured, route activities.Route) error {
	name, _, _ := unstructured.NestedString(o.Object, "spec", "ingressClassName")
	if name == "" {
		return fault.New(fault.Invalid, "%s names no class; set spec.ingressClassName to that of ingress-nginx, or of a controller that obeys its annotations", title(route))
	}
	classes := c.objects.Resource(schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"})
	class, err := classes.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fault.New(fault.Invalid, "%s is of the class %s, which does not exist", title(route), name)
	}
	if err != nil {
		return cluster.Fault(err, "get IngressClass "+name)
	}
	if by, _, _ := unstructured.NestedString(class.Object, "spec", "controller"); by != controller {
		return fault.New(fault.Invalid, "%s is of the class %s, whose controller %s does not know the canary annotations (%s does); name another router in spec.traffic",
			title(route), name, by, controller)
	}
	return nil
}

// alone refuses a second canary for the same host and path: only one of them would be obeyed.
func (c *Client) alone(ctx context.Context, o *unstructured.Unstructured, route activities.Route) error {
	all, err := c.ingresses(route.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return cluster.Fault(err, "list Ingresses of "+route.Namespace)
	}
	own := places(o, func(service string) bool { return service == route.Stable })
	for i := range all.Items {
		other := &all.Items[i]
		if other.GetName() == c.canary(route).Name || other.GetAnnotations()[annotationCanary] != "true" {
			continue
		}
		for _, p := range places(other, func(string) bool { return true }) {
			if slices.Contains(own, p) {
				return fault.New(fault.Invalid, "Ingress %s/%s is a canary for %s already, and only one is obeyed; delete it, then release again", route.Namespace, other.GetName(), p)
			}
		}
	}
	return nil
}

// places are the hosts with their paths that send to a Service.
func places(o *unstructured.Unstructured, to func(service string) bool) []string {
	var out []string
	for _, rule := range split.Entries(o.Object, "spec", "rules") {
		for _, path := range split.Entries(rule, "http", "paths") {
			if backend, ok := path["backend"].(map[string]any); ok && to(serviceOf(backend)) {
				out = append(out, split.Text(rule, "host")+split.Text(path, "path"))
			}
		}
	}
	return out
}

func serviceOf(backend map[string]any) string {
	name, _, _ := unstructured.NestedString(backend, "service", "name")
	return name
}

// paths is the spec of the canary: the rules of the team's Ingress for the root Service, with the candidate
// behind them. Certificates are the team's Ingress's own matter.
func paths(o *unstructured.Unstructured, route activities.Route) (map[string]any, error) {
	spec, _ := o.Object["spec"].(map[string]any)
	out := runtime.DeepCopyJSON(spec)
	delete(out, "defaultBackend")
	delete(out, "tls")
	var rules []any
	var others []string
	for _, rule := range split.Entries(out, "rules") {
		var own []any
		for _, path := range split.Entries(rule, "http", "paths") {
			backend, _ := path["backend"].(map[string]any)
			if serviceOf(backend) != route.Stable {
				others = append(others, serviceOf(backend))
				continue
			}
			if err := unstructured.SetNestedField(backend, route.Candidate, "service", "name"); err != nil {
				return nil, fmt.Errorf("read %s: %w", title(route), err)
			}
			own = append(own, path)
		}
		if len(own) > 0 {
			rule["http"] = map[string]any{"paths": own}
			rules = append(rules, rule)
		}
	}
	if len(rules) == 0 {
		return nil, fault.New(fault.Invalid, "%s sends nothing to Service %s (it names: %s); correct the Ingress, or spec.target.service",
			title(route), route.Stable, strings.Join(others, ", "))
	}
	out["rules"] = rules
	return out, nil
}

// follows reports whether the canary has the paths that the team's Ingress now has.
func follows(has, o *unstructured.Unstructured, route activities.Route) bool {
	want, err := paths(o, route)
	return err == nil && equality.Semantic.DeepEqual(has.Object["spec"], any(want))
}
