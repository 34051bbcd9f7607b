// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"context"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
)

// put makes the canary without a weight, looks whether its fence still holds, and only then changes it.
func (c *Client) put(ctx context.Context, w activities.Write, route activities.Route, change func(*unstructured.Unstructured)) error {
	door := c.canary(route)
	for range 3 { // somebody may delete it in between
		if err := c.make(ctx, w, route); err != nil {
			return err
		}
		err := door.Change(ctx, func(has *unstructured.Unstructured) error {
			o, err := c.get(ctx, route)
			if err != nil {
				return err
			}
			if err := cluster.Stamp(o, w); err != nil { // the team's Ingress has a newer fence
				return err
			}
			if err := cluster.Stamp(has, w); err != nil {
				return err
			}
			change(has)
			has.Object["spec"], err = paths(o, route)
			return err
		})
		if !apierrors.IsNotFound(err) {
			return cluster.Fault(err, "set "+door.Title(route.Namespace))
		}
	}
	return fmt.Errorf("set %s: somebody deletes it again and again", door.Title(route.Namespace))
}

// change writes a canary that is there; its paths stay what they are.
func (c *Client) change(ctx context.Context, w activities.Write, route activities.Route, change func(*unstructured.Unstructured)) error {
	err := c.canary(route).Change(ctx, func(has *unstructured.Unstructured) error {
		if err := cluster.Stamp(has, w); err != nil {
			return err
		}
		change(has)
		return nil
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return cluster.Fault(err, "set "+c.canary(route).Title(route.Namespace))
}

// make creates the canary with the weight 0, where it is not there.
func (c *Client) make(ctx context.Context, w activities.Write, route activities.Route) error {
	door := c.canary(route)
	has, err := door.Read(ctx)
	if err != nil || has != nil {
		return err
	}
	o, err := c.get(ctx, route)
	if err != nil {
		return err
	}
	want := door.Draft()
	want.SetAnnotations(map[string]string{annotationCanary: "true", annotationWeight: "0"})
	if want.Object["spec"], err = paths(o, route); err != nil {
		return err
	}
	return door.Put(ctx, w, want)
}

// weightOf is the weight in words; empty where there is no canary, or it has none.
func weightOf(has *unstructured.Unstructured) string {
	if has == nil {
		return ""
	}
	return has.GetAnnotations()[annotationWeight]
}

// share is the candidate's part as people read it.
func share(has *unstructured.Unstructured) string {
	if w := weightOf(has); w != "" {
		return w + " %"
	}
	return "0 %"
}

func weigh(has *unstructured.Unstructured, weight int) {
	notes := has.GetAnnotations()
	notes[annotationCanary], notes[annotationWeight] = "true", strconv.Itoa(weight)
	has.SetAnnotations(notes)
}
