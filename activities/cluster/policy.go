// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxName is the longest name of an object.
const maxName = 253

// named is a name with something behind it, within what Kubernetes takes.
func named(name, suffix string) string {
	return name[:min(len(name), maxName-len(suffix))] + suffix
}

// followBudget is the PodDisruptionBudget that green needs because of b; nil where b covers green, or has
// nothing to do with the target.
func (f family) followBudget(b *policyv1.PodDisruptionBudget) *policyv1.PodDisruptionBudget {
	if follows(b, f.target) || !f.misses(b.Spec.Selector) {
		return nil
	}
	out := &policyv1.PodDisruptionBudget{ObjectMeta: greenMeta(f.target, named(b.Name, "-"+green)), Spec: *b.Spec.DeepCopy()}
	out.Spec.Selector = f.own()
	return out
}

func renewBudget(has, want *policyv1.PodDisruptionBudget) error {
	has.Spec = want.Spec
	return nil
}

// followPolicy are the NetworkPolicies that green needs because of p: one for what p allows blue's pods,
// and one for what p allows others towards blue's pods. Policies add up, so the second names nothing but
// green, and p stays as its owner wrote it.
func (f family) followPolicy(p *networkingv1.NetworkPolicy) []*networkingv1.NetworkPolicy {
	if follows(p, f.target) {
		return nil
	}
	var out []*networkingv1.NetworkPolicy
	if f.misses(&p.Spec.PodSelector) {
		own := &networkingv1.NetworkPolicy{ObjectMeta: greenMeta(f.target, named(p.Name, "-"+green)), Spec: *p.Spec.DeepCopy()}
		own.Spec.PodSelector = *f.own()
		for i := range own.Spec.Ingress {
			own.Spec.Ingress[i].From = append(own.Spec.Ingress[i].From, f.peers(own.Spec.Ingress[i].From)...)
		}
		for i := range own.Spec.Egress {
			own.Spec.Egress[i].To = append(own.Spec.Egress[i].To, f.peers(own.Spec.Egress[i].To)...)
		}
		out = append(out, own)
	}
	if towards := f.towardsGreen(p); towards != nil {
		out = append(out, towards)
	}
	return out
}

// towardsGreen allows the pods of p towards green what p allows them towards blue.
func (f family) towardsGreen(p *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	out := &networkingv1.NetworkPolicy{
		ObjectMeta: greenMeta(f.target, named(p.Name, "-to-"+green)),
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: *p.Spec.PodSelector.DeepCopy()},
	}
	for _, rule := range p.Spec.Ingress {
		if peers := f.peers(rule.From); peers != nil {
			out.Spec.Ingress = append(out.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{Ports: slices.Clone(rule.Ports), From: peers})
		}
	}
	for _, rule := range p.Spec.Egress {
		if peers := f.peers(rule.To); peers != nil {
			out.Spec.Egress = append(out.Spec.Egress, networkingv1.NetworkPolicyEgressRule{Ports: slices.Clone(rule.Ports), To: peers})
		}
	}
	if out.Spec.Ingress != nil {
		out.Spec.PolicyTypes = append(out.Spec.PolicyTypes, networkingv1.PolicyTypeIngress)
	}
	if out.Spec.Egress != nil {
		out.Spec.PolicyTypes = append(out.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
	}
	if out.Spec.PolicyTypes == nil {
		return nil
	}
	return out
}

// peers are green beside those of a rule that are blue and not green. A rule without peers allows everybody.
func (f family) peers(all []networkingv1.NetworkPolicyPeer) []networkingv1.NetworkPolicyPeer {
	for _, p := range all {
		if p.PodSelector != nil && f.misses(p.PodSelector) {
			return []networkingv1.NetworkPolicyPeer{{PodSelector: f.own(), NamespaceSelector: p.NamespaceSelector.DeepCopy()}}
		}
	}
	return nil
}

func renewPolicy(has, want *networkingv1.NetworkPolicy) error {
	has.Spec = want.Spec
	return nil
}

// keepApart makes green's pods keep apart from, or stay with, each other as blue's do: terms that select
// blue alone select green alone.
func (f family) keepApart(pod *corev1.PodSpec) {
	for i := range pod.TopologySpreadConstraints {
		f.turn(&pod.TopologySpreadConstraints[i].LabelSelector)
	}
	if pod.Affinity == nil {
		return
	}
	if a := pod.Affinity.PodAffinity; a != nil {
		f.turnTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
	}
	if a := pod.Affinity.PodAntiAffinity; a != nil {
		f.turnTerms(a.RequiredDuringSchedulingIgnoredDuringExecution, a.PreferredDuringSchedulingIgnoredDuringExecution)
	}
}

func (f family) turnTerms(required []corev1.PodAffinityTerm, preferred []corev1.WeightedPodAffinityTerm) {
	for i := range required {
		f.turn(&required[i].LabelSelector)
	}
	for i := range preferred {
		f.turn(&preferred[i].PodAffinityTerm.LabelSelector)
	}
}

func (f family) turn(s **metav1.LabelSelector) {
	if f.misses(*s) {
		*s = f.own()
	}
}
