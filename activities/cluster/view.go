// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxPods is how many pods of a set are shown one by one.
const maxPods = 12

// Viewer sees the pods of services.
type Viewer struct {
	*Client
	// Now is when a look was taken.
	Now func() time.Time
}

var _ activities.Viewer = (*Viewer)(nil)

// View implements activities.Viewer.
func (v *Viewer) View(ctx context.Context, in activities.LookoutIn) (activities.Sight, error) {
	out := activities.Sight{At: v.Now().UTC(), Service: in.Service}
	var selects labels.Selector
	if in.Service != "" {
		s, err := v.kube.CoreV1().Services(in.Namespace).Get(ctx, in.Service, metav1.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return out, Fault(err, "get Service "+in.Namespace+"/"+in.Service)
		}
		if err == nil && len(s.Spec.Selector) > 0 {
			selects = labels.SelectorFromSet(s.Spec.Selector)
		}
	}
	for _, name := range in.Workloads {
		w, err := v.workload(ctx, in, name)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err == nil {
			err = v.pods(ctx, in.Namespace, w)
		}
		if err != nil {
			return out, Fault(err, "look at "+in.Kind+" "+in.Namespace+"/"+name)
		}
		w.Serves = selects != nil && selects.Matches(labels.Set(w.labels))
		out.Workloads = append(out.Workloads, w.WorkloadSight)
	}
	return out, nil
}

// viewed is a workload with what its pods are found by.
type viewed struct {
	activities.WorkloadSight
	selector *metav1.LabelSelector
	labels   map[string]string
}

func (v *Viewer) workload(ctx context.Context, in activities.LookoutIn, name string) (*viewed, error) {
	w := &viewed{WorkloadSight: activities.WorkloadSight{Name: name}}
	apps, options := v.kube.AppsV1(), metav1.GetOptions{}
	switch in.Kind {
	case plan.KindStatefulSet:
		s, err := apps.StatefulSets(in.Namespace).Get(ctx, name, options)
		if err != nil {
			return nil, err
		}
		w.selector, w.labels, w.Want, w.Ready = s.Spec.Selector, s.Spec.Template.Labels, ptr.Deref(s.Spec.Replicas, 1), s.Status.ReadyReplicas
	case plan.KindDaemonSet:
		d, err := apps.DaemonSets(in.Namespace).Get(ctx, name, options)
		if err != nil {
			return nil, err
		}
		w.selector, w.labels, w.Want, w.Ready = d.Spec.Selector, d.Spec.Template.Labels, d.Status.DesiredNumberScheduled, d.Status.NumberReady
	default:
		d, err := apps.Deployments(in.Namespace).Get(ctx, name, options)
		if err != nil {
			return nil, err
		}
		w.selector, w.labels, w.Want, w.Ready = d.Spec.Selector, d.Spec.Template.Labels, ptr.Deref(d.Spec.Replicas, 1), d.Status.ReadyReplicas
	}
	return w, nil
}

// pods are listed by the set that owns them, newest set first.
func (v *Viewer) pods(ctx context.Context, namespace string, w *viewed) error {
	found, err := v.kube.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	if err != nil {
		return err
	}
	slices.SortFunc(found.Items, func(a, b corev1.Pod) int {
		if c := b.CreationTimestamp.Compare(a.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	for i := range found.Items {
		p := &found.Items[i]
		name := setOf(p)
		at := slices.IndexFunc(w.Sets, func(s activities.SetSight) bool { return s.Name == name })
		if at < 0 {
			w.Sets = append(w.Sets, activities.SetSight{Name: name})
			at = len(w.Sets) - 1
		}
		if len(w.Sets[at].Pods) == maxPods {
			w.Sets[at].More++
			continue
		}
		w.Sets[at].Pods = append(w.Sets[at].Pods, see(p))
	}
	return nil
}

// setOf is the ReplicaSet that owns a pod, or the revision of another kind of workload.
func setOf(p *corev1.Pod) string {
	if revision := p.Labels[appsv1.ControllerRevisionHashLabelKey]; revision != "" {
		return revision
	}
	for _, o := range p.OwnerReferences {
		if o.Controller != nil && *o.Controller {
			return o.Name
		}
	}
	return ""
}

func see(p *corev1.Pod) activities.PodSight {
	out := activities.PodSight{Name: p.Name}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			out.Ready = c.Status == corev1.ConditionTrue
		}
	}
	for i := range p.Status.ContainerStatuses {
		out.Restarts = max(out.Restarts, p.Status.ContainerStatuses[i].RestartCount)
	}
	switch {
	case p.DeletionTimestamp != nil:
		out.Ready, out.State = false, "Terminating"
	case out.Ready:
	default:
		out.State = string(p.Status.Phase)
		if why := complaints(p); len(why) > 0 {
			out.State = strings.Join(why, "; ")
		}
	}
	if r := []rune(out.State); len(r) > maxState {
		out.State = string(r[:maxState-1]) + "…"
	}
	return out
}

// maxState is how much of a pod's words is shown.
const maxState = 120
