// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Annotations that Slipway puts on a routed object.
const (
	// AnnotationWeight holds the candidate's weight that Slipway wrote last. Where it differs from the
	// object, somebody else has written.
	AnnotationWeight = "slipway.dev/weight"
	// AnnotationOriginal holds the weights that the object's owner gave the root Service, as JSON, one for each
	// list that is shifted, null for none. It is there while the candidate's entry is.
	AnnotationOriginal = "slipway.dev/original-weights"
	// AnnotationSticky holds the cookie that Slipway has put into an object, while it is there.
	AnnotationSticky = "slipway.dev/sticky"
)

// Manager is the field manager of every write, and the value of the label on what Slipway has made.
const Manager = "slipway"

// Client shifts the objects of one kind in one cluster.
type Client struct {
	objects dynamic.Interface
	kind    Kind
}

// New uses a client; its rate limits should leave room for an undo.
func New(objects dynamic.Interface, kind Kind) *Client { return &Client{objects: objects, kind: kind} }

var _ activities.Router = (*Client)(nil)

// Read returns the candidate's weight, which is 0: an object that cannot be shifted, or that names the
// candidate's Service already, is refused.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	o, err := c.Get(ctx, route)
	if err != nil {
		return 0, err
	}
	if o.GetDeletionTimestamp() != nil {
		return 0, fault.New(fault.Invalid, "%s is being deleted; wait until it is gone, create it anew, then release again", c.title(route))
	}
	if n := c.copied(o, route); n > 0 {
		return 0, fault.New(fault.Edited, "%s sends copies of %d %% of requests to Service %s already; was a release ended by force? Take them out, then release again",
			c.title(route), n, route.Candidate)
	}
	if err := c.Shiftable(o, route); err != nil {
		return 0, err
	}
	if err := c.stickable(o, route); err != nil {
		return 0, err
	}
	for _, s := range c.shares(o, route) {
		if s.shared {
			return 0, fault.New(fault.Edited, "%s sends %s to Service %s already; was a release ended by force? Take that backend out, then release again",
				c.title(route), s, route.Candidate)
		}
	}
	return 0, nil
}

// Set declares the candidate's weight. The way back to 0 is open whatever somebody has made of the object.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	if in.Weight < 0 || in.Weight > 100 {
		return fault.New(fault.Invalid, "a weight is 0 to 100, not %d", in.Weight)
	}
	return c.Update(ctx, in.Route, fmt.Sprintf("to %d %%", in.Weight), func(o *unstructured.Unstructured) error {
		wrote := LastWeight(o, in.ReleaseID)
		if err := cluster.Stamp(o, in.Write); err != nil {
			return err
		}
		err := c.uncopy(o, in.Route)
		if err != nil {
			return err
		}
		if in.Weight == 0 {
			err = c.takeOut(o, in.Route)
		} else {
			err = errors.Join(c.shift(o, in, wrote), c.stick(o, in.Route))
		}
		if err != nil {
			return err
		}
		return Keep(o, in)
	})
}

// Update reads, changes and writes the routed object, and begins again when somebody wrote in between.
func (c *Client) Update(ctx context.Context, route activities.Route, what string, change func(*unstructured.Unstructured) error) error {
	objects := c.resource(route)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		o, err := c.Get(ctx, route)
		if err != nil {
			return err
		}
		if err := change(o); err != nil {
			return err
		}
		_, err = objects.Update(ctx, o, metav1.UpdateOptions{FieldManager: Manager})
		return err
	})
	return cluster.Fault(err, fmt.Sprintf("set %s %s", c.title(route), what))
}

// Verify tells whether the object stands with this weight, and whether the router, where it says so, has
// accepted it as it now stands.
func (c *Client) Verify(ctx context.Context, route activities.Route, weight int) (activities.Settled, error) {
	o, err := c.Get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	if n := c.copied(o, route); n > 0 {
		return activities.Settled{Reason: fmt.Sprintf("%s copies %d %% of requests", c.title(route), n)}, nil
	}
	for _, s := range c.shares(o, route) {
		if !s.is(weight) {
			return activities.Settled{Reason: fmt.Sprintf("%s is set to %s", c.title(route), s)}, nil
		}
	}
	if reason := c.kind.Unsettled(o); reason != "" {
		return activities.Settled{Reason: reason}, nil
	}
	return activities.Settled{Settled: true}, nil
}

