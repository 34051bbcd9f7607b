// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// AnnotationFloor on a HorizontalPodAutoscaler holds "<its own minReplicas> of <what Slipway wrote>" for
// the time of a release.
const AnnotationFloor = "slipway.dev/floor"

// autoscalers are the HorizontalPodAutoscalers of a namespace.
func (c *Client) autoscalers(ctx context.Context, namespace string) ([]autoscalingv2.HorizontalPodAutoscaler, error) {
	all, err := c.kube.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, Fault(err, "list HorizontalPodAutoscalers of "+namespace)
	}
	return all.Items, nil
}

// autoscalerOf is the one of a Deployment; nil where nothing but people scales it.
func autoscalerOf(all []autoscalingv2.HorizontalPodAutoscaler, deployment string) *autoscalingv2.HorizontalPodAutoscaler {
	i := slices.IndexFunc(all, func(h autoscalingv2.HorizontalPodAutoscaler) bool {
		return h.Spec.ScaleTargetRef.Kind == "Deployment" && h.Spec.ScaleTargetRef.Name == deployment
	})
	if i < 0 {
		return nil
	}
	return &all[i]
}

// scale prepares the autoscalers for a release: green gets one like blue's, and neither track is scaled
// below the size that the release counts on, however little traffic it gets for a while. It reports
// whether the candidate has one.
func (c *Client) scale(ctx context.Context, d candidate) (bool, error) {
	in, t := d.DeployCandidateIn, d.Target
	all, err := c.autoscalers(ctx, t.Namespace)
	if err != nil {
		return false, err
	}
	own := autoscalerOf(all, t.Deployment)
	if in.Tracks.Candidate != t.Deployment && t.Tracks == nil {
		if own, err = c.followAutoscaler(ctx, in, own); err != nil {
			return false, err
		}
		if own != nil {
			all = append(all, *own)
		}
	}
	if err := c.hold(ctx, in.Write, autoscalerOf(all, in.Tracks.Stable), d.full); err != nil {
		return false, err
	}
	scaler := autoscalerOf(all, in.Tracks.Candidate)
	return scaler != nil, c.hold(ctx, in.Write, scaler, d.size)
}

// followAutoscaler declares green's autoscaler after blue's, and deletes it where blue has none any more.
func (c *Client) followAutoscaler(
	ctx context.Context, in activities.DeployCandidateIn, of *autoscalingv2.HorizontalPodAutoscaler,
) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	if of == nil {
		return nil, c.dropAutoscaler(ctx, in.Write, in.Tracks.Candidate, in.Target.Namespace)
	}
	want := copyAutoscaler(of, in)
	scalers := c.kube.AutoscalingV2().HorizontalPodAutoscalers(want.Namespace)
	err := declare(ctx, scalers, in.Write, want, "HorizontalPodAutoscaler", func(has, want *autoscalingv2.HorizontalPodAutoscaler) error {
		has.Spec = want.Spec
		delete(has.Annotations, AnnotationFloor)
		return nil
	})
	return want, err
}

// copyAutoscaler is blue's autoscaler for green, with the limits that blue's owner wrote.
func copyAutoscaler(of *autoscalingv2.HorizontalPodAutoscaler, in activities.DeployCandidateIn) *autoscalingv2.HorizontalPodAutoscaler {
	out := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: greenMeta(in.Target, named(of.Name, "-"+green)), Spec: *of.Spec.DeepCopy(),
	}
	out.Spec.ScaleTargetRef.Name = in.Tracks.Candidate
	if own, written, ok := floorOf(of); ok && written == ptr.Deref(of.Spec.MinReplicas, 1) {
		out.Spec.MinReplicas = &own
	}
	return out
}

// dropAutoscaler deletes what Slipway has made for the green track.
func (c *Client) dropAutoscaler(ctx context.Context, w activities.Write, track, namespace string) error {
	all, err := c.autoscalers(ctx, namespace)
	if err != nil {
		return err
	}
	h := autoscalerOf(all, track)
	if h == nil || h.Labels[LabelManagedBy] != manager {
		return nil
	}
	scalers := c.kube.AutoscalingV2().HorizontalPodAutoscalers(namespace)
	return remove(ctx, w, h.Name, "delete HorizontalPodAutoscaler "+namespace+"/"+h.Name, scalers.Get, scalers.Delete)
}

// hold keeps an autoscaler from going below a size, within its own upper limit.
func (c *Client) hold(ctx context.Context, w activities.Write, h *autoscalingv2.HorizontalPodAutoscaler, size int32) error {
	return c.limit(ctx, w, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		least := ptr.Deref(h.Spec.MinReplicas, 1)
		own, written, held := floorOf(h)
		if !held || written != least { // somebody has written another limit since: it is the owner's now
			own = least
		}
		floor := max(least, min(size, h.Spec.MaxReplicas))
		if floor == own {
			delete(h.Annotations, AnnotationFloor)
			return
		}
		h.Spec.MinReplicas = &floor
		h.Annotations[AnnotationFloor] = fmt.Sprintf("%d of %d", own, floor)
	})
}

