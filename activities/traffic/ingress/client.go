// SPDX-License-Identifier: Apache-2.0

package ingress

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// The annotations of ingress-nginx.
const (
	annotationCanary      = "nginx.ingress.kubernetes.io/canary"
	annotationWeight      = "nginx.ingress.kubernetes.io/canary-weight"
	annotationHeader      = "nginx.ingress.kubernetes.io/canary-by-header"
	annotationHeaderValue = "nginx.ingress.kubernetes.io/canary-by-header-value"
	annotationCookie      = "nginx.ingress.kubernetes.io/canary-by-cookie"
)

// Client is the Ingresses of one cluster.
type Client struct{ objects dynamic.Interface }

// New uses a client; its rate limits should leave room for an undo.
func New(objects dynamic.Interface) *Client { return &Client{objects: objects} }

var (
	_ activities.Router    = (*Client)(nil)
	_ activities.Previewer = (*Client)(nil)
)

// Kinds are the objects that can hold the record of a release.
func Kinds() []split.Object {
	return []split.Object{{
		Resource: schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
		Kind:     "Ingress", Field: "spec.traffic.ingress.name",
	}}
}

func object(name string) split.Object {
	out := Kinds()[0]
	out.Name = name
	return out
}

func title(route activities.Route) string {
	return object(route.Traffic.Ingress.Name).Title(route.Namespace)
}

// canary is the second Ingress.
func (c *Client) canary(route activities.Route) split.Companion {
	return split.Companion{Objects: c.objects, Namespace: route.Namespace, Object: object(route.Traffic.Ingress.Name + "-canary")}
}

func (c *Client) ingresses(namespace string) dynamic.ResourceInterface {
	return c.objects.Resource(Kinds()[0].Resource).Namespace(namespace)
}

func (c *Client) get(ctx context.Context, route activities.Route) (*unstructured.Unstructured, error) {
	o, err := c.ingresses(route.Namespace).Get(ctx, route.Traffic.Ingress.Name, metav1.GetOptions{})
	if split.Unserved(err) {
		return nil, split.NotServed(err, object(route.Traffic.Ingress.Name))
	}
	if apierrors.IsNotFound(err) {
		return nil, fault.New(fault.NotFound, "%s does not exist; create it, or correct spec.traffic.ingress.name (%w)", title(route), err)
	}
	return o, cluster.Fault(err, "get "+title(route))
}

// Read returns the candidate's weight, which is 0: an Ingress whose requests the annotations could not reach,
// or that has a canary already, is refused.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	o, err := c.get(ctx, route)
	if err != nil {
		return 0, err
	}
	if o.GetDeletionTimestamp() != nil {
		return 0, fault.New(fault.Invalid, "%s is being deleted; wait until it is gone, create it anew, then release again", title(route))
	}
	if err := c.shiftable(ctx, o, route); err != nil {
		return 0, err
	}
	has, err := c.canary(route).Read(ctx)
	if err != nil || has == nil {
		return 0, err
	}
	return 0, fault.New(fault.Edited, "%s sends %s to Service %s already; was a release ended by force? Delete it, then release again",
		c.canary(route).Title(route.Namespace), share(has), route.Candidate)
}

// Set declares the candidate's weight. The way back to 0 is open whatever somebody has made of the two.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	if in.Weight < 0 || in.Weight > 100 {
		return fault.New(fault.Invalid, "a weight is 0 to 100, not %d", in.Weight)
	}
	if in.Weight == 0 {
		return c.takeOut(ctx, in)
	}
	o, err := c.get(ctx, in.Route)
	if err == nil {
		err = cluster.Stamp(o.DeepCopy(), in.Write) // one that is late has nothing to say about the rest
	}
	if err != nil {
		return err
	}
	if !in.TakeBack {
		if err := c.untouched(ctx, o, in); err != nil {
			return err
		}
	}
	if err := c.shiftable(ctx, o, in.Route); err != nil {
		return err
	}
	if err := c.fence(ctx, in); err != nil {
		return err
	}
	return c.put(ctx, in.Write, in.Route, func(has *unstructured.Unstructured) { weigh(has, in.Weight) })
}

// untouched finds the canary as this release left it, or as it is about to write it.
func (c *Client) untouched(ctx context.Context, o *unstructured.Unstructured, in activities.SetTrafficWeightIn) error {
	has, err := c.canary(in.Route).Read(ctx)
	if err != nil {
		return err
	}
	wrote := split.LastWeight(o, in.ReleaseID)
	now := weightOf(has)
	if now == strconv.Itoa(wrote) || now == strconv.Itoa(in.Weight) || now == "" && wrote == 0 {
		return nil
	}
	return c.edited(has, in.Route, wrote)
}

