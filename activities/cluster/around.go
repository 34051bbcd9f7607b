// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// family are the labels of a target's pods, by which a selector of the one track is told from one of both.
type family struct {
	target      plan.Target
	blue, green labels.Set
}

func familyOf(t plan.Target, original *appsv1.Deployment, root *corev1.Service) family {
	return family{
		target: t, blue: original.Spec.Template.Labels,
		green: podLabels(t, original, rootSelector(original, root)),
	}
}

// misses reports whether a selector selects blue's pods and not those of green.
func (f family) misses(s *metav1.LabelSelector) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(f.blue) && !selector.Matches(f.green)
}

// own selects green's pods alone.
func (f family) own() *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: greenLabels(f.target)}
}

// around is what a namespace says about its pods.
type around struct {
	services []corev1.Service
	policies []networkingv1.NetworkPolicy
	budgets  []policyv1.PodDisruptionBudget
}

func (c *Client) around(ctx context.Context, namespace string) (around, error) {
	policies, err := c.kube.NetworkingV1().NetworkPolicies(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return around{}, Fault(err, "list NetworkPolicies of "+namespace)
	}
	budgets, err := c.kube.PolicyV1().PodDisruptionBudgets(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return around{}, Fault(err, "list PodDisruptionBudgets of "+namespace)
	}
	services, err := c.kube.CoreV1().Services(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return around{}, Fault(err, "list Services of "+namespace)
	}
	return around{services: services.Items, policies: policies.Items, budgets: budgets.Items}, nil
}

// preflight refuses what would be wrong around a second track, and tells what will follow it.
func (c *Client) preflight(ctx context.Context, in activities.InspectTargetIn, tracks *activities.Tracks, f family) error {
	all, err := c.around(ctx, in.Target.Namespace)
	if err != nil {
		return err
	}
	if err := f.checkServices(all.services); err != nil {
		return err
	}
	if tracks.Candidate == in.Target.Deployment {
		return nil
	}
	for i := range all.budgets {
		if b := f.followBudget(&all.budgets[i]); b != nil {
			if err := free(all.budgets, b.Name, "PodDisruptionBudget"); err != nil {
				return err
			}
			tracks.Notes = append(tracks.Notes, fmt.Sprintf("PodDisruptionBudget %s selects %s alone; %s follows %s", all.budgets[i].Name, in.Target.Deployment, b.Name, tracks.Candidate))
		}
	}
	for i := range all.policies {
		for _, p := range f.followPolicy(&all.policies[i]) {
			if err := free(all.policies, p.Name, "NetworkPolicy"); err != nil {
				return err
			}
			tracks.Notes = append(tracks.Notes, fmt.Sprintf("NetworkPolicy %s knows %s alone; %s follows %s", all.policies[i].Name, in.Target.Deployment, p.Name, tracks.Candidate))
		}
	}
	return nil
}

// free refuses a name that somebody else's object has.
func free[T any, P interface {
	*T
	metav1.Object
}](all []T, name, noun string) error {
	for i := range all {
		if o := P(&all[i]); o.GetName() == name && o.GetLabels()[LabelManagedBy] != manager {
			return fault.New(fault.Invalid, "%s %s/%s exists and is not Slipway's; rename it, its name is needed for the green track", noun, o.GetNamespace(), name)
		}
	}
	return nil
}