// unhold gives an autoscaler its own lower limit back, unless somebody has written another since.
func (c *Client) unhold(ctx context.Context, w activities.Write, h *autoscalingv2.HorizontalPodAutoscaler) error {
	if h == nil || h.Annotations[AnnotationFloor] == "" {
		return nil
	}
	return c.limit(ctx, w, h, func(h *autoscalingv2.HorizontalPodAutoscaler) {
		if own, written, held := floorOf(h); held && written == ptr.Deref(h.Spec.MinReplicas, 1) {
			h.Spec.MinReplicas = &own
		}
		delete(h.Annotations, AnnotationFloor)
	})
}

// limit changes an autoscaler; none, and one that is gone, are fine.
func (c *Client) limit(
	ctx context.Context, w activities.Write, h *autoscalingv2.HorizontalPodAutoscaler, change func(*autoscalingv2.HorizontalPodAutoscaler),
) error {
	if h == nil {
		return nil
	}
	scalers := c.kube.AutoscalingV2().HorizontalPodAutoscalers(h.Namespace)
	what := "limit HorizontalPodAutoscaler " + h.Namespace + "/" + h.Name
	err := update(ctx, h.Name, what, scalers.Get, scalers.Update, func(h *autoscalingv2.HorizontalPodAutoscaler) error {
		if err := Stamp(h, w); err != nil {
			return err
		}
		change(h)
		return nil
	})
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

// floorOf reads what hold has written: the owner's lower limit, and Slipway's.
func floorOf(h *autoscalingv2.HorizontalPodAutoscaler) (own, written int32, ok bool) {
	n, err := fmt.Sscanf(h.Annotations[AnnotationFloor], "%d of %d", &own, &written)
	return own, written, n == 2 && err == nil
}

// unscale ends what scale has begun, for both tracks; the autoscaler of a deleted track goes with it.
func (c *Client) unscale(ctx context.Context, in activities.RetireTrackIn) error {
	all, err := c.autoscalers(ctx, in.Namespace)
	if err != nil {
		return err
	}
	for _, track := range []string{in.Target.Deployment, greenName(in.Target)} {
		if track == in.Deployment && in.DeleteDeployment {
			continue
		}
		if err := c.unhold(ctx, in.Write, autoscalerOf(all, track)); err != nil {
			return err
		}
	}
	if !in.DeleteDeployment {
		return nil
	}
	return c.dropAutoscaler(ctx, in.Write, in.Deployment, in.Namespace)
}

// size is how many pods a track has or is told to have, whichever is more: a scaling that is under way
// counts in both directions.
func size(d *appsv1.Deployment) int32 { return max(replicas(d), d.Status.Replicas) }

// ResizeCandidate gives the candidate as many pods as stable has now, before it gets everybody. A track
// with an autoscaler is scaled by it alone: its lower limit is raised.
func (c *Client) ResizeCandidate(ctx context.Context, in activities.ResizeCandidateIn) (activities.Resized, error) {
	ns := in.Target.Namespace
	deployments := c.kube.AppsV1().Deployments(ns)
	stable, err := deployments.Get(ctx, in.Stable, metav1.GetOptions{})
	if err != nil {
		return activities.Resized{}, Fault(err, "get Deployment "+ns+"/"+in.Stable)
	}
	candidate, err := deployments.Get(ctx, in.Candidate, metav1.GetOptions{})
	if err != nil {
		return activities.Resized{}, Fault(err, "get Deployment "+ns+"/"+in.Candidate)
	}
	want, has := max(in.Least, size(stable)), replicas(candidate)
	if has >= want {
		return activities.Resized{Replicas: has, Needed: want}, nil
	}
	all, err := c.autoscalers(ctx, ns)
	if err != nil {
		return activities.Resized{}, err
	}
	own := autoscalerOf(all, in.Candidate)
	if own != nil {
		want = min(want, own.Spec.MaxReplicas)
	}
	for _, track := range []string{in.Stable, in.Candidate} {
		if err := c.hold(ctx, in.Write, autoscalerOf(all, track), want); err != nil {
			return activities.Resized{}, err
		}
	}
	out := activities.Resized{Replicas: max(has, want), Needed: want, Raised: has < want}
	if own != nil || !out.Raised {
		return out, nil
	}
	return out, update(ctx, in.Candidate, "scale Deployment "+ns+"/"+in.Candidate, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		d.Spec.Replicas = &want
		return Stamp(d, in.Write)
	})
}

// SizeTrack declares how many pods a Deployment has. A track with an autoscaler is scaled by it alone: only
// its lower limit is raised.
func (c *Client) SizeTrack(ctx context.Context, in activities.SizeTrackIn) error {
	all, err := c.autoscalers(ctx, in.Namespace)
	if err != nil {
		return err
	}
	if own := autoscalerOf(all, in.Deployment); own != nil {
		return c.hold(ctx, in.Write, own, in.Replicas)
	}
	deployments := c.kube.AppsV1().Deployments(in.Namespace)
	what := fmt.Sprintf("size Deployment %s/%s", in.Namespace, in.Deployment)
	return update(ctx, in.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		d.Spec.Replicas = &in.Replicas
		return Stamp(d, in.Write)
	})
}
