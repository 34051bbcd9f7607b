// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// safeStateKey is where the ConfigMap holds the record.
const safeStateKey = "safe-state.json"

// RecordName is the name of the ConfigMap that holds a Deployment's safe state, and of its Lease.
func RecordName(deployment string) string { return "slipway-" + deployment }

// Record keeps a safe state in the ConfigMap "slipway-<deployment>" and in an annotation of the root
// Service. It is fenced and idempotent. A ConfigMap that is not Slipway's is a fault of kind Invalid; a root
// Service that is gone keeps nothing.
func (c *Client) Record(ctx context.Context, s activities.SafeState, w activities.Write) error {
	text, err := s.Text()
	if err != nil {
		return err
	}
	if err := c.keepConfigMap(ctx, s, w, text); err != nil {
		return err
	}
	services := c.kube.CoreV1().Services(s.Target.Namespace)
	what := fmt.Sprintf("record safe state on Service %s/%s", s.Target.Namespace, s.Route.Stable)
	err = update(ctx, s.Route.Stable, what, services.Get, services.Update, func(o *corev1.Service) error {
		if err := Stamp(o, w); err != nil {
			return err
		}
		o.Annotations[AnnotationSafeState] = text
		return nil
	})
	if err != nil && fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

func (c *Client) keepConfigMap(ctx context.Context, s activities.SafeState, w activities.Write, text string) error {
	maps := c.kube.CoreV1().ConfigMaps(s.Target.Namespace)
	fresh := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name: RecordName(s.Target.Deployment), Namespace: s.Target.Namespace, Labels: map[string]string{LabelManagedBy: manager},
		},
		Data: map[string]string{safeStateKey: text},
	}
	if err := Stamp(fresh, w); err != nil {
		return err
	}
	what := fmt.Sprintf("record safe state in ConfigMap %s/%s", fresh.Namespace, fresh.Name)
	_, err := maps.Create(ctx, fresh, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return Fault(err, what)
	}
	return update(ctx, fresh.Name, what, maps.Get, maps.Update, func(o *corev1.ConfigMap) error {
		if o.Labels[LabelManagedBy] != manager {
			return fault.New(fault.Invalid, "ConfigMap %s/%s exists and is not Slipway's; rename it, its name is needed for the safe state", o.Namespace, o.Name)
		}
		o.Data = fresh.Data
		return Stamp(o, w)
	})
}

// CloseRecord implements activities.Workloads. Whoever has taken the Lease since keeps a record of its own. A write
// of the same release that is still under way cannot open it again: it carries an older step.
func (c *Client) CloseRecord(ctx context.Context, in activities.CloseRecordIn) error {
	ns, name := in.Target.Namespace, RecordName(in.Target.Deployment)
	lease, err := c.kube.CoordinationV1().Leases(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return unlessMissing(err, fmt.Sprintf("get Lease %s/%s", ns, name))
	}
	if ptr.Deref(lease.Spec.HolderIdentity, "") != in.ReleaseID {
		return nil
	}
	m, err := c.kube.CoreV1().ConfigMaps(ns).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return unlessMissing(err, fmt.Sprintf("get ConfigMap %s/%s", ns, name))
	}
	s, err := activities.ParseSafeState(m.Data[safeStateKey])
	if err != nil || s.ReleaseID != in.ReleaseID || s.Ended != "" && s.Ended != activities.EndUndone {
		return nil //nolint:nilerr // what cannot be read is not this release's
	}
	s.Ended, s.EndedAt, s.EndedBy = activities.EndUndone, in.At, in.ReleaseID
	fence := activities.Fence{Release: int64(ptr.Deref(lease.Spec.LeaseTransitions, 0)), Step: 1}
	return c.Record(ctx, s, activities.Write{ReleaseID: in.ReleaseID, Fence: fence})
}

// unlessMissing is the fault that an error is; an object that is not there is none.
func unlessMissing(err error, what string) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return Fault(err, what)
}

// Recalled is a record that was found.
type Recalled struct {
	Safe activities.SafeState
	// From is the object that held it.
	From string
	// Doubt says why an earlier place did not serve; empty when the first one did.
	Doubt string
}

// Recall finds the safe state of a Deployment: in its ConfigMap, else on the root Service that names it. A
// Deployment without a record is a fault of kind NotFound.
func (c *Client) Recall(ctx context.Context, namespace, deployment string) (Recalled, error) {
	title := fmt.Sprintf("ConfigMap %s/%s", namespace, RecordName(deployment))
	m, err := c.kube.CoreV1().ConfigMaps(namespace).Get(ctx, RecordName(deployment), metav1.GetOptions{})
	doubt := title + " does not exist"
	switch {
	case err == nil:
		s, err := activities.ParseSafeState(m.Data[safeStateKey])
		if err == nil && s.Target.Deployment == deployment {
			return Recalled{Safe: s, From: title}, nil
		}
		doubt = fmt.Sprintf("%s cannot be used: %v", title, err)
	case !apierrors.IsNotFound(err):
		doubt = Fault(err, "read "+title).Error()
	}
	services, err := c.kube.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return Recalled{}, Fault(err, fmt.Sprintf("%s; list Services of %s", doubt, namespace))
	}
	for i := range services.Items {
		o := &services.Items[i]
		if s, ok := Kept(o, deployment); ok {
			return Recalled{Safe: s, From: fmt.Sprintf("Service %s/%s", namespace, o.Name), Doubt: doubt}, nil
		}
	}
	return Recalled{}, fault.New(fault.NotFound, "%s, and no Service of %s has a record of Deployment %s", doubt, namespace, deployment)
}

// Kept is the safe state of a Deployment in an object's annotation, if it can be read there.
func Kept(o metav1.Object, deployment string) (activities.SafeState, bool) {
	text, ok := o.GetAnnotations()[AnnotationSafeState]
	if !ok {
		return activities.SafeState{}, false
	}
	s, err := activities.ParseSafeState(text)
	return s, err == nil && s.Of(deployment) && s.Target.Namespace == o.GetNamespace()
}