// edited says who has made what of the weight that Slipway wrote.
func (c *Client) edited(has *unstructured.Unstructured, route activities.Route, wrote int) error {
	by := "somebody"
	if has != nil {
		by = cluster.Editor(has, "metadata", "annotations", annotationWeight)
	}
	return fault.New(fault.Edited, "%s has set %s to %s since Slipway set it to %d %% (annotation %s)",
		by, c.canary(route).Title(route.Namespace), share(has), wrote, annotationWeight)
}

// Untouched implements activities.Weigher.
func (c *Client) Untouched(ctx context.Context, route activities.Route, weight int) error {
	has, err := c.canary(route).Read(ctx)
	if err != nil || weightOf(has) == strconv.Itoa(weight) {
		return err
	}
	return c.edited(has, route, weight)
}

// fence leaves the fence, the weight and the safe state on the team's Ingress.
func (c *Client) fence(ctx context.Context, in activities.SetTrafficWeightIn) error {
	return c.stamp(ctx, in.Write, in.Route, func(o *unstructured.Unstructured) error { return split.Keep(o, in) })
}

func (c *Client) stamp(ctx context.Context, w activities.Write, route activities.Route, note func(*unstructured.Unstructured) error) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		o, err := c.get(ctx, route)
		if err != nil {
			return err
		}
		if err := cluster.Stamp(o, w); err != nil {
			return err
		}
		if err := note(o); err != nil {
			return err
		}
		_, err = c.ingresses(route.Namespace).Update(ctx, o, metav1.UpdateOptions{FieldManager: split.Manager})
		return err
	})
	return cluster.Fault(err, "mark "+title(route))
}

// takeOut removes the canary, or leaves it without a weight while testers are let in, also where the team's
// Ingress is gone.
func (c *Client) takeOut(ctx context.Context, in activities.SetTrafficWeightIn) error {
	gone := c.fence(ctx, in)
	if gone != nil && fault.Of(gone) != fault.NotFound {
		return gone
	}
	return errors.Join(gone, c.clear(ctx, in))
}

func (c *Client) clear(ctx context.Context, in activities.SetTrafficWeightIn) error {
	has, err := c.canary(in.Route).Read(ctx)
	switch {
	case err != nil && fault.Of(err) == fault.Invalid: // one of the team's
		return nil
	case err != nil:
		return err
	case hasDoor(has):
		return c.change(ctx, in.Write, in.Route, func(o *unstructured.Unstructured) { weigh(o, 0) })
	}
	return c.canary(in.Route).Remove(ctx, in.Write)
}

// Verify tells whether the canary stands with this weight and the paths of the team's Ingress.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	o, err := c.get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	has, err := c.canary(route).Read(ctx)
	if err != nil {
		return activities.Settled{}, err
	}
	now := weightOf(has)
	if now == "" {
		now = "0"
	}
	if now != strconv.Itoa(weight) {
		return activities.Settled{Reason: fmt.Sprintf("%s is set to %s", c.canary(route).Title(route.Namespace), share(has))}, nil
	}
	if has != nil && !follows(has, o, route) {
		return activities.Settled{Reason: fmt.Sprintf("%s does not have the paths of %s", c.canary(route).Title(route.Namespace), title(route))}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// Present is the candidate's share, whoever wrote it; false where it is no whole percentage.
func (c *Client) Present(ctx context.Context, route activities.Route) (int, bool, error) {
	has, err := c.canary(route).Read(ctx)
	if err != nil {
		return 0, false, err
	}
	if has == nil {
		return 0, true, nil
	}
	w, err := strconv.Atoi(weightOf(has))
	return w, err == nil && w >= 0 && w <= 100, nil
}

// Look returns nil where the team's Ingress does not exist. It changes nothing.
func (c *Client) Look(ctx context.Context, route activities.Route) (*split.Seen, error) {
	if _, err := c.get(ctx, route); err != nil {
		if fault.Of(err) == fault.NotFound {
			return nil, nil
		}
		return nil, err
	}
	has, err := c.canary(route).Read(ctx)
	if err != nil && fault.Of(err) != fault.Invalid {
		return nil, err
	}
	if has == nil || err != nil {
		return &split.Seen{Share: "0 %"}, nil
	}
	remove := "delete " + split.Argument(c.canary(route).Object)
	out := &split.Seen{Share: share(has), Shared: weightOf(has) != "0"}
	if out.Shared {
		out.Undo = remove
	}
	if hasDoor(has) {
		out.Preview, out.ClosePreview = "Ingress "+has.GetName(), remove
	}
	return out, nil
}
