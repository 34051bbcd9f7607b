// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// always is the one value of a cookie that ingress-nginx sends to the canary.
const always = "always"

// hasDoor reports whether the canary lets testers in.
func hasDoor(has *unstructured.Unstructured) bool {
	if has == nil {
		return false
	}
	notes := has.GetAnnotations()
	return notes[annotationHeader] != "" || notes[annotationCookie] != ""
}

// ReadPreview refuses a cookie that the annotations cannot tell from others.
func (c *Client) ReadPreview(ctx context.Context, route activities.Route) error {
	if t := route.Testers; t != nil && t.Cookie != nil && t.Cookie.Value != always {
		return fault.New(fault.Invalid, "ingress-nginx sends only the cookie value %q to a canary, not %q; change the testers' cookie, or use a header", always, t.Cookie.Value)
	}
	_, err := c.canary(route).Read(ctx)
	return err
}

// OpenPreview lets testers reach the candidate by the canary, which has the weight 0 where nobody else does.
func (c *Client) OpenPreview(ctx context.Context, in activities.PreviewIn) error {
	if err := c.ReadPreview(ctx, in.Route); err != nil {
		return err
	}
	if err := c.stamp(ctx, in.Write, in.Route, nothing); err != nil {
		return err
	}
	return c.put(ctx, in.Write, in.Route, func(has *unstructured.Unstructured) { letIn(has, in.Route.Testers) })
}

func nothing(*unstructured.Unstructured) error { return nil }

// letIn gives the canary the mark of testers; nil takes it away.
func letIn(has *unstructured.Unstructured, t *plan.Testers) {
	notes := has.GetAnnotations()
	for _, a := range []string{annotationHeader, annotationHeaderValue, annotationCookie} {
		delete(notes, a)
	}
	switch {
	case t == nil:
	case t.Cookie != nil:
		notes[annotationCookie] = t.Cookie.Name
	default:
		notes[annotationHeader], notes[annotationHeaderValue] = t.Header.Name, t.Header.Value
	}
	has.SetAnnotations(notes)
}

// VerifyPreview tells whether the mark is there.
func (c *Client) VerifyPreview(ctx context.Context, route activities.Route) (activities.Settled, error) {
	has, err := c.canary(route).Read(ctx)
	if err != nil {
		return activities.Settled{}, err
	}
	if !hasDoor(has) {
		return activities.Settled{Reason: fmt.Sprintf("somebody has taken the testers' mark from %s", c.canary(route).Title(route.Namespace))}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// ClosePreview takes the mark away, and with it the canary where nobody else is sent to it.
func (c *Client) ClosePreview(ctx context.Context, in activities.PreviewIn) error {
	if err := c.stamp(ctx, in.Write, in.Route, nothing); err != nil {
		return err
	}
	has, err := c.canary(in.Route).Read(ctx)
	if err != nil || has == nil {
		return err
	}
	if weightOf(has) == "0" {
		return c.canary(in.Route).Remove(ctx, in.Write)
	}
	return c.change(ctx, in.Write, in.Route, func(has *unstructured.Unstructured) { letIn(has, nil) })
}
