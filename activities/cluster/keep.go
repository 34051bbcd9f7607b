// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/slipwayhq/slipway/activities"
)

// Track is a Deployment as it stands.
type Track struct {
	// Image of the container that releases change.
	Image string `json:"image"`
	// Declared pods, and those of them that are ready.
	Declared int32 `json:"declared"`
	Ready    int32 `json:"ready"`
}

// LookAtTrack returns nil where the Deployment does not exist.
func (c *Client) LookAtTrack(ctx context.Context, s activities.SafeState, name string) (*Track, error) {
	d, err := c.deployment(ctx, s.Target.Namespace, name)
	if err != nil || d == nil {
		return nil, err
	}
	out := &Track{Declared: replicas(d), Ready: d.Status.ReadyReplicas}
	if target, err := container(d, s.Target.Container); err == nil {
		out.Image = target.Image
	}
	return out, nil
}

// LookAtSelector returns what the root Service selects; nil where it does not exist.
func (c *Client) LookAtSelector(ctx context.Context, s activities.SafeState) (map[string]string, error) {
	root, err := c.service(ctx, s.Target.Namespace, s.Route.Stable)
	if err != nil || root == nil {
		return nil, err
	}
	if root.Spec.Selector == nil {
		return map[string]string{}, nil
	}
	return root.Spec.Selector, nil
}

// KeepTrackIn declares that a Deployment has at least so many pods; more are left as they are.
type KeepTrackIn struct {
	activities.Write
	Namespace  string
	Deployment string
	Replicas   int32
}

// KeepTrack declares it, and marks the Deployment with the write even where nothing changes, so that no
// older one can follow.
func (c *Client) KeepTrack(ctx context.Context, in KeepTrackIn) error {
	deployments := c.kube.AppsV1().Deployments(in.Namespace)
	what := fmt.Sprintf("keep Deployment %s/%s at %d pods", in.Namespace, in.Deployment, in.Replicas)
	return update(ctx, in.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		if replicas(d) < in.Replicas {
			d.Spec.Replicas = &in.Replicas
		}
		return Stamp(d, in.Write)
	})
}
