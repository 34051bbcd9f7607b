// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"
	"fmt"
	"regexp"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var _ activities.Previewer = (*Client)(nil)

// door is the preview route "<route>-preview", of the same kind as the route.
func (c *Client) door(route activities.Route) split.Companion {
	o := kind{}.Object(route)
	o.Name += "-preview"
	return split.Companion{Objects: c.objects, Namespace: route.Namespace, Object: o}
}

// ReadPreview refuses a preview route that somebody else has made.
func (c *Client) ReadPreview(ctx context.Context, route activities.Route) error {
	_, err := c.door(route).Read(ctx)
	return err
}

// OpenPreview makes the preview route beside the route: the same hosts and gateways, its rules for the root
// Service with the testers' mark added to every match, and the candidate behind them. The Gateway API prefers
// the match with more headers, so nobody else is affected, and the team's own route is not touched.
func (c *Client) OpenPreview(ctx context.Context, in activities.PreviewIn) error {
	o, err := c.Get(ctx, in.Route)
	if err == nil {
		err = cluster.Stamp(o, in.Write) // one that is late must not make anew what was closed
	}
	if err != nil {
		return err
	}
	if err := c.Shiftable(o, in.Route); err != nil {
		return err
	}
	want := c.door(in.Route).Draft()
	want.Object["spec"] = preview(o, in.Route)
	return c.door(in.Route).Put(ctx, in.Write, want)
}

// VerifyPreview tells whether every gateway of the preview route has accepted it.
func (c *Client) VerifyPreview(ctx context.Context, route activities.Route) (activities.Settled, error) {
	door := c.door(route)
	o, err := door.Read(ctx)
	if err == nil && o == nil {
		err = fault.New(fault.NotFound, "%s is gone; somebody has deleted it", door.Title(route.Namespace))
	}
	if err != nil {
		return activities.Settled{}, err
	}
	reason := unsettled(o)
	return activities.Settled{Settled: reason == "", Reason: reason}, nil
}

// ClosePreview deletes the preview route, if it is there and Slipway's.
func (c *Client) ClosePreview(ctx context.Context, in activities.PreviewIn) error {
	return c.door(in.Route).Remove(ctx, in.Write)
}

// mark is how testers' requests are told from others. A cookie is one of several in its header, so it is
// found by a regular expression: a whole match, since some gateways match whole values and others parts.
func mark(t *plan.Testers) map[string]any {
	if c := t.Cookie; c != nil {
		return map[string]any{
			"type": string(gatewayv1.HeaderMatchRegularExpression), "name": "Cookie",
			"value": fmt.Sprintf(`^(.*; *)?%s=%s *(;.*)?$`, regexp.QuoteMeta(c.Name), regexp.QuoteMeta(c.Value)),
		}
	}
	return map[string]any{"type": string(gatewayv1.HeaderMatchExact), "name": t.Header.Name, "value": t.Header.Value}
}

// preview is the spec of the route that testers' requests take.
func preview(o *unstructured.Unstructured, route activities.Route) map[string]any {
	o = o.DeepCopy()
	leading, entries := split.Leading(kind{}, o, route)
	var rules []any
	for i, rule := range leading {
		candidate := entries[i]
		candidate["name"] = route.Candidate
		delete(candidate, "weight")
		delete(rule, "name")
		rule["backendRefs"] = []any{candidate}
		rule["matches"] = marked(rule, route.Testers)
		rules = append(rules, rule)
	}
	out, _ := o.Object["spec"].(map[string]any)
	out["rules"] = rules
	return out
}

// marked are the matches of a rule with the testers' mark in each; a rule without one matches everything.
func marked(rule map[string]any, t *plan.Testers) []any {
	matches := split.Entries(rule, "matches")
	if len(matches) == 0 {
		matches = []map[string]any{{}}
	}
	var out []any
	for _, m := range matches {
		headers, _ := m["headers"].([]any)
		m["headers"] = append(headers, mark(t))
		out = append(out, m)
	}
	return out
}
