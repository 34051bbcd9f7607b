// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var _ activities.Previewer = (*Client)(nil)

// managedBy marks the routes that Slipway has made and may delete.
const managedBy = "slipway"

// ReadPreview refuses a preview route that somebody else has made.
func (c *Client) ReadPreview(ctx context.Context, route activities.Route) error {
	r, err := c.gateway.GatewayV1().HTTPRoutes(route.Namespace).Get(ctx, previewName(route), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return cluster.Fault(err, "get HTTPRoute "+route.Namespace+"/"+previewName(route))
	}
	return ours(r)
}

// OpenPreview makes the HTTPRoute "<route>-preview" beside the route: the same hosts and gateways, its
// rules for the root Service with the testers' mark added to every match, and the candidate behind them.
// The Gateway API prefers the match with more headers, so nobody else is affected, and the team's own
// route is not touched.
func (c *Client) OpenPreview(ctx context.Context, in activities.PreviewIn) error {
	r, err := c.get(ctx, in.Route)
	if err != nil {
		return err
	}
	if err := shiftable(r, in.Route); err != nil {
		return err
	}
	want := preview(r, in)
	if err := cluster.Stamp(want, in.Write); err != nil {
		return err
	}
	what := "apply HTTPRoute " + want.Namespace + "/" + want.Name
	routes := c.gateway.GatewayV1().HTTPRoutes(want.Namespace)
	_, err = routes.Create(ctx, want, metav1.CreateOptions{FieldManager: managedBy})
	if !apierrors.IsAlreadyExists(err) {
		return cluster.Fault(err, what)
	}
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		has, err := routes.Get(ctx, want.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := errors.Join(ours(has), cluster.Stamp(has, in.Write)); err != nil {
			return err
		}
		has.Spec = want.Spec
		_, err = routes.Update(ctx, has, metav1.UpdateOptions{FieldManager: managedBy})
		return err
	})
	return cluster.Fault(err, what)
}

// VerifyPreview tells whether every gateway of the preview route has accepted it.
func (c *Client) VerifyPreview(ctx context.Context, route activities.Route) (activities.Settled, error) {
	r, err := c.gateway.GatewayV1().HTTPRoutes(route.Namespace).Get(ctx, previewName(route), metav1.GetOptions{})
	if err != nil {
		return activities.Settled{}, cluster.Fault(err, "get HTTPRoute "+route.Namespace+"/"+previewName(route))
	}
	reason := unsettled(r)
	return activities.Settled{Settled: reason == "", Reason: reason}, nil
}

// ClosePreview deletes the preview route, if it is there and Slipway's.
func (c *Client) ClosePreview(ctx context.Context, in activities.PreviewIn) error {
	routes := c.gateway.GatewayV1().HTTPRoutes(in.Route.Namespace)
	name := previewName(in.Route)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		has, err := routes.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := errors.Join(ours(has), cluster.Stamp(has, in.Write)); err != nil {
			return err
		}
		return routes.Delete(ctx, name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &has.UID, ResourceVersion: &has.ResourceVersion},
		})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return cluster.Fault(err, "delete HTTPRoute "+in.Route.Namespace+"/"+name)
}

func previewName(route activities.Route) string { return route.Traffic.GatewayAPI.Route + "-preview" }

// mark is how testers' requests are told from others. A cookie is one of several in its header, so it is
// found by a regular expression: a whole match, since some gateways match whole values and others parts.
func mark(t *plan.Testers) gatewayv1.HTTPHeaderMatch {
	if c := t.Cookie; c != nil {
		return gatewayv1.HTTPHeaderMatch{
			Type: ptr.To(gatewayv1.HeaderMatchRegularExpression), Name: "Cookie",
			Value: fmt.Sprintf(`^(.*; *)?%s=%s *(;.*)?$`, regexp.QuoteMeta(c.Name), regexp.QuoteMeta(c.Value)),
		}
	}
	return gatewayv1.HTTPHeaderMatch{
		Type: ptr.To(gatewayv1.HeaderMatchExact), Name: gatewayv1.HTTPHeaderName(t.Header.Name), Value: t.Header.Value,
	}
}

// preview is the route that testers' requests take.
func preview(r *gatewayv1.HTTPRoute, in activities.PreviewIn) *gatewayv1.HTTPRoute {
	out := &gatewayv1.HTTPRoute{
		ObjectMeta: metav1.ObjectMeta{
			Name: previewName(in.Route), Namespace: r.Namespace, Labels: map[string]string{cluster.LabelManagedBy: managedBy},
		},
		Spec: gatewayv1.HTTPRouteSpec{CommonRouteSpec: *r.Spec.CommonRouteSpec.DeepCopy(), Hostnames: slices.Clone(r.Spec.Hostnames)},
	}
	testers := mark(in.Route.Testers)
	for _, rule := range r.Spec.Rules {
		at := slices.Index(backends(rule, in.Route), in.Route.Stable)
		if at < 0 {
			continue
		}
		rule = *rule.DeepCopy()
		rule.Name = nil
		if len(rule.Matches) == 0 {
			rule.Matches = []gatewayv1.HTTPRouteMatch{{}}
		}
		for i := range rule.Matches {
			rule.Matches[i].Headers = append(rule.Matches[i].Headers, testers)
		}
		candidate := rule.BackendRefs[at]
		candidate.Name, candidate.Weight = gatewayv1.ObjectName(in.Route.Candidate), nil
		rule.BackendRefs = []gatewayv1.HTTPBackendRef{candidate}
		out.Spec.Rules = append(out.Spec.Rules, rule)
	}
	return out
}

// ours refuses to touch a route that somebody else has made.
func ours(r *gatewayv1.HTTPRoute) error {
	if r.Labels[cluster.LabelManagedBy] == managedBy {
		return nil
	}
	return fault.New(fault.Invalid, "%s exists and is not Slipway's; rename it, its name is needed for the preview",
		fmt.Sprintf("HTTPRoute %s/%s", r.Namespace, r.Name))
}