// Present is the candidate's share, whoever wrote it; false where the rules differ, or do not sum to 100.
func (c *Client) Present(ctx context.Context, route activities.Route) (int, bool, error) {
	o, err := c.Get(ctx, route)
	if err != nil {
		return 0, false, err
	}
	all := c.shares(o, route)
	if len(all) == 0 {
		return 0, false, nil
	}
	present := int(all[0].candidate)
	for _, s := range all {
		if !s.is(present) {
			return 0, false, nil
		}
	}
	return present, true, nil
}

// Untouched implements activities.Weigher.
func (c *Client) Untouched(ctx context.Context, route activities.Route, weight int) error {
	o, err := c.Get(ctx, route)
	if err != nil {
		return err
	}
	return c.untouched(o, activities.SetTrafficWeightIn{Route: route, Weight: weight}, weight)
}

// Get reads the routed object. What is missing is told apart: the object, or its whole kind.
func (c *Client) Get(ctx context.Context, route activities.Route) (*unstructured.Unstructured, error) {
	o, err := c.resource(route).Get(ctx, c.kind.Object(route).Name, metav1.GetOptions{})
	return o, c.fault(err, route)
}

func (c *Client) fault(err error, route activities.Route) error {
	at := c.kind.Object(route)
	switch {
	case Unserved(err):
		return NotServed(err, at)
	case apierrors.IsNotFound(err):
		return fault.New(fault.NotFound, "%s does not exist; create it, or correct %s (%w)", c.title(route), at.Field, err)
	}
	return cluster.Fault(err, "get "+c.title(route))
}

// Unserved reports whether an error says that the cluster does not know the kind of the object, which is
// 404 as well: the API server's answer then names no object, or is no Status at all.
func Unserved(err error) bool {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) {
		return false
	}
	details := status.Status().Details
	return details == nil || details.Name == "" || slices.ContainsFunc(details.Causes, func(c metav1.StatusCause) bool {
		return c.Type == metav1.CauseTypeUnexpectedServerResponse
	})
}

// NotServed is the fault of a kind that the cluster does not know.
func NotServed(err error, at Object) error {
	return fault.New(fault.Invalid, "the cluster does not serve %s in %s; install its CustomResourceDefinitions, in a release that has this version, "+
		"or name another router in spec.traffic (%w)", at.Kind, at.Resource.GroupVersion(), err)
}

func (c *Client) resource(route activities.Route) dynamic.ResourceInterface {
	return c.objects.Resource(c.kind.Object(route).Resource).Namespace(route.Namespace)
}

func (c *Client) title(route activities.Route) string {
	return c.kind.Object(route).Title(route.Namespace)
}

// LastWeight is what this release wrote last; 0 before its first write, whatever an earlier release that
// was ended by force has left in the annotation. What is not a number is 0.
func LastWeight(o metav1.Object, release string) int {
	w, err := strconv.Atoi(o.GetAnnotations()[AnnotationWeight])
	if err != nil || o.GetAnnotations()[cluster.AnnotationRelease] != release {
		return 0
	}
	return w
}

// Keep notes the weight, and the safe state for as long as the candidate has a share.
func Keep(o metav1.Object, in activities.SetTrafficWeightIn) error {
	notes := o.GetAnnotations()
	notes[AnnotationWeight] = strconv.Itoa(in.Weight)
	switch {
	case in.Weight == 0:
		delete(notes, cluster.AnnotationSafeState)
	case in.Safe != nil:
		text, err := in.Safe.Text()
		if err != nil {
			return err
		}
		notes[cluster.AnnotationSafeState] = text
	}
	o.SetAnnotations(notes)
	return nil
}
