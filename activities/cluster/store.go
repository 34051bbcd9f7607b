// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"maps"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// store is one kind of object in one namespace.
type store[T any] interface {
	Get(context.Context, string, metav1.GetOptions) (T, error)
	Create(context.Context, T, metav1.CreateOptions) (T, error)
	Update(context.Context, T, metav1.UpdateOptions) (T, error)
	Delete(context.Context, string, metav1.DeleteOptions) error
}

// declare makes an object that Slipway owns, or gives the one that is there what renew copies.
func declare[T metav1.Object](ctx context.Context, s store[T], w activities.Write, want T, noun string, renew func(has, want T) error) error {
	if err := Stamp(want, w); err != nil {
		return err
	}
	title := fmt.Sprintf("%s %s/%s", noun, want.GetNamespace(), want.GetName())
	_, err := s.Create(ctx, want, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return Fault(err, "apply "+title)
	}
	return update(ctx, want.GetName(), "apply "+title, s.Get, s.Update, func(has T) error {
		if has.GetLabels()[LabelManagedBy] != manager {
			return fault.New(fault.Invalid, "%s is not Slipway's; rename it, its name is needed for the green track", title)
		}
		if err := Stamp(has, w); err != nil {
			return err
		}
		return renew(has, want)
	})
}

// greenMeta is the name and the labels of an object that follows the green track. The original's labels
// are left behind: some tools delete whatever carries them and is not in their repository.
func greenMeta(t plan.Target, name string) metav1.ObjectMeta {
	labels := map[string]string{LabelManagedBy: manager}
	maps.Copy(labels, greenLabels(t))
	return metav1.ObjectMeta{Name: name, Namespace: t.Namespace, Labels: labels}
}