// checkServices refuses a Service that would go on reaching the old pods when the root Service reaches
// the new ones, and a plan's alsoSwitch that could not be switched.
func (f family) checkServices(services []corev1.Service) error {
	t := f.target
	for i := range services {
		s := &services[i]
		if s.Name == t.Service || s.Labels[LabelManagedBy] == manager || slices.Contains(t.AlsoSwitch, s.Name) {
			continue
		}
		if len(s.Spec.Selector) > 0 && f.misses(&metav1.LabelSelector{MatchLabels: s.Spec.Selector}) {
			return fault.New(fault.Invalid, "Service %s/%s selects the pods of %s too, and would not reach those of the new version; "+
				"list it under spec.target.alsoSwitch, to be switched together with %s", s.Namespace, s.Name, t.Deployment, t.Service)
		}
	}
	for _, name := range t.AlsoSwitch {
		i := slices.IndexFunc(services, func(s corev1.Service) bool { return s.Name == name })
		if i < 0 {
			return fault.New(fault.NotFound, "Service %s/%s does not exist; correct spec.target.alsoSwitch", t.Namespace, name)
		}
		selector := labels.SelectorFromSet(services[i].Spec.Selector)
		if len(services[i].Spec.Selector) == 0 || !selector.Matches(f.blue) && !selector.Matches(f.green) {
			return fault.New(fault.Invalid, "Service %s/%s of spec.target.alsoSwitch does not select the pods of %s", t.Namespace, name, t.Deployment)
		}
	}
	return nil
}

// follow declares what keeps the green track company, and deletes what has lost its original.
func (c *Client) follow(ctx context.Context, w activities.Write, f family) error {
	all, err := c.around(ctx, f.target.Namespace)
	if err != nil {
		return err
	}
	policies := c.kube.NetworkingV1().NetworkPolicies(f.target.Namespace)
	kept := map[string]bool{}
	for i := range all.policies {
		for _, p := range f.followPolicy(&all.policies[i]) {
			kept[p.Name] = true
			if err := declare(ctx, policies, w, p, "NetworkPolicy", renewPolicy); err != nil {
				return err
			}
		}
	}
	if err := sweep(ctx, policies, w, all.policies, f.target, kept); err != nil {
		return err
	}
	budgets := c.kube.PolicyV1().PodDisruptionBudgets(f.target.Namespace)
	clear(kept)
	for i := range all.budgets {
		if b := f.followBudget(&all.budgets[i]); b != nil {
			kept[b.Name] = true
			if err := declare(ctx, budgets, w, b, "PodDisruptionBudget", renewBudget); err != nil {
				return err
			}
		}
	}
	return sweep(ctx, budgets, w, all.budgets, f.target, kept)
}

// unfollow deletes what kept the green track company. Its policies stay until its last pod has ended:
// without them a pod that finishes its requests might reach nothing, or be reached by everybody.
func (c *Client) unfollow(ctx context.Context, w activities.Write, t plan.Target) error {
	all, err := c.around(ctx, t.Namespace)
	if err != nil {
		return err
	}
	if err := sweep(ctx, c.kube.PolicyV1().PodDisruptionBudgets(t.Namespace), w, all.budgets, t, nil); err != nil {
		return err
	}
	if !slices.ContainsFunc(all.policies, func(p networkingv1.NetworkPolicy) bool { return follows(&p, t) }) {
		return nil
	}
	pods, err := c.kube.CoreV1().Pods(t.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.FormatLabels(greenLabels(t))})
	if err != nil {
		return Fault(err, "list pods of the green track of "+t.Deployment)
	}
	if n := len(pods.Items); n > 0 {
		return fmt.Errorf("pods of the green track of %s have not ended yet (%d left); its NetworkPolicies stay until then", t.Deployment, n)
	}
	return sweep(ctx, c.kube.NetworkingV1().NetworkPolicies(t.Namespace), w, all.policies, t, nil)
}

// follows reports whether an object was made for a target's green track.
func follows(o metav1.Object, t plan.Target) bool {
	l := o.GetLabels()
	return l[LabelManagedBy] == manager && l[LabelService] == t.Deployment && l[LabelTrack] == green
}

// sweep deletes what follows the green track and is not among those to keep.
func sweep[T any, P interface {
	*T
	metav1.Object
}](ctx context.Context, s store[P], w activities.Write, all []T, t plan.Target, keep map[string]bool) error {
	for i := range all {
		o := P(&all[i])
		if !follows(o, t) || keep[o.GetName()] {
			continue
		}
		what := "delete " + o.GetNamespace() + "/" + o.GetName()
		if err := remove(ctx, w, o.GetName(), what, s.Get, s.Delete); err != nil {
			return err
		}
	}
	return nil
}
