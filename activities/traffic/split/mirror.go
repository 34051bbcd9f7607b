// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Copier is a kind whose object can make its router copy requests.
type Copier interface {
	// Uncopyable is why requests to the root Service cannot be copied by an object in which nothing is copied to the
	// candidate; nil where they can.
	Uncopyable(*unstructured.Unstructured, activities.Route) error
	// Copied are the percentages of the requests to the root Service of which the candidate gets a copy, one for each
	// rule that sends to the root Service.
	Copied(*unstructured.Unstructured, activities.Route) []int
	// Copy makes it so many percent in every rule that sends to the root Service. At 0 an object is as its owner
	// wrote it.
	Copy(o *unstructured.Unstructured, route activities.Route, percent int) error
	// CopyFields are the fields beside the list of backends in which a rule says it.
	CopyFields() []string
}

// ReadMirror refuses an object whose requests cannot be copied.
func (c *Client) ReadMirror(ctx context.Context, route activities.Route) error {
	kind, err := c.copier()
	if err != nil {
		return err
	}
	o, err := c.Get(ctx, route)
	if err != nil {
		return err
	}
	return kind.Uncopyable(o, route)
}

// SetMirror declares of how many requests the candidate gets a copy. The way back to 0 is open whatever somebody has
// made of the object.
func (c *Client) SetMirror(ctx context.Context, in activities.MirrorIn) error {
	kind, err := c.copier()
	if err != nil {
		return err
	}
	if in.Percent < 0 || in.Percent > 100 {
		return fault.New(fault.Invalid, "a percentage is 0 to 100, not %d", in.Percent)
	}
	return c.Update(ctx, in.Route, fmt.Sprintf("to copy %d %% of requests", in.Percent), func(o *unstructured.Unstructured) error {
		wrote := LastWeight(o, in.ReleaseID)
		if err := cluster.Stamp(o, in.Write); err != nil {
			return err
		}
		if err := kind.Copy(o, in.Route, 0); err != nil {
			return err
		}
		if in.Percent > 0 {
			if err := c.copy(kind, o, in); err != nil {
				return err
			}
		}
		return c.keepCopies(o, in, wrote)
	})
}

// copy is the way forward: what could not be given a weight gets no copies either.
func (c *Client) copy(kind Copier, o *unstructured.Unstructured, in activities.MirrorIn) error {
	if err := c.Shiftable(o, in.Route); err != nil {
		return err
	}
	if err := kind.Uncopyable(o, in.Route); err != nil {
		return err
	}
	return kind.Copy(o, in.Route, in.Percent)
}

// keepCopies notes the weight, which stays what it was, and the safe state for as long as the candidate gets anything.
func (c *Client) keepCopies(o *unstructured.Unstructured, in activities.MirrorIn, wrote int) error {
	notes := o.GetAnnotations()
	notes[AnnotationWeight] = strconv.Itoa(wrote)
	switch {
	case in.Percent == 0 && !c.shared(o, in.Route):
		delete(notes, cluster.AnnotationSafeState)
	case in.Percent > 0 && in.Safe != nil:
		text, err := in.Safe.Text()
		if err != nil {
			return err
		}
		notes[cluster.AnnotationSafeState] = text
	}
	o.SetAnnotations(notes)
	return nil
}

// shared reports whether a rule names the candidate, whatever its weight.
func (c *Client) shared(o *unstructured.Unstructured, route activities.Route) bool {
	return slices.ContainsFunc(c.shares(o, route), func(s share) bool { return s.shared })
}

// VerifyMirror tells whether the object says so, and whether the router, where it says so, has accepted it as it now
// stands.
func (c *Client) VerifyMirror(ctx context.Context, route activities.Route, percent int) (activities.Settled, error) {
	kind, err := c.copier()
	if err != nil {
		return activities.Settled{}, err
	}
	o, err := c.Get(ctx, route)
	if err != nil {
		return activities.Settled{}, err
	}
	all := kind.Copied(o, route)
	if len(all) == 0 {
		return activities.Settled{Reason: fmt.Sprintf("%s sends nothing to Service %s any more", c.title(route), route.Stable)}, nil
	}
	for _, n := range all {
		if n != percent {
			return activities.Settled{Reason: fmt.Sprintf("%s copies %d %% of requests", c.title(route), n)}, nil
		}
	}
	reason := c.kind.Unsettled(o)
	return activities.Settled{Settled: reason == "", Reason: reason}, nil
}

func (c *Client) copier() (Copier, error) {
	kind, ok := c.kind.(Copier)
	if !ok {
		return nil, fault.New(fault.Invalid, "this router cannot copy requests; take mirror out of the plan, or name a router that can")
	}
	return kind, nil
}

// copied is the largest percentage of requests of which the candidate gets a copy; 0: nothing is copied.
func (c *Client) copied(o *unstructured.Unstructured, route activities.Route) int {
	kind, ok := c.kind.(Copier)
	if !ok {
		return 0
	}
	return slices.Max(append(kind.Copied(o, route), 0))
}

// uncopy takes copies out of an object: beside weights there are none.
func (c *Client) uncopy(o *unstructured.Unstructured, route activities.Route) error {
	kind, ok := c.kind.(Copier)
	if !ok {
		return nil
	}
	return kind.Copy(o, route, 0)
}
