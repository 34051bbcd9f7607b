// SPDX-License-Identifier: Apache-2.0

package split

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// stickable refuses to make an object sticky whose owner has made it so himself.
func (c *Client) stickable(o *unstructured.Unstructured, route activities.Route) error {
	kind, ok := c.kind.(Sticker)
	if route.Sticky == "" || !ok {
		return nil
	}
	path, _ := kind.Sticky(route.Sticky)
	if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, path...); found {
		return fault.New(fault.Invalid, "%s keeps clients on one version already, as its owner wrote it; leave sticky out of the plan", c.title(route))
	}
	return nil
}

// stick makes the object keep a client on the version that it got first, where that is wished.
func (c *Client) stick(o *unstructured.Unstructured, route activities.Route) error {
	kind, ok := c.kind.(Sticker)
	if route.Sticky == "" || !ok {
		return nil
	}
	path, value := kind.Sticky(route.Sticky)
	if err := unstructured.SetNestedMap(o.Object, value, path...); err != nil {
		return fmt.Errorf("make %s sticky: %w", c.title(route), err)
	}
	notes := o.GetAnnotations()
	notes[AnnotationSticky] = route.Sticky
	o.SetAnnotations(notes)
	return nil
}

// unstick takes away what stick has put there.
func (c *Client) unstick(o *unstructured.Unstructured) {
	at := c.stuckAt(o)
	if at == nil {
		return
	}
	unstructured.RemoveNestedField(o.Object, at...)
	notes := o.GetAnnotations()
	delete(notes, AnnotationSticky)
	o.SetAnnotations(notes)
}

// stuckAt is the field that stick has written; nil where it has not.
func (c *Client) stuckAt(o *unstructured.Unstructured) []string {
	kind, ok := c.kind.(Sticker)
	cookie := o.GetAnnotations()[AnnotationSticky]
	if !ok || cookie == "" {
		return nil
	}
	path, _ := kind.Sticky(cookie)
	return path
}
