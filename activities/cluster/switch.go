// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
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

// SwitchService declares what the root Service selects, in one write, and turns the plan's other Services
// after it. The selector that an owner wrote is kept in an annotation for the day the roles are swapped back.
func (c *Client) SwitchService(ctx context.Context, in activities.SwitchServiceIn) error {
	err := c.point(ctx, in, in.Service, func(*corev1.Service) map[string]string { return in.Selector })
	if err != nil {
		return err
	}
	for _, name := range in.Also {
		err := c.point(ctx, in, name, func(s *corev1.Service) map[string]string {
			switch green {
			case in.Selector[LabelTrack]:
				return in.Selector
			case s.Spec.Selector[LabelTrack]:
				return owners(s, s.Spec.Selector)
			}
			return s.Spec.Selector
		})
		if err != nil && fault.Of(err) != fault.NotFound { // one that somebody has deleted needs no turning
			return err
		}
	}
	return nil
}

// point writes what one Service selects.
func (c *Client) point(ctx context.Context, in activities.SwitchServiceIn, name string, to func(*corev1.Service) map[string]string) error {
	services := c.kube.CoreV1().Services(in.Namespace)
	what := fmt.Sprintf("switch Service %s/%s", in.Namespace, name)
	return update(ctx, name, what, services.Get, services.Update, func(s *corev1.Service) error {
		if err := Stamp(s, in.Write); err != nil {
			return err
		}
		selector := to(s)
		if !isOwn(s.Spec.Selector) && !maps.Equal(s.Spec.Selector, selector) {
			original, err := json.Marshal(s.Spec.Selector)
			if err != nil {
				return fmt.Errorf("keep selector: %w", err)
			}
			s.Annotations[AnnotationSelector] = string(original)
		}
		s.Spec.Selector = selector
		return nil
	})
}

// isOwn reports whether a selector is one that Slipway gives the root Service for a while.
func isOwn(selector map[string]string) bool {
	return selector[LabelTrack] == green || len(selector) == 1 && selector[LabelService] != ""
}

