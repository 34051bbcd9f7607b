// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// inPlace is what a Deployment, a StatefulSet and a DaemonSet have in common.
type inPlace struct {
	metav1.Object
	// title is how people name it.
	title    string
	selector *metav1.LabelSelector
	template *corev1.PodTemplateSpec
	// history is how many former revisions it keeps.
	history *int32
	// observed is true when the other numbers are about the object as it now stands.
	observed bool
	// held is true while no further pod is replaced by itself, paused while nothing is at all.
	held, paused bool
	// recreate is true where all old pods go before the first new one comes.
	recreate bool
	// size is how many pods there should be, fresh how many of them run the declared version, ready how many
	// are ready, and total how many there are.
	size, fresh, ready, total int
	complaints                []string
}

func ofDeployment(d *appsv1.Deployment) inPlace {
	s := d.Status
	w := inPlace{
		Object: d, title: fmt.Sprintf("Deployment %s/%s", d.Namespace, d.Name), selector: d.Spec.Selector, template: &d.Spec.Template,
		history: d.Spec.RevisionHistoryLimit, observed: s.ObservedGeneration >= d.Generation, held: d.Spec.Paused, paused: d.Spec.Paused,
		recreate: d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType,
		size:     int(replicas(d)), fresh: int(s.UpdatedReplicas), ready: int(s.AvailableReplicas), total: int(s.Replicas),
	}
	for _, condition := range s.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			w.complaints = append(w.complaints, condition.Message)
		}
	}
	return w
}

func ofStatefulSet(s *appsv1.StatefulSet) inPlace {
	u := s.Spec.UpdateStrategy
	held := u.Type != appsv1.RollingUpdateStatefulSetStrategyType || u.RollingUpdate != nil && ptr.Deref(u.RollingUpdate.Partition, 0) > 0
	return inPlace{
		Object: s, title: fmt.Sprintf("StatefulSet %s/%s", s.Namespace, s.Name), selector: s.Spec.Selector, template: &s.Spec.Template,
		history: s.Spec.RevisionHistoryLimit, observed: s.Status.ObservedGeneration >= s.Generation, held: held,
		size: int(ptr.Deref(s.Spec.Replicas, 1)), fresh: int(s.Status.UpdatedReplicas),
		ready: int(s.Status.AvailableReplicas), total: int(s.Status.Replicas),
	}
}

func ofDaemonSet(d *appsv1.DaemonSet) inPlace {
	s := d.Status
	return inPlace{
		Object: d, title: fmt.Sprintf("DaemonSet %s/%s", d.Namespace, d.Name), selector: d.Spec.Selector, template: &d.Spec.Template,
		history: d.Spec.RevisionHistoryLimit, observed: s.ObservedGeneration >= d.Generation,
		held: d.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType,
		size: int(s.DesiredNumberScheduled), fresh: int(s.UpdatedNumberScheduled), ready: int(s.NumberAvailable), total: int(s.CurrentNumberScheduled),
	}
}

// inPlace reads the workload of a target.
func (c *Client) inPlace(ctx context.Context, t plan.Target) (inPlace, error) {
	get, apps := metav1.GetOptions{}, c.kube.AppsV1()
	var w inPlace
	var err error
	switch t.Kind {
	case plan.KindStatefulSet:
		var s *appsv1.StatefulSet
		if s, err = apps.StatefulSets(t.Namespace).Get(ctx, t.Deployment, get); err == nil {
			w = ofStatefulSet(s)
		}
	case plan.KindDaemonSet:
		var d *appsv1.DaemonSet
		if d, err = apps.DaemonSets(t.Namespace).Get(ctx, t.Deployment, get); err == nil {
			w = ofDaemonSet(d)
		}
	default:
		var d *appsv1.Deployment
		if d, err = apps.Deployments(t.Namespace).Get(ctx, t.Deployment, get); err == nil {
			w = ofDeployment(d)
		}
	}
	err = Fault(err, fmt.Sprintf("get %s %s/%s", t.Kind, t.Namespace, t.Deployment))
	if fault.Of(err) == fault.NotFound {
		err = fault.New(fault.NotFound, "%s %s/%s does not exist; create it, or correct spec.target", t.Kind, t.Namespace, t.Deployment)
	}
	return w, err
}

// Find inspects a workload, and refuses one that cannot be rolled or that is under way already.
func (c *Client) Find(ctx context.Context, in activities.InspectRolloutIn) (activities.Workload, error) {
	w, err := c.inPlace(ctx, in.Target)
	if err != nil {
		return activities.Workload{}, err
	}
	if _, err := containerIn(w.template, in.Target.Container, w.title); err != nil {
		return activities.Workload{}, err
	}
	if err := rollable(w); err != nil {
		return activities.Workload{}, err
	}
	all, err := c.revisions(ctx, w, in.Target)
	if err != nil {
		return activities.Workload{}, err
	}
	if len(all) == 0 || !w.observed {
		return activities.Workload{}, fmt.Errorf("%s has been changed just now; Kubernetes has not looked at it yet", w.title)
	}
	out := activities.Workload{Size: w.size, Present: all[len(all)-1].Revision}
	if in.Image != "" {
		return out, releasable(w, out, in.Image)
	}
	to, err := pick(all, in.Revision, w.title)
	if err != nil {
		return out, err
	}
	out.To = to.Revision
	return out, nil
}

