// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// AnnotationWeight on the route holds the candidate's weight that Slipway wrote last. Where it differs
// from the route, somebody else has written.
const AnnotationWeight = "slipway.dev/weight"

// Client is the Gateway API of one cluster.
type Client struct{ gateway versioned.Interface }

// New uses a clientset; its rate limits should leave room for an undo.
func New(gateway versioned.Interface) *Client { return &Client{gateway: gateway} }

var _ activities.Router = (*Client)(nil)

// Read returns the candidate's weight, 0 to 100. A route that cannot be shifted, or that carries a
// candidate already, is refused.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	r, err := c.get(ctx, route)
	if err != nil {
		return 0, err
	}
	if err := shiftable(r, route); err != nil {
		return 0, err
	}
	if w := weightOf(r, route); w != 0 {
		return w, fault.New(fault.Edited, "%s sends %d %% to Service %s already; was a release ended by force? Take that backend out, then release again",
			title(route), w, route.Candidate)
	}
	return 0, nil
}

// Set declares the candidate's weight.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		r, err := c.get(ctx, in.Route)
		if err != nil {
			return err
		}
		if err := untouched(r, in); err != nil {
			return err
		}
		if err := shiftable(r, in.Route); err != nil {
			return err
		}
		if err := cluster.Stamp(r, in.Write); err != nil {
			return err
		}
		declare(r, in.Route, in.Weight)
		_, err = c.gateway.GatewayV1().HTTPRoutes(in.Route.Namespace).Update(ctx, r, metav1.UpdateOptions{FieldManager: "slipway"})
		return err
	})
	return cluster.Fault(err, fmt.Sprintf("set %s to %d %%", title(in.Route), in.Weight))
}

// untouched refuses to overwrite what somebody else wrote. The way back to stable is always open.
func untouched(r *gatewayv1.HTTPRoute, in activities.SetTrafficWeightIn) error {
	wrote, err := strconv.Atoi(r.Annotations[AnnotationWeight])
	if err != nil {
		wrote = 0
	}
	if is := weightOf(r, in.Route); is != wrote && is != in.Weight && in.Weight != 0 {
		return fault.New(fault.Edited, "somebody has set %s to %d %% since Slipway set it to %d %%", title(in.Route), is, wrote)
	}
	return nil
}

// Verify tells whether the gateway has accepted the route as it now stands, with this weight.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	r, err := c.get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	if is := weightOf(r, route); is != weight {
		return activities.Settled{Reason: fmt.Sprintf("%s is set to %d %%", title(route), is)}, nil
	}
	for _, parent := range r.Status.Parents {
		if reason := refusal(parent, r.Generation); reason != "" {
			return activities.Settled{Reason: string(parent.ControllerName) + ": " + reason}, nil
		}
	}
	if len(r.Status.Parents) == 0 {
		return activities.Settled{Reason: "no gateway has said anything about " + title(route) + "; is its parentRef right?"}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// refusal is why a gateway does not serve this generation of the route; empty when it does.
func refusal(parent gatewayv1.RouteParentStatus, generation int64) string {
	for _, kind := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
		condition := meta.FindStatusCondition(parent.Conditions, string(kind))
		switch {
		case condition == nil || condition.ObservedGeneration < generation:
			return "has not looked at the present route yet"
		case condition.Status != metav1.ConditionTrue:
			return fmt.Sprintf("%s is %s: %s", condition.Type, condition.Status, condition.Message)
		}
	}
	return ""
}

func (c *Client) get(ctx context.Context, route activities.Route) (*gatewayv1.HTTPRoute, error) {
	r, err := c.gateway.GatewayV1().HTTPRoutes(route.Namespace).Get(ctx, route.Traffic.GatewayAPI.Route, metav1.GetOptions{})
	err = cluster.Fault(err, "get "+title(route))
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "%s does not exist; create it, or correct spec.traffic.gatewayAPI.route (%w)", title(route), err)
	}
	return r, err
}

// shiftable refuses a route without a rule for the root Service, or with third backends in one.
func shiftable(r *gatewayv1.HTTPRoute, route activities.Route) error {
	var others []string
	found := false
	for _, rule := range r.Spec.Rules {
		names := backends(rule)
		if !slices.Contains(names, route.Stable) {
			others = append(others, names...)
			continue
		}
		found = true
		for _, name := range names {
			if name != route.Stable && name != route.Candidate {
				return fault.New(fault.Invalid, "%s sends to Service %s in the same rule as to %s; Slipway shifts between two backends only", title(route), name, route.Stable)
			}
		}
	}
	if !found {
		return fault.New(fault.Invalid, "%s sends nothing to Service %s (it names: %s); correct the route, or spec.target.service",
			title(route), route.Stable, strings.Join(others, ", "))
	}
	return nil
}

// backends names the Services of a rule in the route's own namespace.
func backends(rule gatewayv1.HTTPRouteRule) []string {
	var out []string
	for _, b := range rule.BackendRefs {
		name := string(b.Name)
		if b.Namespace != nil && *b.Namespace != "" {
			name = string(*b.Namespace) + "/" + name
		}
		if b.Kind != nil && *b.Kind != "Service" {
			name = string(*b.Kind) + " " + name
		}
		out = append(out, name)
	}
	return out
}

// weightOf is the candidate's share in percent, in the first rule that has the root Service.
func weightOf(r *gatewayv1.HTTPRoute, route activities.Route) int {
	for _, rule := range r.Spec.Rules {
		names := backends(rule)
		if !slices.Contains(names, route.Stable) {
			continue
		}
		var sum, candidate int32
		for i, b := range rule.BackendRefs {
			weight := ptr.Deref(b.Weight, 1)
			sum += weight
			if names[i] == route.Candidate {
				candidate = weight
			}
		}
		if sum > 0 {
			return int(100 * candidate / sum)
		}
	}
	return 0
}

// declare writes the two backends into every rule that sends to the root Service.
func declare(r *gatewayv1.HTTPRoute, route activities.Route, weight int) {
	for i := range r.Spec.Rules {
		rule := &r.Spec.Rules[i]
		at := slices.Index(backends(*rule), route.Stable)
		if at < 0 {
			continue
		}
		stable := rule.BackendRefs[at]
		stable.Weight = new(int32(100 - weight)) //nolint:gosec // 0 to 100
		candidate := *stable.DeepCopy()
		candidate.Name = gatewayv1.ObjectName(route.Candidate)
		candidate.Weight = new(int32(weight)) //nolint:gosec // 0 to 100
		rule.BackendRefs = []gatewayv1.HTTPBackendRef{stable, candidate}
		if weight == 0 {
			stable.Weight = ptr.To[int32](1)
			rule.BackendRefs = []gatewayv1.HTTPBackendRef{stable}
		}
	}
	r.Annotations[AnnotationWeight] = strconv.Itoa(weight)
}

func title(route activities.Route) string {
	return fmt.Sprintf("HTTPRoute %s/%s", route.Namespace, route.Traffic.GatewayAPI.Route)
}