// RetireTrack takes a track out of service: it is scaled down, its former image is put back where asked,
// and what the release itself has made is deleted, with all that followed it. What is not there is retired
// already. The record of the safe state is ended last: until then a person can still restore it.
func (c *Client) RetireTrack(ctx context.Context, in activities.RetireTrackIn) error {
	if err := c.inherited(ctx, in); err != nil {
		return err
	}
	if err := c.spared(ctx, in); err != nil {
		return err
	}
	config, err := c.lastConfig(ctx, in)
	if err != nil {
		return err
	}
	deployments := c.kube.AppsV1().Deployments(in.Namespace)
	what := fmt.Sprintf("retire Deployment %s/%s", in.Namespace, in.Deployment)
	err = update(ctx, in.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		if err := ours(d); in.DeleteDeployment && err != nil {
			return err
		}
		if err := provenOld(d, in); err != nil {
			return err
		}
		return layDown(d, in, config)
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
	if err := c.tidy(ctx, in); err != nil || in.Finish == nil {
		return err
	}
	return c.Record(ctx, *in.Finish, in.Write)
}

// provenOld refuses to take a track out of service that somebody has given another image since: it may be what
// is meant to serve.
func provenOld(d *appsv1.Deployment, in activities.RetireTrackIn) error {
	if in.Was == "" {
		return nil
	}
	target, err := container(d, in.Target.Container)
	if err != nil || target.Image == in.Was {
		return err
	}
	return fault.New(fault.Edited, "%s has set its image to %s, which was %s; it is left as it is", imageEditor(d, target.Name), target.Image, in.Was)
}

// inherited tells that the heir of a track does not serve in its place: as somebody has turned the Service
// elsewhere or given the heir another image, which is for people to sort out, or as pods of it are missing
// just now.
func (c *Client) inherited(ctx context.Context, in activities.RetireTrackIn) error {
	h := in.Heir
	if h == nil {
		return nil
	}
	what := fmt.Sprintf("retire Deployment %s/%s", in.Namespace, in.Deployment)
	root, err := c.service(ctx, in.Namespace, h.Service)
	if err != nil {
		return err
	}
	if root == nil || !maps.Equal(root.Spec.Selector, h.Selector) {
		return fault.New(fault.Edited, "%s: Service %s does not select the pods of %s any more; it is left as it is", what, h.Service, h.Deployment)
	}
	d, err := c.deployment(ctx, in.Namespace, h.Deployment)
	if err != nil {
		return err
	}
	if d == nil || !runs(d, in.Target.Container, h.Image) {
		return fault.New(fault.Edited, "%s: Deployment %s, which took over from it, does not run %s any more; it is left as it is", what, h.Deployment, h.Image)
	}
	// Its owner may have scaled it down since; to nothing is no taking over.
	if n, want := d.Status.AvailableReplicas, max(1, min(h.Replicas, replicas(d))); n < want {
		return fmt.Errorf("%s: of Deployment %s, which took over from it, %d of %d pods are ready", what, h.Deployment, n, want)
	}
	return nil
}

// spared tells that the root Service leads to the track that is to go. A release turns it away first, so somebody
// else has turned it back.
func (c *Client) spared(ctx context.Context, in activities.RetireTrackIn) error {
	s := in.Spare
	if s == nil {
		return nil
	}
	root, err := c.service(ctx, in.Namespace, s.Service)
	if err != nil {
		return err
	}
	if root != nil && maps.Equal(root.Spec.Selector, s.Selector) {
		return fault.New(fault.Edited, "retire Deployment %s/%s: Service %s selects its pods, so that it serves; it is left as it is",
			in.Namespace, in.Deployment, s.Service)
	}
	return nil
}

// runs reports whether a Deployment declares an image.
func runs(d *appsv1.Deployment, name, image string) bool {
	has, err := container(d, name)
	return err == nil && has.Image == image
}

// lastConfig freezes what a track that is put away has named, for the day it is brought back. A track
// that names snapshots already has nothing to remember.
func (c *Client) lastConfig(ctx context.Context, in activities.RetireTrackIn) (naming, error) {
	if undoes(in) || in.Target.Tracks != nil || !in.Config.Snapshots() {
		return naming{}, nil
	}
	d, err := c.deployment(ctx, in.Namespace, in.Deployment)
	if err != nil || d == nil {
		return naming{}, err
	}
	target, err := container(d, in.Target.Container)
	if err != nil {
		return naming{}, err
	}
	out, err := c.snapshot(ctx, freezing{write: in.Write, target: in.Target, config: in.Config, keep: true}, &d.Spec.Template.Spec)
	out.Image = target.Image
	for _, n := range []map[string]string{out.Maps, out.Secrets} {
		maps.DeleteFunc(n, func(name, frozen string) bool { return name == frozen })
	}
	return out, err
}

// layDown gives a retired track its last size, image and configuration.
func layDown(d *appsv1.Deployment, in activities.RetireTrackIn, config naming) error {
	if former := namingOf(d, AnnotationFormer); undoes(in) && former.Release == cmp.Or(in.Undoes, in.ReleaseID) {
		former.rename(&d.Spec.Template.Spec)
	}
	d.Spec.Replicas = &in.Replicas
	if in.Image != "" {
		target, err := container(d, in.Container)
		if err != nil {
			return err
		}
		target.Image = in.Image
	}
	if err := Stamp(d, in.Write); err != nil {
		return err
	}
	delete(d.Annotations, AnnotationFormer)
	if undoes(in) {
		return nil
	}
	delete(d.Annotations, AnnotationConfig)
	if config.empty() {
		return nil
	}
	text, err := config.text()
	if err == nil {
		d.Annotations[AnnotationConfig] = text
	}
	return err
}

// tidy puts away what releases have made around their tracks and nobody needs any more.
func (c *Client) tidy(ctx context.Context, in activities.RetireTrackIn) error {
	if in.Target.Deployment == "" {
		return nil
	}
	if err := c.unscale(ctx, in); err != nil {
		return err
	}
	if err := c.discard(ctx, in); err != nil || !in.DeleteDeployment {
		return err
	}
	return c.unfollow(ctx, in.Write, in.Target)
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
