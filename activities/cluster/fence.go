// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// TakeFence makes the release the holder of the target's Lease "slipway-<deployment>". The fence is
// the Lease's number of transitions, raised by compare-and-swap; the same release gets the same fence
// however often it asks. The root Service is marked with it, since the tracks come and go: a Lease that
// was deleted begins above the fences left on the objects, whichever are left. A target belongs to the
// lane that released it first: two plans that shared one would take turns in undoing each other. The safe
// state is recorded under the new fence.
func (c *Client) TakeFence(ctx context.Context, in activities.TakeFenceIn) (int64, error) {
	leases := c.kube.CoordinationV1().Leases(in.Target.Namespace)
	name := RecordName(in.Target.Deployment)
	what := fmt.Sprintf("take Lease %s/%s", in.Target.Namespace, name)
	lease, err := leases.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: in.Target.Namespace, Labels: map[string]string{LabelManagedBy: manager},
		}}
	} else if err != nil {
		return 0, Fault(err, what)
	}
	if err := claim(lease, in); err != nil {
		return 0, err
	}
	if n := lease.Spec.LeaseTransitions; n != nil && ptr.Deref(lease.Spec.HolderIdentity, "") == in.ReleaseID {
		return int64(*n), c.sign(ctx, in, int64(*n))
	}
	last, err := c.LastFence(ctx, in.Target)
	if err != nil {
		return 0, err
	}
	if n := lease.Spec.LeaseTransitions; n != nil {
		last = max(last, *n)
	}
	next := last + 1
	lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions = &in.ReleaseID, &next
	if lease.ResourceVersion == "" {
		_, err = leases.Create(ctx, lease, metav1.CreateOptions{FieldManager: manager})
	} else {
		_, err = leases.Update(ctx, lease, metav1.UpdateOptions{FieldManager: manager})
	}
	if err != nil {
		return 0, Fault(err, what)
	}
	return int64(next), c.sign(ctx, in, int64(next))
}

// sign leaves the fence, and the safe state under it, where others find them.
func (c *Client) sign(ctx context.Context, in activities.TakeFenceIn, fence int64) error {
	if err := c.mark(ctx, in, fence); err != nil || in.Safe == nil {
		return err
	}
	return c.Record(ctx, *in.Safe, activities.Write{ReleaseID: in.ReleaseID, Fence: activities.Fence{Release: fence}})
}

// claim writes the lane on the Lease, and refuses one that another lane has claimed.
func claim(lease *coordinationv1.Lease, in activities.TakeFenceIn) error {
	if in.Lane == "" {
		return nil
	}
	owner := lease.Annotations[AnnotationLane]
	if owner != "" && owner != in.Lane {
		return fault.New(fault.Invalid, "Deployment %s/%s is released by the plan %s (last release: %s), and two plans must not release one Deployment; "+
			"if that plan was renamed to %s, run: kubectl -n %s annotate lease %s %s-",
			in.Target.Namespace, in.Target.Deployment, owner, ptr.Deref(lease.Spec.HolderIdentity, "none"), in.Lane,
			in.Target.Namespace, lease.Name, AnnotationLane)
	}
	metav1.SetMetaDataAnnotation(&lease.ObjectMeta, AnnotationLane, in.Lane)
	return nil
}

// mark leaves the fence on the root Service, the one object that outlives every release.
func (c *Client) mark(ctx context.Context, in activities.TakeFenceIn, fence int64) error {
	root, err := c.service(ctx, in.Target.Namespace, in.Target.Service)
	if err != nil || root == nil || parseFence(root.Annotations[AnnotationFence]).Release >= fence {
		return err
	}
	services := c.kube.CoreV1().Services(in.Target.Namespace)
	what := fmt.Sprintf("mark Service %s/%s", in.Target.Namespace, in.Target.Service)
	return update(ctx, in.Target.Service, what, services.Get, services.Update, func(s *corev1.Service) error {
		return Stamp(s, activities.Write{ReleaseID: in.ReleaseID, Fence: activities.Fence{Release: fence}})
	})
}

// LastFence is the highest fence on the target's own objects; 0 where none has one.
func (c *Client) LastFence(ctx context.Context, t plan.Target) (int32, error) {
	var last int64
	root, err := c.service(ctx, t.Namespace, t.Service)
	if err != nil {
		return 0, err
	}
	if root != nil {
		last = parseFence(root.Annotations[AnnotationFence]).Release
	}
	tracks := []string{t.Deployment, greenName(t)}
	if k := t.Kind; k == plan.KindStatefulSet || k == plan.KindDaemonSet {
		w, err := c.inPlace(ctx, t)
		if err != nil {
			return 0, err
		}
		last = max(last, parseFence(w.GetAnnotations()[AnnotationFence]).Release)
		tracks = nil
	}
	for _, name := range tracks {
		d, err := c.deployment(ctx, t.Namespace, name)
		if err != nil {
			return 0, err
		}
		if d != nil {
			last = max(last, parseFence(d.Annotations[AnnotationFence]).Release)
		}
	}
	return int32(last), nil
}
