// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Annotations that Slipway puts on a route.
const (
	// AnnotationWeight holds the candidate's weight that Slipway wrote last. Where it differs from the
	// route, somebody else has written.
	AnnotationWeight = "slipway.dev/weight"
	// AnnotationOriginal holds the weights that the route's owner gave the root Service, as JSON, one for
	// each rule that is shifted. It is there while the candidate's backend is.
	AnnotationOriginal = "slipway.dev/original-weights"
)

// Client is the Gateway API of one cluster.
type Client struct{ gateway versioned.Interface }

// New uses a clientset; its rate limits should leave room for an undo.
func New(gateway versioned.Interface) *Client { return &Client{gateway: gateway} }

var _ activities.Router = (*Client)(nil)

// Read returns the candidate's weight, which is 0: a route that cannot be shifted, or that names the
// candidate's Service already, is refused.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	r, err := c.get(ctx, route)
	if err != nil {
		return 0, err
	}
	if err := shiftable(r, route); err != nil {
		return 0, err
	}
	for _, s := range shares(r, route) {
		if s.shared {
			return 0, fault.New(fault.Edited, "%s sends %s to Service %s already; was a release ended by force? Take that backend out, then release again",
				title(route), s, route.Candidate)
		}
	}
	return 0, nil
}

// Set declares the candidate's weight. The way back to 0 is open whatever somebody has made of the route.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		r, err := c.get(ctx, in.Route)
		if err != nil {
			return err
		}
		wrote := lastWeight(r, in.ReleaseID)
		if err := cluster.Stamp(r, in.Write); err != nil {
			return err
		}
		if in.Weight == 0 {
			err = takeOut(r, in)
		} else {
			err = shift(r, in, wrote)
		}
		if err != nil {
			return err
		}
		if err := keepSafe(r, in); err != nil {
			return err
		}
		r.Annotations[AnnotationWeight] = strconv.Itoa(in.Weight)
		_, err = c.gateway.GatewayV1().HTTPRoutes(in.Route.Namespace).Update(ctx, r, metav1.UpdateOptions{FieldManager: "slipway"})
		return err
	})
	return cluster.Fault(err, fmt.Sprintf("set %s to %d %%", title(in.Route), in.Weight))
}

// Verify tells whether every gateway of the route has accepted the route as it now stands, with this weight.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	r, err := c.get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	for _, s := range shares(r, route) {
		if !s.is(weight) {
			return activities.Settled{Reason: fmt.Sprintf("%s is set to %s", title(route), s)}, nil
		}
	}
	if reason := unsettled(r); reason != "" {
		return activities.Settled{Reason: reason}, nil
	}
	return activities.Settled{Settled: true}, nil
}

func (c *Client) get(ctx context.Context, route activities.Route) (*gatewayv1.HTTPRoute, error) {
	r, err := c.gateway.GatewayV1().HTTPRoutes(route.Namespace).Get(ctx, route.Traffic.GatewayAPI.Route, metav1.GetOptions{})
	err = cluster.Fault(err, "get "+title(route))
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil, fault.New(fault.NotFound, "%s does not exist; create it, or correct spec.traffic.gatewayAPI.route (%w)", title(route), err)
	}
	return r, err
}

// shiftable refuses a route without a rule for the root Service, or with third backends in one, or one
// whose owner sends it nothing.
func shiftable(r *gatewayv1.HTTPRoute, route activities.Route) error {
	var others []string
	found := false
	for _, rule := range r.Spec.Rules {
		names := backends(rule, route)
		if !slices.Contains(names, route.Stable) {
			others = append(others, names...)
			continue
		}
		found = true
		slices.Sort(names)
		if len(slices.Compact(slices.Clone(names))) < len(names) {
			return fault.New(fault.Invalid, "%s names a Service twice in the rule that sends to %s; Slipway shifts between two backends only", title(route), route.Stable)
		}
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
	for _, s := range shares(r, route) {
		if s.stable == 0 && !s.shared {
			return fault.New(fault.Invalid, "%s gives Service %s the weight 0; there is nothing to shift", title(route), route.Stable)
		}
	}
	return nil
}

// lastWeight is what this release wrote last; 0 before its first write, whatever an earlier release that
// was ended by force has left in the annotation. What is not a number is 0.
func lastWeight(r *gatewayv1.HTTPRoute, release string) int {
	w, err := strconv.Atoi(r.Annotations[AnnotationWeight])
	if err != nil || r.Annotations[cluster.AnnotationRelease] != release {
		return 0
	}
	return w
}

func title(route activities.Route) string {
	return fmt.Sprintf("HTTPRoute %s/%s", route.Namespace, route.Traffic.GatewayAPI.Route)
}
