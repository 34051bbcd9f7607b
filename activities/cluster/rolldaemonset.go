// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
)

// rollDaemonSet lets the DaemonSet replace nothing by itself (OnDelete), and deletes the old pods of a
// batch, no more at once than may be missing.
func (c *Client) rollDaemonSet(ctx context.Context, in activities.RollIn) (inPlace, error) {
	back, err := c.former(ctx, in)
	if err != nil {
		return inPlace{}, err
	}
	sets := c.kube.AppsV1().DaemonSets(in.Target.Namespace)
	what := fmt.Sprintf("roll DaemonSet %s/%s", in.Target.Namespace, in.Target.Deployment)
	d, err := adjust(ctx, in.Target.Deployment, what, sets.Get, sets.Update, func(d *appsv1.DaemonSet) error {
		if err := fenced(d, in.Write); err != nil {
			return err
		}
		if _, err := retemplate(ofDaemonSet(d), in, back); err != nil {
			return err
		}
		if err := keep(d, in.Write, settings{DaemonSet: d.Spec.UpdateStrategy.DeepCopy()}); err != nil {
			return err
		}
		d.Spec.UpdateStrategy = appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}
		return Stamp(d, in.Write)
	})
	if err != nil {
		return inPlace{}, err
	}
	w := ofDaemonSet(d)
	if !w.observed {
		return w, nil
	}
	return w, c.replaceDaemons(ctx, w, in)
}

// replaceDaemons deletes the next old pods of the batch. Those that are not ready go first: without them
// nothing is lost.
func (c *Client) replaceDaemons(ctx context.Context, w inPlace, in activities.RollIn) error {
	hash, err := c.presentHash(ctx, w)
	if err != nil {
		return err
	}
	list, err := c.pods(ctx, w)
	if err != nil {
		return err
	}
	for _, p := range nextDaemons(w, list.Items, hash, in) {
		if err := c.deletePod(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// nextDaemons are the old pods that can go now.
func nextDaemons(w inPlace, all []corev1.Pod, hash string, in activities.RollIn) []*corev1.Pod {
	var broken, good []*corev1.Pod
	fresh, available := 0, 0
	for i := range all {
		p := &all[i]
		if !metav1.IsControlledBy(p, w) || p.DeletionTimestamp != nil {
			continue
		}
		isReady := ready(p)
		if isReady {
			available++
		}
		switch {
		case p.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] == hash:
			fresh++
		case isReady:
			good = append(good, p)
		default:
			broken = append(broken, p)
		}
	}
	need := max(0, wanted(in.Pods, w.size)-fresh)
	spare := max(0, available-(w.size-max(1, in.MaxUnavailable)))
	out := broken[:min(len(broken), need)]
	return append(out, good[:min(len(good), spare, need-len(out))]...)
}

// presentHash is the label of the pods that run what the DaemonSet declares.
func (c *Client) presentHash(ctx context.Context, w inPlace) (string, error) {
	list, err := c.kube.AppsV1().ControllerRevisions(w.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return "", Fault(err, "list ControllerRevisions of "+w.title)
	}
	hash, highest := "", int64(-1)
	for i := range list.Items {
		r := &list.Items[i]
		if metav1.IsControlledBy(r, w) && r.Revision > highest {
			hash, highest = r.Labels[appsv1.DefaultDaemonSetUniqueLabelKey], r.Revision
		}
	}
	return hash, nil
}