// rollable refuses what can never be replaced in place, or never be brought back.
func rollable(w inPlace) error {
	switch {
	case w.size == 0:
		return fault.New(fault.Invalid, "%s has no pods to replace; scale it up first", w.title)
	case w.recreate:
		return fault.New(fault.Invalid, "%s has the strategy Recreate, which stops all pods at once; make it RollingUpdate", w.title)
	case ptr.Deref(w.history, 10) == 0:
		return fault.New(fault.Invalid, "%s keeps no former revision to go back to; set revisionHistoryLimit to 1 or more", w.title)
	case w.paused && keptBy(w) == "":
		return fault.New(fault.Invalid, "%s is paused; run `kubectl rollout resume` first", w.title)
	}
	return nil
}

// releasable refuses a workload that another rollout holds, and one that runs the image already.
func releasable(w inPlace, found activities.Workload, image string) error {
	switch by := keptBy(w); {
	case by != "":
		return fault.New(fault.Invalid, "%s was left half way by release %s; bring it back with `slipway undo -f PLAN`, then release again", w.title, by)
	case w.fresh != w.size || w.total != w.size:
		return fault.New(fault.Invalid, "%s is in a rollout of its own: %d of %d pods run what it declares; wait for it, or undo it", w.title, w.fresh, w.total)
	case found.Present.Image == image:
		return fault.New(fault.Invalid, "%s runs %s already; there is nothing to release", w.title, image)
	}
	return nil
}

// Look says how far the present rollout is.
func (c *Client) Look(ctx context.Context, in activities.WatchRolloutIn) (activities.Progress, error) {
	w, err := c.inPlace(ctx, in.Target)
	if err != nil {
		return activities.Progress{}, err
	}
	target, err := containerIn(w.template, in.Target.Container, w.title)
	if err != nil {
		return activities.Progress{}, err
	}
	if target.Image != in.Image {
		return activities.Progress{Reason: "somebody has changed its image"}, nil
	}
	pods := 0
	if in.Held {
		pods = 1
	}
	return c.progress(ctx, w, pods)
}

// Roll takes the next step and says how far it is.
func (c *Client) Roll(ctx context.Context, in activities.RollIn) (activities.Progress, error) {
	step := c.rollDeployment
	switch in.Target.Kind {
	case plan.KindStatefulSet:
		step = c.rollStatefulSet
	case plan.KindDaemonSet:
		step = c.rollDaemonSet
	}
	w, err := step(ctx, in)
	if err != nil {
		return activities.Progress{}, err
	}
	return c.progress(ctx, w, in.Pods)
}

// progress compares a workload with the number of pods that must run what it declares; 0 is all of them.
func (c *Client) progress(ctx context.Context, w inPlace, pods int) (activities.Progress, error) {
	p := activities.Progress{Size: w.size, New: w.fresh, Ready: w.ready, Held: w.held}
	want := wanted(pods, w.size)
	all := want == w.size
	if !w.observed {
		p.Reason = "Kubernetes has not looked at it yet"
		return p, nil
	}
	p.Done = w.fresh >= want && w.ready == w.total && w.ready >= w.size && (!all || w.total == w.size) && (all || w.held)
	if p.Done {
		return p, nil
	}
	list, err := c.pods(ctx, w)
	if err != nil {
		return p, err
	}
	p.Reason = fmt.Sprintf("%d of %d pods run it, %d of %d are ready%s", w.fresh, want, w.ready, max(w.total, w.size), told(w.complaints, list))
	return p, nil
}

// wanted is how many pods must run the declared version.
func wanted(pods, size int) int {
	if pods == 0 {
		return size
	}
	return min(pods, size)
}

func (c *Client) pods(ctx context.Context, w inPlace) (*corev1.PodList, error) {
	list, err := c.kube.CoreV1().Pods(w.GetNamespace()).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(w.selector)})
	return list, Fault(err, "list pods of "+w.title)
}

// HandBack restores the settings that a release has kept aside. What is gone needs none.
func (c *Client) HandBack(ctx context.Context, in activities.HandBackIn) error {
	t, apps := in.Target, c.kube.AppsV1()
	what := fmt.Sprintf("restore settings of %s %s/%s", t.Kind, t.Namespace, t.Deployment)
	var err error
	switch t.Kind {
	case plan.KindStatefulSet:
		all := apps.StatefulSets(t.Namespace)
		_, err = adjust(ctx, t.Deployment, what, all.Get, all.Update, func(s *appsv1.StatefulSet) error {
			if k := kept(s); k != nil && k.StatefulSet != nil {
				s.Spec.UpdateStrategy = *k.StatefulSet
			}
			return handedBack(s, in.Write)
		})
	case plan.KindDaemonSet:
		all := apps.DaemonSets(t.Namespace)
		_, err = adjust(ctx, t.Deployment, what, all.Get, all.Update, func(d *appsv1.DaemonSet) error {
			if k := kept(d); k != nil && k.DaemonSet != nil {
				d.Spec.UpdateStrategy = *k.DaemonSet
			}
			return handedBack(d, in.Write)
		})
	default:
		all := apps.Deployments(t.Namespace)
		_, err = adjust(ctx, t.Deployment, what, all.Get, all.Update, func(d *appsv1.Deployment) error {
			if k := kept(d); k != nil && k.Deployment != nil {
				d.Spec.Strategy, d.Spec.MinReadySeconds, d.Spec.Paused = *k.Deployment, k.MinReadySeconds, false
			}
			return handedBack(d, in.Write)
		})
	}
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}
