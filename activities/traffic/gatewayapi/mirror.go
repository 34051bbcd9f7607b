// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/features"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

var (
	_ activities.Mirrorer = (*Client)(nil)
	_ split.Copier        = kind{}
)

const filters = "filters"

// CopyFields implements split.Copier.
func (kind) CopyFields() []string { return []string{filters} }

// mirrors reports whether a filter copies requests, and target what to.
func mirrors(filter map[string]any) bool {
	return split.Text(filter, "type") == string(gatewayv1.HTTPRouteFilterRequestMirror)
}

func target(filter map[string]any, namespace string) string {
	to, _ := filter["requestMirror"].(map[string]any)
	ref, _ := to["backendRef"].(map[string]any)
	return kind{}.Backend(ref, namespace)
}

// Uncopyable finds copies that the owner has asked for: few gateways make several of one request.
func (kind) Uncopyable(o *unstructured.Unstructured, route activities.Route) error {
	rules, entries := split.Leading(kind{}, o, route)
	for i, rule := range rules {
		for _, in := range []map[string]any{rule, entries[i]} {
			if slices.ContainsFunc(split.Entries(in, filters), mirrors) {
				return fault.New(fault.Invalid, "%s %s/%s copies requests to Service %s already, as its owner wrote it, and Slipway does not copy beside that; leave mirror out of the plan",
					o.GetKind(), route.Namespace, o.GetName(), route.Stable)
			}
		}
	}
	return nil
}

// Copied takes a fraction for all of the requests.
func (kind) Copied(o *unstructured.Unstructured, route activities.Route) []int {
	rules, _ := split.Leading(kind{}, o, route)
	var out []int
	for _, rule := range rules {
		percent := 0
		for _, f := range split.Entries(rule, filters) {
			if !mirrors(f) || route.Candidate == "" || target(f, route.Namespace) != route.Candidate {
				continue
			}
			percent = 100
			if n, ok := f["requestMirror"].(map[string]any)["percent"].(int64); ok {
				percent = int(n)
			}
		}
		out = append(out, percent)
	}
	return out
}

// Copy adds a filter to each rule, behind the owner's. It says no percentage where all requests are copied, which
// older gateways do not know.
func (kind) Copy(o *unstructured.Unstructured, route activities.Route, percent int) error {
	rules, entries := split.Leading(kind{}, o, route)
	for i, rule := range rules {
		var kept []any
		for _, f := range split.Entries(rule, filters) {
			if !mirrors(f) || route.Candidate == "" || target(f, route.Namespace) != route.Candidate {
				kept = append(kept, f)
			}
		}
		if percent > 0 {
			kept = append(kept, copying(entries[i], route, percent))
		}
		switch {
		case len(kept) == len(split.Entries(rule, filters)) && percent == 0: // there was none
		case len(kept) == 0:
			delete(rule, filters)
		default:
			rule[filters] = kept
		}
	}
	return nil
}

// copying is the filter that copies what goes to an entry.
func copying(entry map[string]any, route activities.Route, percent int) map[string]any {
	ref := map[string]any{"name": route.Candidate}
	for _, field := range []string{"group", "kind", "namespace", "port"} {
		if v, has := entry[field]; has {
			ref[field] = v
		}
	}
	out := map[string]any{"backendRef": ref}
	if percent < 100 {
		out["percent"] = int64(percent)
	}
	return map[string]any{"type": string(gatewayv1.HTTPRouteFilterRequestMirror), "requestMirror": out}
}

// ReadMirror refuses a route whose gateways do not all say that they copy requests: one that cannot may answer
// users' requests by an error.
func (c *Client) ReadMirror(ctx context.Context, route activities.Route) error {
	if reason := route.Traffic.RefusesMirror(); reason != "" {
		return fault.New(fault.Invalid, "%s", reason)
	}
	if err := c.Client.ReadMirror(ctx, route); err != nil {
		return err
	}
	o, err := c.Get(ctx, route)
	if err != nil {
		return err
	}
	var r served
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &r); err != nil {
		return fault.New(fault.Invalid, "%s cannot be read: %w", kind{}.Object(route).Title(route.Namespace), err)
	}
	for _, ref := range r.Spec.ParentRefs {
		if err := c.copies(ctx, ref, route); err != nil {
			return err
		}
	}
	return nil
}

// copies refuses a parent that does not say that it copies requests.
func (c *Client) copies(ctx context.Context, ref gatewayv1.ParentReference, route activities.Route) error {
	title := full(ref, route.Namespace)
	if ptr.Deref(ref.Kind, "Gateway") != "Gateway" || ptr.Deref(ref.Group, gatewayv1.GroupName) != gatewayv1.GroupName {
		return fault.New(fault.Invalid, "the route belongs to %s, of which nobody says whether it copies requests; leave mirror out of the plan", title)
	}
	var gateway gatewayv1.Gateway
	namespace := string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(route.Namespace)))
	if err := c.read(ctx, "gateways", namespace, string(ref.Name), &gateway); err != nil {
		return err
	}
	var class gatewayv1.GatewayClass
	if err := c.read(ctx, "gatewayclasses", "", string(gateway.Spec.GatewayClassName), &class); err != nil {
		return err
	}
	need := []features.FeatureName{features.SupportHTTPRouteRequestMirror}
	if route.Mirror < 100 {
		need = append(need, features.SupportHTTPRouteRequestPercentageMirror)
	}
	for _, feature := range need {
		if !slices.Contains(class.Status.SupportedFeatures, gatewayv1.SupportedFeature{Name: gatewayv1.FeatureName(feature)}) {
			return fault.New(fault.Invalid, "GatewayClass %s of %s does not say that it supports %s (status.supportedFeatures), and a gateway without it may fail every request of the route; leave mirror out of the plan",
				gateway.Spec.GatewayClassName, title, feature)
		}
	}
	return nil
}

// read gets an object of the Gateway API that is none of the routes.
func (c *Client) read(ctx context.Context, resource, namespace, name string, into any) error {
	at := schema.GroupVersionResource{Group: gatewayv1.GroupName, Version: "v1", Resource: resource}
	o, err := c.objects.Resource(at).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	what := fmt.Sprintf("get %s %s", resource, name)
	switch {
	case apierrors.IsNotFound(err):
		return fault.New(fault.Invalid, "%s: it does not exist, so nobody says whether requests are copied there; leave mirror out of the plan (%w)", what, err)
	case err != nil:
		return cluster.Fault(err, what)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, into); err != nil {
		return fault.New(fault.Invalid, "%s: %w", what, err)
	}
	return nil
}
