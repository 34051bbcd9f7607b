// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
)

var _ activities.Keeper = (*Client)(nil)

// Edits finds what somebody else has made of a release's images, numbers of pods, selector and autoscalers, and
// names the field manager that Kubernetes has noted. Pods that an autoscaler has taken away are its own matter.
func (c *Client) Edits(ctx context.Context, h activities.Held) ([]activities.Edit, error) {
	var out []activities.Edit
	for _, held := range h.Tracks {
		found, err := c.trackEdits(ctx, h, held)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	root, err := c.service(ctx, h.Target.Namespace, h.Target.Service)
	if err != nil {
		return nil, err
	}
	switch {
	case root == nil:
		out = append(out, activities.Edit{
			Text:  fmt.Sprintf("somebody has deleted Service %s/%s", h.Target.Namespace, h.Target.Service),
			Never: "callers need it: make it anew, then take back",
		})
	case !slices.ContainsFunc(h.Selectors, func(s map[string]string) bool { return maps.Equal(s, root.Spec.Selector) }):
		out = append(out, activities.Edit{
			Text: fmt.Sprintf("%s has set spec.selector of Service %s/%s to %s, which was %s", Editor(root, "spec", "selector"),
				root.Namespace, root.Name, labels.FormatLabels(root.Spec.Selector), labels.FormatLabels(h.Selectors[0])),
			Never: "the promotion would overwrite it",
		})
	}
	return out, nil
}

func (c *Client) trackEdits(ctx context.Context, h activities.Held, held activities.HeldTrack) ([]activities.Edit, error) {
	d, err := c.deployment(ctx, h.Target.Namespace, held.Deployment)
	if err != nil {
		return nil, err
	}
	title := fmt.Sprintf("Deployment %s/%s", h.Target.Namespace, held.Deployment)
	if d == nil {
		return []activities.Edit{{Text: "somebody has deleted " + title, Never: "the release needs it"}}, nil
	}
	target, err := container(d, h.Target.Container)
	if err != nil {
		return nil, err
	}
	var out []activities.Edit
	if target.Image != held.Image {
		e := activities.Edit{Deployment: held.Deployment, Image: target.Image, Text: fmt.Sprintf("%s has set the image of %s to %s, which was %s",
			imageEditor(d, target.Name), title, target.Image, held.Image)}
		if held.Fixed {
			e.Never = "only the image that the release was started with is approved; release theirs on its own"
		}
		out = append(out, e)
	}
	all, err := c.autoscalers(ctx, h.Target.Namespace)
	if err != nil {
		return nil, err
	}
	if auto := autoscalerOf(all, held.Deployment); auto != nil {
		if _, written, ok := floorOf(auto); ok && !held.AnyLimit && ptr.Deref(auto.Spec.MinReplicas, 1) != written {
			out = append(out, activities.Edit{Deployment: held.Deployment, Limit: true, Text: fmt.Sprintf("%s has set spec.minReplicas of HorizontalPodAutoscaler %s/%s to %d, which was %d",
				Editor(auto, "spec", "minReplicas"), auto.Namespace, auto.Name, ptr.Deref(auto.Spec.MinReplicas, 1), written)})
		}
	} else if now := replicas(d); now < held.Replicas {
		out = append(out, activities.Edit{Deployment: held.Deployment, Replicas: &now, Text: fmt.Sprintf("%s has set spec.replicas of %s to %d, which were %d",
			Editor(d, "spec", "replicas"), title, now, held.Replicas)})
	}
	return out, nil
}

// imageEditor names who has written a container's image last.
func imageEditor(d *appsv1.Deployment, container string) string {
	return Editor(d, "spec", "template", "spec", "containers", fmt.Sprintf("k:{\"name\":%q}", container), "image")
}

// TakeBack declares again what a release holds: images, numbers of pods, lower limits of autoscalers, and what
// the root Service selects. A Deployment or a Service that is gone is not made anew.
func (c *Client) TakeBack(ctx context.Context, in activities.TakeBackIn) error {
	if err := c.unclaimed(ctx, in); err != nil {
		return err
	}
	for _, held := range in.Held.Tracks {
		if err := c.takeTrackBack(ctx, in, held); err != nil {
			return err
		}
	}
	services := c.kube.CoreV1().Services(in.Held.Target.Namespace)
	name := in.Held.Target.Service
	return update(ctx, name, "take back Service "+in.Held.Target.Namespace+"/"+name, services.Get, services.Update, func(s *corev1.Service) error {
		if !slices.ContainsFunc(in.Held.Selectors, func(one map[string]string) bool { return maps.Equal(one, s.Spec.Selector) }) {
			s.Spec.Selector = in.Held.Selectors[0]
		}
		return Stamp(s, in.Write)
	})
}

// unclaimed refuses where a newer step has written any of the objects: then none of them is this one's to change.
func (c *Client) unclaimed(ctx context.Context, in activities.TakeBackIn) error {
	ns := in.Held.Target.Namespace
	for _, held := range in.Held.Tracks {
		d, err := c.deployment(ctx, ns, held.Deployment)
		if err == nil && d != nil {
			err = fenced(d, in.Write)
		}
		if err != nil {
			return err
		}
	}
	root, err := c.service(ctx, ns, in.Held.Target.Service)
	if err != nil || root == nil {
		return err
	}
	return fenced(root, in.Write)
}

func (c *Client) takeTrackBack(ctx context.Context, in activities.TakeBackIn, held activities.HeldTrack) error {
	ns := in.Held.Target.Namespace
	all, err := c.autoscalers(ctx, ns)
	if err != nil {
		return err
	}
	auto := autoscalerOf(all, held.Deployment)
	deployments := c.kube.AppsV1().Deployments(ns)
	err = update(ctx, held.Deployment, "take back Deployment "+ns+"/"+held.Deployment, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		target, err := container(d, in.Held.Target.Container)
		if err != nil {
			return err
		}
		target.Image = held.Image
		if auto == nil && replicas(d) < held.Replicas {
			d.Spec.Replicas = &held.Replicas
		}
		return Stamp(d, in.Write)
	})
	if err != nil || auto == nil {
		return err
	}
	if _, written, ok := floorOf(auto); ok {
		return c.hold(ctx, in.Write, auto, written)
	}
	return nil
}
