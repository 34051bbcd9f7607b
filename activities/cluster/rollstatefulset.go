// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
)

// rollStatefulSet replaces the pods of the highest ordinals, by the partition.
func (c *Client) rollStatefulSet(ctx context.Context, in activities.RollIn) (inPlace, error) {
	back, err := c.former(ctx, in)
	if err != nil {
		return inPlace{}, err
	}
	sets := c.kube.AppsV1().StatefulSets(in.Target.Namespace)
	what := fmt.Sprintf("roll StatefulSet %s/%s", in.Target.Namespace, in.Target.Deployment)
	s, err := adjust(ctx, in.Target.Deployment, what, sets.Get, sets.Update, func(s *appsv1.StatefulSet) error {
		if err := fenced(s, in.Write); err != nil {
			return err
		}
		if _, err := retemplate(ofStatefulSet(s), in, back); err != nil {
			return err
		}
		if err := keep(s, in.Write, settings{StatefulSet: s.Spec.UpdateStrategy.DeepCopy()}); err != nil {
			return err
		}
		size := int(ptr.Deref(s.Spec.Replicas, 1))
		partition(s, size-wanted(in.Pods, size))
		return Stamp(s, in.Write)
	})
	if err != nil {
		return inPlace{}, err
	}
	if back == nil || s.Status.ObservedGeneration < s.Generation {
		return ofStatefulSet(s), nil
	}
	return ofStatefulSet(s), c.freeOrdinals(ctx, ofStatefulSet(s), s.Status.UpdateRevision)
}

// partition keeps the pods below it as they are.
func partition(s *appsv1.StatefulSet, n int) {
	u := &s.Spec.UpdateStrategy
	u.Type = appsv1.RollingUpdateStatefulSetStrategyType
	if u.RollingUpdate == nil {
		u.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{}
	}
	u.RollingUpdate.Partition = new(int32(n)) //nolint:gosec // part of the size, which is one
}

// freeOrdinals deletes pods of another revision that never became ready: a StatefulSet waits for them
// for ever, also on its way back.
func (c *Client) freeOrdinals(ctx context.Context, w inPlace, revision string) error {
	list, err := c.pods(ctx, w)
	if err != nil {
		return err
	}
	for i := range list.Items {
		p := &list.Items[i]
		if !metav1.IsControlledBy(p, w) || p.Labels[appsv1.ControllerRevisionHashLabelKey] == revision || ready(p) || p.DeletionTimestamp != nil {
			continue
		}
		if err := c.deletePod(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// deletePod deletes exactly this pod, and not one that has its name since.
func (c *Client) deletePod(ctx context.Context, p *corev1.Pod) error {
	err := c.kube.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return Fault(err, fmt.Sprintf("delete pod %s/%s", p.Namespace, p.Name))
}

func ready(p *corev1.Pod) bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
