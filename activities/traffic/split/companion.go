// SPDX-License-Identifier: Apache-2.0

package split

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Companion is an object that Slipway makes beside one of the team's, and takes away again.
type Companion struct {
	Objects   dynamic.Interface
	Namespace string
	Object
}

func (c Companion) resource() dynamic.ResourceInterface {
	return c.Objects.Resource(c.Resource).Namespace(c.Namespace)
}

func (c Companion) title() string { return c.Title(c.Namespace) }

// Read returns nil where there is none, and refuses one that somebody else has made.
func (c Companion) Read(ctx context.Context) (*unstructured.Unstructured, error) {
	o, err := c.resource().Get(ctx, c.Name, metav1.GetOptions{})
	switch {
	case Unserved(err):
		return nil, NotServed(err, c.Object)
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, cluster.Fault(err, "get "+c.title())
	}
	return o, c.ours(o)
}

// ours refuses to touch an object that somebody else has made.
func (c Companion) ours(o *unstructured.Unstructured) error {
	if o.GetLabels()[cluster.LabelManagedBy] == Manager {
		return nil
	}
	return fault.New(fault.Invalid, "%s exists and is not Slipway's; rename it, its name is needed", c.title())
}

// Draft is the object with nothing but its name and the mark that it is Slipway's.
func (c Companion) Draft() *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{}}
	o.SetAPIVersion(c.Resource.GroupVersion().String())
	o.SetKind(c.Kind)
	o.SetName(c.Name)
	o.SetNamespace(c.Namespace)
	o.SetLabels(map[string]string{cluster.LabelManagedBy: Manager})
	return o
}

// Put declares the companion: what is there already is changed until it is as wanted. It is fenced, and
// finds again what it has created when the answer was lost.
func (c Companion) Put(ctx context.Context, w activities.Write, want *unstructured.Unstructured) error {
	what := "apply " + c.title()
	if err := cluster.Stamp(want, w); err != nil {
		return err
	}
	_, err := c.resource().Create(ctx, want, metav1.CreateOptions{FieldManager: Manager})
	if Unserved(err) {
		return NotServed(err, c.Object)
	}
	if !apierrors.IsAlreadyExists(err) {
		return cluster.Fault(err, what)
	}
	err = c.Change(ctx, func(has *unstructured.Unstructured) error {
		if err := cluster.Stamp(has, w); err != nil {
			return err
		}
		has.Object["spec"] = want.DeepCopy().Object["spec"]
		return nil
	})
	return cluster.Fault(err, what)
}

// Change reads, changes and writes the companion, if it is Slipway's, and begins again when somebody wrote in
// between. It writes only where the change makes a difference. One that is gone is the API's own error.
func (c Companion) Change(ctx context.Context, change func(*unstructured.Unstructured) error) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		has, err := c.resource().Get(ctx, c.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		before := has.DeepCopy()
		if err := c.ours(has); err != nil {
			return err
		}
		if err := change(has); err != nil || equality.Semantic.DeepEqual(before, has) {
			return err
		}
		_, err = c.resource().Update(ctx, has, metav1.UpdateOptions{FieldManager: Manager})
		return err
	})
}

// Remove deletes the companion, if it is there and Slipway's: exactly the one it has looked at, as it was then.
func (c Companion) Remove(ctx context.Context, w activities.Write) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		has, err := c.resource().Get(ctx, c.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := errors.Join(c.ours(has), cluster.Stamp(has, w)); err != nil {
			return err
		}
		return c.resource().Delete(ctx, c.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: new(has.GetUID()), ResourceVersion: new(has.GetResourceVersion())},
		})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return cluster.Fault(err, fmt.Sprintf("delete %s", c.title()))
}
