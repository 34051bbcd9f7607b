// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// defaultProgressDeadline is the API server's, in seconds.
const defaultProgressDeadline = 600

// rollDeployment replaces pods until the batch is reached, and then pauses the Deployment.
//
// Kubernetes knows no batches, so it is steered: it may replace no more pods at once than the batch still
// needs, and it replaces further ones only when those have been ready for MinReady. Whoever looks more often
// than that can always pause it in time.
func (c *Client) rollDeployment(ctx context.Context, in activities.RollIn) (inPlace, error) {
	back, err := c.former(ctx, in)
	if err != nil {
		return inPlace{}, err
	}
	deployments := c.kube.AppsV1().Deployments(in.Target.Namespace)
	what := fmt.Sprintf("roll Deployment %s/%s", in.Target.Namespace, in.Target.Deployment)
	d, err := adjust(ctx, in.Target.Deployment, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		if err := fenced(d, in.Write); err != nil {
			return err
		}
		changed, err := retemplate(ofDeployment(d), in, back)
		if err != nil {
			return err
		}
		if back == nil {
			err = steer(d, in, changed)
		} else {
			letGo(d, in)
		}
		if err != nil {
			return err
		}
		return Stamp(d, in.Write)
	})
	if err != nil {
		return inPlace{}, err
	}
	return ofDeployment(d), nil
}

// steer lets the Deployment replace what the batch still needs. Numbers that are not about the Deployment
// as it now stands say nothing.
func steer(d *appsv1.Deployment, in activities.RollIn, changed bool) error {
	err := keep(d, in.Write, settings{Deployment: d.Spec.Strategy.DeepCopy(), MinReadySeconds: d.Spec.MinReadySeconds})
	if err != nil {
		return err
	}
	owner := kept(d)
	brake := int32(in.MinReady.D() / time.Second) //nolint:gosec // the seconds of 68 years fit
	brake = min(brake, ptr.Deref(d.Spec.ProgressDeadlineSeconds, defaultProgressDeadline)-1)
	d.Spec.MinReadySeconds = max(owner.MinReadySeconds, brake)
	w := ofDeployment(d)
	if !changed && !w.observed {
		return nil
	}
	fresh := w.fresh
	if changed {
		fresh = 0
	}
	want := wanted(in.Pods, w.size)
	d.Spec.Paused = fresh >= want && want < w.size
	if need := want - fresh; need > 0 {
		limit(d, in, need)
	}
	return nil
}

// letGo lets the Deployment go all the way, within the limits of the release that has held it.
func letGo(d *appsv1.Deployment, in activities.RollIn) {
	owner := kept(d)
	if owner == nil {
		return
	}
	d.Spec.Paused, d.Spec.MinReadySeconds = false, owner.MinReadySeconds
	limit(d, in, int(replicas(d)))
}

// limit is how many pods may be replaced at once.
func limit(d *appsv1.Deployment, in activities.RollIn, need int) {
	surge, unavailable := decide.Wave(need, in.MaxSurge, in.MaxUnavailable)
	d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{
		MaxSurge: new(intstr.FromInt(surge)), MaxUnavailable: new(intstr.FromInt(unavailable)),
	}
}
