// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// annotationRevision is the Deployment controller's number of a revision.
const annotationRevision = "deployment.kubernetes.io/revision"

// revision is a pod template that a workload has had.
type revision struct {
	activities.Revision
	template corev1.PodTemplateSpec
	// hash is the label of a Deployment's pods that run it.
	hash string
	// annotations a Deployment had with it.
	annotations map[string]string
}

// revisions are those that a workload has kept, by rising number: the last one is the present.
func (c *Client) revisions(ctx context.Context, w inPlace, t plan.Target) ([]revision, error) {
	list := c.controllerRevisions
	if t.Kind != plan.KindStatefulSet && t.Kind != plan.KindDaemonSet {
		list = c.replicaSets
	}
	all, err := list(ctx, w)
	for i := range all {
		if target, err := containerIn(&all[i].template, t.Container, w.title); err == nil {
			all[i].Image = target.Image
		}
	}
	slices.SortStableFunc(all, func(a, b revision) int { return cmp.Compare(a.Number, b.Number) })
	return all, err
}

func (c *Client) replicaSets(ctx context.Context, w inPlace) ([]revision, error) {
	list, err := c.kube.AppsV1().ReplicaSets(w.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return nil, Fault(err, "list ReplicaSets of "+w.title)
	}
	var out []revision
	for i := range list.Items {
		set := &list.Items[i]
		number, err := strconv.ParseInt(cmp.Or(set.Annotations[annotationRevision], "0"), 10, 64)
		if err != nil || !metav1.IsControlledBy(set, w) {
			continue
		}
		r := revision{
			Revision: activities.Revision{Name: set.Name, Number: number}, template: set.Spec.Template, annotations: set.Annotations,
			hash: set.Labels[appsv1.DefaultDeploymentUniqueLabelKey],
		}
		delete(r.template.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
		out = append(out, r)
	}
	return out, nil
}

func (c *Client) controllerRevisions(ctx context.Context, w inPlace) ([]revision, error) {
	list, err := c.kube.AppsV1().ControllerRevisions(w.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return nil, Fault(err, "list ControllerRevisions of "+w.title)
	}
	var out []revision
	for i := range list.Items {
		stored := &list.Items[i]
		if !metav1.IsControlledBy(stored, w) {
			continue
		}
		// Kubernetes stores a patch that replaces the template as a whole.
		var patch struct {
			Spec struct {
				Template corev1.PodTemplateSpec `json:"template"`
			} `json:"spec"`
		}
		if err := json.Unmarshal(stored.Data.Raw, &patch); err != nil {
			return nil, fmt.Errorf("read ControllerRevision %s/%s: %w", stored.Namespace, stored.Name, err)
		}
		out = append(out, revision{Revision: activities.Revision{Name: stored.Name, Number: stored.Revision}, template: patch.Spec.Template})
	}
	return out, nil
}

// presentLabel is the label, and its value, of the pods that run what a workload declares.
func (c *Client) presentLabel(ctx context.Context, w inPlace) (key, value string, err error) {
	switch o := w.Object.(type) {
	case *appsv1.StatefulSet:
		key, value = appsv1.ControllerRevisionHashLabelKey, o.Status.UpdateRevision
	case *appsv1.DaemonSet:
		key = appsv1.DefaultDaemonSetUniqueLabelKey
		value, err = c.presentHash(ctx, w)
	default:
		var all []revision
		key = appsv1.DefaultDeploymentUniqueLabelKey
		if all, err = c.replicaSets(ctx, w); len(all) > 0 {
			value = slices.MaxFunc(all, func(a, b revision) int { return cmp.Compare(a.Number, b.Number) }).hash
		}
	}
	if err == nil && value == "" {
		err = fmt.Errorf("%s has no revision; Kubernetes has not looked at it yet", w.title)
	}
	return key, value, err
}

// pick finds the revision of a number as `kubectl rollout undo` does: 0 is the one before the present.
func pick(all []revision, number int64, title string) (revision, error) {
	if number == 0 && len(all) > 1 {
		return all[len(all)-2], nil
	}
	if number == 0 {
		return revision{}, fault.New(fault.NotFound, "%s has no former revision to go back to", title)
	}
	present := all[len(all)-1].Number
	if number == present {
		return revision{}, fault.New(fault.Invalid, "%s is at revision %d already", title, number)
	}
	var known []string
	for _, r := range all {
		if r.Number == number {
			return r, nil
		}
		known = append(known, strconv.FormatInt(r.Number, 10))
	}
	return revision{}, fault.New(fault.NotFound, "%s has no revision %d; it has kept %s", title, number, strings.Join(known, ", "))
}

// former is the revision that a roll goes back to; nil where it goes to an image.
func (c *Client) former(ctx context.Context, in activities.RollIn) (*revision, error) {
	if in.Revision == "" {
		return nil, nil
	}
	w, err := c.inPlace(ctx, in.Target)
	if err != nil {
		return nil, err
	}
	all, err := c.revisions(ctx, w, in.Target)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if all[i].Name == in.Revision {
			return &all[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "%s has not kept revision %s; release its image again", w.title, in.Revision)
}

// retemplate declares the version, and reports whether that changed anything. An image that is neither the
// new one nor the one before it is somebody's edit, and stays.
func retemplate(w inPlace, in activities.RollIn, back *revision) (bool, error) {
	target, err := containerIn(w.template, in.Target.Container, w.title)
	if err != nil {
		return false, err
	}
	if !slices.Contains(in.Own, target.Image) {
		return false, fault.New(fault.Edited, "somebody has given %s the image %s; it is left as it is", w.title, target.Image)
	}
	if back == nil {
		changed := target.Image != in.Image
		target.Image = in.Image
		return changed, nil
	}
	if equality.Semantic.DeepEqual(*w.template, back.template) {
		return false, nil
	}
	back.template.DeepCopyInto(w.template)
	if back.annotations != nil {
		w.SetAnnotations(restored(w.GetAnnotations(), back.annotations))
	}
	return true, nil
}

// notRestored are the annotations of a Deployment that `kubectl rollout undo` leaves as they are.
func notRestored(key string) bool {
	return strings.HasPrefix(key, "slipway.dev/") || slices.Contains([]string{
		corev1.LastAppliedConfigAnnotation, annotationRevision,
		"deployment.kubernetes.io/revision-history", "deployment.kubernetes.io/desired-replicas",
		"deployment.kubernetes.io/max-replicas", appsv1.DeprecatedRollbackTo,
	}, key)
}

// restored are the annotations that a Deployment had with a revision, beside those that are about now.
func restored(now, then map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range now {
		if notRestored(k) {
			out[k] = v
		}
	}
	for k, v := range then {
		if !notRestored(k) {
			out[k] = v
		}
	}
	return out
}
