// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// keepSafe notes the safe state on the route for as long as the candidate has a share.
func keepSafe(r *gatewayv1.HTTPRoute, in activities.SetTrafficWeightIn) error {
	if in.Weight == 0 {
		delete(r.Annotations, cluster.AnnotationSafeState)
		return nil
	}
	if in.Safe == nil {
		return nil
	}
	text, err := in.Safe.Text()
	if err != nil {
		return err
	}
	r.Annotations[cluster.AnnotationSafeState] = text
	return nil
}

// Seen is a route as it stands, for somebody who is about to restore it.
type Seen struct {
	// Share is what the rules that send to the root Service give to the candidate, such as "50 %".
	Share string `json:"share"`
	// Shared is true where one of them names the candidate, whatever its weight.
	Shared bool `json:"shared"`
	// Patch takes the candidate out, as a JSON patch; empty where it is not shared.
	Patch string `json:"patch,omitempty"`
	// Preview names the preview route; empty where Slipway has none.
	Preview string `json:"preview,omitempty"`
}

// Look returns nil where the route does not exist. It changes nothing.
func (c *Client) Look(ctx context.Context, route activities.Route) (*Seen, error) {
	r, err := c.get(ctx, route)
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := &Seen{}
	var parts []string
	for _, s := range shares(r, route) {
		out.Shared = out.Shared || s.shared
		parts = append(parts, s.String())
	}
	out.Share = strings.Join(slices.Compact(parts), ", ")
	if out.Patch, err = patch(r, route); err != nil {
		return nil, err
	}
	preview, err := c.gateway.GatewayV1().HTTPRoutes(route.Namespace).Get(ctx, previewName(route), metav1.GetOptions{})
	switch {
	case err == nil && preview.Labels[cluster.LabelManagedBy] == managedBy:
		out.Preview = preview.Name
	case err != nil && !apierrors.IsNotFound(err):
		return nil, cluster.Fault(err, fmt.Sprintf("get HTTPRoute %s/%s", route.Namespace, previewName(route)))
	}
	return out, nil
}

// patch is what taking the candidate out changes, rule by rule.
func patch(r *gatewayv1.HTTPRoute, route activities.Route) (string, error) {
	restored := r.DeepCopy()
	if len(shares(r, route)) == 0 || takeOut(restored, activities.SetTrafficWeightIn{Route: route}) != nil {
		return "", nil
	}
	type operation struct {
		Op    string                     `json:"op"`
		Path  string                     `json:"path"`
		Value []gatewayv1.HTTPBackendRef `json:"value"`
	}
	var all []operation
	for i, rule := range restored.Spec.Rules {
		if !equality.Semantic.DeepEqual(rule.BackendRefs, r.Spec.Rules[i].BackendRefs) {
			all = append(all, operation{"replace", fmt.Sprintf("/spec/rules/%d/backendRefs", i), rule.BackendRefs})
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	text, err := json.Marshal(all)
	if err != nil {
		return "", fmt.Errorf("write patch of %s: %w", title(route), err)
	}
	return string(text), nil
}

// Recall finds the safe state of a Deployment on a route that is being shifted. None is a fault of kind
// NotFound.
func (c *Client) Recall(ctx context.Context, namespace, deployment string) (cluster.Recalled, error) {
	routes, err := c.gateway.GatewayV1().HTTPRoutes(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return cluster.Recalled{}, cluster.Fault(err, "list HTTPRoutes of "+namespace)
	}
	for i := range routes.Items {
		r := &routes.Items[i]
		if s, ok := cluster.Kept(r, deployment); ok {
			return cluster.Recalled{Safe: s, From: fmt.Sprintf("HTTPRoute %s/%s", namespace, r.Name)}, nil
		}
	}
	return cluster.Recalled{}, fault.New(fault.NotFound, "no HTTPRoute of %s has a record of Deployment %s", namespace, deployment)
}
