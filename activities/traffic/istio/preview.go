// SPDX-License-Identifier: Apache-2.0

package istio

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// doorName begins the names of the routes that Slipway makes for testers.
const doorName = "slipway-preview-"

func isDoor(rule map[string]any) bool { return strings.HasPrefix(split.Text(rule, "name"), doorName) }

func hasDoor(o *unstructured.Unstructured) bool {
	return slices.ContainsFunc(split.Entries(o.Object, "spec", "http"), isDoor)
}

// ReadPreview has nothing to refuse: the routes for testers are Slipway's by their name.
func (c *Client) ReadPreview(context.Context, activities.Route) error { return nil }

// OpenPreview puts a route for testers before the others, for each that sends to the root Service: the first
// match wins in a VirtualService.
func (c *Client) OpenPreview(ctx context.Context, in activities.PreviewIn) error {
	if err := c.follow(ctx, in.Write, in.Route); err != nil {
		return err
	}
	return c.Update(ctx, in.Route, "to let testers in", func(o *unstructured.Unstructured) error {
		if err := cluster.Stamp(o, in.Write); err != nil {
			return err
		}
		if err := c.Shiftable(o, in.Route); err != nil {
			return err
		}
		putRoutes(o, append(doors(o, in.Route), withoutDoors(o)...))
		return nil
	})
}

// VerifyPreview tells whether the routes are there and Istio's analysis has nothing against them.
func (c *Client) VerifyPreview(ctx context.Context, route activities.Route) (activities.Settled, error) {
	o, err := c.Get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	if !hasDoor(o) {
		return activities.Settled{Reason: fmt.Sprintf("somebody has taken the routes for testers out of VirtualService %s/%s", route.Namespace, o.GetName())}, nil
	}
	reason := kind{}.Unsettled(o)
	return activities.Settled{Settled: reason == "", Reason: reason}, nil
}

// ClosePreview takes the routes for testers out again.
func (c *Client) ClosePreview(ctx context.Context, in activities.PreviewIn) error {
	err := c.Update(ctx, in.Route, "to let no testers in", func(o *unstructured.Unstructured) error {
		putRoutes(o, withoutDoors(o))
		return cluster.Stamp(o, in.Write)
	})
	if err != nil {
		return err
	}
	return c.unfollow(ctx, in.Write, in.Route)
}

func putRoutes(o *unstructured.Unstructured, routes []any) {
	if spec, ok := o.Object["spec"].(map[string]any); ok {
		spec["http"] = routes
	}
}

func withoutDoors(o *unstructured.Unstructured) []any {
	var out []any
	for _, rule := range split.Entries(o.Object, "spec", "http") {
		if !isDoor(rule) {
			out = append(out, rule)
		}
	}
	return out
}

// doors are the routes that testers' requests take: as the team's own, with the mark in every match, and the
// candidate behind them.
func doors(o *unstructured.Unstructured, route activities.Route) []any {
	var out []any
	leading, entries := split.Leading(kind{}, o, route)
	for i, found := range leading {
		rule, candidate := runtime.DeepCopyJSON(found), runtime.DeepCopyJSON(entries[i])
		kind{}.Rename(candidate, route.Candidate)
		delete(candidate, "weight")
		rule["name"] = fmt.Sprintf("%s%d", doorName, len(out))
		rule["route"] = []any{candidate}
		rule["match"] = marked(rule, route.Testers)
		out = append(out, rule)
	}
	return out
}

// marked are the matches of a route with the testers' mark in each; a route without one matches everything.
func marked(rule map[string]any, t *plan.Testers) []any {
	name, mark := "cookie", map[string]any{}
	if c := t.Cookie; c != nil {
		mark["regex"] = fmt.Sprintf(`^(.*; *)?%s=%s *(;.*)?$`, regexp.QuoteMeta(c.Name), regexp.QuoteMeta(c.Value))
	} else {
		name, mark["exact"] = strings.ToLower(t.Header.Name), t.Header.Value
	}
	matches := split.Entries(rule, "match")
	if len(matches) == 0 {
		matches = []map[string]any{{}}
	}
	var out []any
	for _, m := range matches {
		headers, ok := m["headers"].(map[string]any)
		if !ok {
			headers = map[string]any{}
		}
		headers[name] = mark
		m["headers"] = headers
		out = append(out, m)
	}
	return out
}

// Look finds the routes for testers too.
func (c *Client) Look(ctx context.Context, route activities.Route) (*split.Seen, error) {
	out, err := c.Client.Look(ctx, route)
	if err != nil || out == nil {
		return out, err
	}
	o, err := c.Get(ctx, route)
	if err != nil || !hasDoor(o) {
		return out, err
	}
	type removal struct {
		Op   string `json:"op"`
		Path string `json:"path"`
	}
	var all []removal
	for i, rule := range slices.Backward(split.Entries(o.Object, "spec", "http")) {
		if isDoor(rule) {
			all = append(all, removal{"remove", fmt.Sprintf("/spec/http/%d", i)})
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return out, fmt.Errorf("write patch: %w", err)
	}
	at := kind{}.Object(route)
	out.Preview = "a route of VirtualService " + at.Name
	out.ClosePreview = fmt.Sprintf("patch %s --type=json -p %s", split.Argument(at), split.Quote(string(text)))
	return out, nil
}
