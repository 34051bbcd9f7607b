// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// SwitchService declares what the root Service selects, in one write. The selector that its owner
// wrote is kept in an annotation for the day the roles are swapped back.
func (c *Client) SwitchService(ctx context.Context, in activities.SwitchServiceIn) error {
	services := c.kube.CoreV1().Services(in.Namespace)
	what := fmt.Sprintf("switch Service %s/%s", in.Namespace, in.Service)
	return update(ctx, in.Service, what, services.Get, services.Update, func(s *corev1.Service) error {
		if err := Stamp(s, in.Write); err != nil {
			return err
		}
		if !isOwn(s.Spec.Selector) && !maps.Equal(s.Spec.Selector, in.Selector) {
			original, err := json.Marshal(s.Spec.Selector)
			if err != nil {
				return fmt.Errorf("keep selector: %w", err)
			}
			s.Annotations[AnnotationSelector] = string(original)
		}
		s.Spec.Selector = in.Selector
		return nil
	})
}

// isOwn reports whether a selector is one that Slipway gives the root Service for a while.
func isOwn(selector map[string]string) bool {
	return selector[LabelTrack] == green || len(selector) == 1 && selector[LabelService] != ""
}

// SizeTrack declares how many pods a Deployment has.
func (c *Client) SizeTrack(ctx context.Context, in activities.SizeTrackIn) error {
	deployments := c.kube.AppsV1().Deployments(in.Namespace)
	what := fmt.Sprintf("size Deployment %s/%s", in.Namespace, in.Deployment)
	return update(ctx, in.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		d.Spec.Replicas = &in.Replicas
		return Stamp(d, in.Write)
	})
}

// RetireTrack scales a track to zero, puts its former image back where asked, and deletes what the
// release itself has made. What is not there is retired already. The record of the safe state is ended
// last: until then a person can still restore it.
func (c *Client) RetireTrack(ctx context.Context, in activities.RetireTrackIn) error {
	deployments := c.kube.AppsV1().Deployments(in.Namespace)
	what := fmt.Sprintf("retire Deployment %s/%s", in.Namespace, in.Deployment)
	err := update(ctx, in.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		if err := ours(d); in.DeleteDeployment && err != nil {
			return err
		}
		d.Spec.Replicas = ptr.To[int32](0)
		if in.Image != "" {
			target, err := container(d, in.Container)
			if err != nil {
				return err
			}
			target.Image = in.Image
		}
		return Stamp(d, in.Write)
	})
	if err != nil && fault.Of(err) != fault.NotFound {
		return err
	}
	if in.DeleteDeployment {
		if err := remove(ctx, in.Write, in.Deployment, what, deployments.Get, deployments.Delete); err != nil {
			return err
		}
	}
	if in.DeleteService != "" {
		services := c.kube.CoreV1().Services(in.Namespace)
		what = fmt.Sprintf("delete Service %s/%s", in.Namespace, in.DeleteService)
		if err := remove(ctx, in.Write, in.DeleteService, what, services.Get, services.Delete); err != nil {
			return err
		}
	}
	if in.Finish == nil {
		return nil
	}
	return c.Record(ctx, *in.Finish, in.Write)
}

// remove deletes an object if it is there and Slipway's: exactly the one it has looked at, as it was then.
func remove[T metav1.Object](
	ctx context.Context, w activities.Write, name, what string,
	get func(context.Context, string, metav1.GetOptions) (T, error),
	del func(context.Context, string, metav1.DeleteOptions) error,
) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		o, err := get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := errors.Join(ours(o), fenced(o, w)); err != nil {
			return err
		}
		return del(ctx, name, metav1.DeleteOptions{
			PropagationPolicy: ptr.To(metav1.DeletePropagationBackground),
			Preconditions:     &metav1.Preconditions{UID: new(o.GetUID()), ResourceVersion: new(o.GetResourceVersion())},
		})
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return Fault(err, what)
}

// ours refuses to delete what somebody has taken over.
func ours(o metav1.Object) error {
	if o.GetLabels()[LabelManagedBy] == manager {
		return nil
	}
	return fault.New(fault.Edited, "it no longer carries the label %s=%s; it is left as it is", LabelManagedBy, manager)
}
