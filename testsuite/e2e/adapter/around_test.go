// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

var (
	blueSelector  = metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}}
	greenSelector = metav1.LabelSelector{MatchLabels: greenLabels}
)

func (p *place) budget(t *testing.T, name string, selector metav1.LabelSelector) {
	t.Helper()
	_, err := world.Kube.PolicyV1().PodDisruptionBudgets(p.target.Namespace).Create(t.Context(), &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": "pay"}},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromString("50%")), Selector: &selector},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func (p *place) budgets(t *testing.T) map[string]policyv1.PodDisruptionBudgetSpec {
	t.Helper()
	all, err := world.Kube.PolicyV1().PodDisruptionBudgets(p.target.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	out := map[string]policyv1.PodDisruptionBudgetSpec{}
	for _, b := range all.Items {
		out[b.Name] = b.Spec
	}
	return out
}

func TestABudgetFollowsTheGreenTrackAndGoesWithIt(t *testing.T) {
	p := open(t)
	p.budget(t, "checkout", blueSelector)
	p.budget(t, "everybody", metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: metav1.LabelSelectorOpExists}}})
	before := p.budgets(t)
	tracks := p.inspect(t, image("v2"))
	require.Equal(t, []string{"PodDisruptionBudget checkout selects checkout alone; checkout-green follows checkout-green"}, tracks.Notes)
	require.Zero(t, p.writes.Load())

	for step := range int64(2) { // the second time it is renewed
		p.deploy(t, tracks, image("v2"), write(1, step+1))
		after := p.budgets(t)
		require.Len(t, after, 3)
		require.Empty(t, cmp.Diff(policyv1.PodDisruptionBudgetSpec{MinAvailable: new(intstr.FromString("50%")), Selector: &greenSelector}, after["checkout-green"]))
		delete(after, "checkout-green")
		require.Empty(t, cmp.Diff(before, after))
	}
	require.NoError(t, p.tryRetire(t.Context(), write(1, 3)))
	require.Empty(t, cmp.Diff(before, p.budgets(t)))
}

func TestABudgetThatLostItsOriginalGoesAtTheNextDeploy(t *testing.T) {
	p := open(t)
	p.budget(t, "checkout", blueSelector)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	require.NoError(t, world.Kube.PolicyV1().PodDisruptionBudgets(p.target.Namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	p.deploy(t, p.inspect(t, image("v3")), image("v3"), write(2, 1))
	require.Empty(t, p.budgets(t))
}

func TestSomebodysBudgetIsNeverMadeGreens(t *testing.T) {
	p := open(t)
	p.budget(t, "checkout", blueSelector)
	p.budget(t, "checkout-green", metav1.LabelSelector{MatchLabels: map[string]string{"app": "somebody"}})
	_, err := p.workloads.Inspect(t.Context(), activities.InspectTargetIn{Target: p.target, Image: image("v2")})
	require.EqualError(t, err, "PodDisruptionBudget "+p.target.Namespace+"/checkout-green exists and is not Slipway's; rename it, its name is needed for the green track")
}

func (p *place) policy(t *testing.T, name string, spec networkingv1.NetworkPolicySpec) {
	t.Helper()
	_, err := world.Kube.NetworkingV1().NetworkPolicies(p.target.Namespace).Create(t.Context(),
		&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: spec}, metav1.CreateOptions{})
	require.NoError(t, err)
}

func (p *place) policies(t *testing.T) map[string]networkingv1.NetworkPolicySpec {
	t.Helper()
	all, err := world.Kube.NetworkingV1().NetworkPolicies(p.target.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	out := map[string]networkingv1.NetworkPolicySpec{}
	for _, n := range all.Items {
		out[n.Name] = n.Spec
	}
	return out
}

func from(selectors ...metav1.LabelSelector) []networkingv1.NetworkPolicyPeer {
	var out []networkingv1.NetworkPolicyPeer
	for _, s := range selectors {
		out = append(out, networkingv1.NetworkPolicyPeer{PodSelector: &s})
	}
	return out
}

func TestNetworkPoliciesFollowTheGreenTrackAsSubjectAndAsPeer(t *testing.T) {
	p := open(t)
	db, gateway := metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, metav1.LabelSelector{MatchLabels: map[string]string{"app": "gateway"}}
	ports := []networkingv1.NetworkPolicyPort{{Protocol: ptr.To(corev1.ProtocolTCP), Port: new(intstr.FromInt32(5432))}}
	ingress, egress := networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	p.policy(t, "deny-all", networkingv1.NetworkPolicySpec{PolicyTypes: []networkingv1.PolicyType{ingress, egress}})
	p.policy(t, "checkout", networkingv1.NetworkPolicySpec{
		PodSelector: blueSelector, PolicyTypes: []networkingv1.PolicyType{ingress, egress},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{From: from(gateway)}},
		Egress:  []networkingv1.NetworkPolicyEgressRule{{To: from(db), Ports: ports}},
	})
	p.policy(t, "db", networkingv1.NetworkPolicySpec{
		PodSelector: db, PolicyTypes: []networkingv1.PolicyType{ingress},
		Ingress: []networkingv1.NetworkPolicyIngressRule{{From: from(gateway)}, {From: from(gateway, blueSelector), Ports: ports}},
	})
	before := p.policies(t)
	tracks := p.inspect(t, image("v2"))
	require.Equal(t, []string{
		"NetworkPolicy checkout knows checkout alone; checkout-green follows checkout-green",
		"NetworkPolicy db knows checkout alone; db-to-green follows checkout-green",
	}, tracks.Notes)

	for step := range int64(2) {
		p.deploy(t, tracks, image("v2"), write(1, step+1))
		after := p.policies(t)
		want := before["checkout"]
		want.PodSelector = greenSelector
		require.Empty(t, cmp.Diff(want, after["checkout-green"]))
		require.Empty(t, cmp.Diff(networkingv1.NetworkPolicySpec{
			PodSelector: db, PolicyTypes: []networkingv1.PolicyType{ingress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: from(greenSelector), Ports: ports}},
		}, after["db-to-green"]))
		delete(after, "checkout-green")
		delete(after, "db-to-green")
		require.Empty(t, cmp.Diff(before, after))
	}
}

func TestPoliciesStayUntilTheLastPodOfTheirTrackHasEnded(t *testing.T) {
	p := open(t)
	p.policy(t, "checkout", networkingv1.NetworkPolicySpec{PodSelector: blueSelector, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}})
	before := p.policies(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	pods := world.Kube.CoreV1().Pods(p.target.Namespace)
	_, err := pods.Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "last", Labels: greenLabels, Finalizers: []string{"slipway.dev/test"}},
		Spec:       p.deployment(t, "checkout").Spec.Template.Spec,
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	eventually(t, func(ctx context.Context) error {
		err := p.tryRetire(ctx, write(1, 2))
		switch {
		case err == nil:
			return errors.New("retired, with a pod left")
		case strings.Contains(err.Error(), "pods of the green track of checkout have not ended yet (1 left)"):
			return nil
		}
		return err
	})
	require.Contains(t, p.policies(t), "checkout-green")
	_, err = pods.Patch(t.Context(), "last", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NoError(t, pods.Delete(t.Context(), "last", metav1.DeleteOptions{GracePeriodSeconds: ptr.To[int64](0)}))
	eventually(t, func(ctx context.Context) error { return p.tryRetire(ctx, write(1, 2)) })
	require.Empty(t, cmp.Diff(before, p.policies(t)))
}

func TestGreenKeepsApartFromItselfAsBlueDoes(t *testing.T) {
	term := func(s metav1.LabelSelector) corev1.PodAffinityTerm {
		return corev1.PodAffinityTerm{TopologyKey: "kubernetes.io/hostname", LabelSelector: &s}
	}
	db := metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}
	p := open(t, func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
		d.Spec.Template.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
			MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: &blueSelector,
		}}
		d.Spec.Template.Spec.Affinity = &corev1.Affinity{
			PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term(db)}},
			PodAntiAffinity: &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
				{Weight: 1, PodAffinityTerm: term(blueSelector)},
			}},
		}
	})
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	pod := p.deployment(t, "checkout-green").Spec.Template.Spec
	require.Empty(t, cmp.Diff(&greenSelector, pod.TopologySpreadConstraints[0].LabelSelector))
	require.Empty(t, cmp.Diff(term(db), pod.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]))
	require.Empty(t, cmp.Diff(term(greenSelector), pod.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm))
}

func (p *place) second(t *testing.T, name string, selector map[string]string) {
	t.Helper()
	s := service(p.target.Namespace)
	s.Name, s.Spec.Selector = name, selector
	_, err := world.Kube.CoreV1().Services(p.target.Namespace).Create(t.Context(), s, metav1.CreateOptions{})
	require.NoError(t, err)
}

func TestAnotherServiceOfTheSamePodsIsRefusedUntilThePlanNamesIt(t *testing.T) {
	p := open(t)
	owners := map[string]string{"app": "checkout"}
	p.second(t, "metrics", owners)
	p.second(t, "other", map[string]string{"app": "other"})
	in := activities.InspectTargetIn{Target: p.target, Image: image("v2")}
	_, err := p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Service "+p.target.Namespace+"/metrics selects the pods of checkout too, and would not reach those of the new version; "+
		"list it under spec.target.alsoSwitch, to be switched together with checkout")
	require.Equal(t, fault.Invalid, fault.Of(err))

	in.Target.AlsoSwitch = []string{"metrics", "missing"}
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Service "+p.target.Namespace+"/missing does not exist; correct spec.target.alsoSwitch")
	in.Target.AlsoSwitch = []string{"metrics", "other"}
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Service "+p.target.Namespace+"/other of spec.target.alsoSwitch does not select the pods of checkout")

	in.Target.AlsoSwitch = []string{"metrics"}
	tracks, err := p.workloads.Inspect(t.Context(), in)
	require.NoError(t, err)
	turn := func(selector map[string]string, w activities.Write) {
		require.NoError(t, p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
			Write: w, Namespace: p.target.Namespace, Service: "checkout", Selector: selector, Also: in.Target.AlsoSwitch,
		}))
	}
	turn(tracks.CandidateSelector, write(1, 1))
	require.Equal(t, greenLabels, p.service(t, "metrics").Spec.Selector)
	_, err = p.workloads.Inspect(t.Context(), activities.InspectTargetIn{Target: in.Target, Image: image("v3")})
	require.ErrorContains(t, err, "which are not the pods of Deployment checkout", "no green track was made here")
	turn(tracks.StableSelector, write(1, 2))
	require.Equal(t, owners, p.service(t, "metrics").Spec.Selector)
	require.Equal(t, tracks.StableSelector, p.service(t, "checkout").Spec.Selector)
}

func TestAVolumeThatTwoTracksCannotShareIsRefused(t *testing.T) {
	p := open(t, func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
		d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"},
		}}}
	})
	in := activities.InspectTargetIn{Target: p.target, Image: image("v2")}
	_, err := p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Deployment "+p.target.Namespace+"/checkout mounts the PersistentVolumeClaim data, which does not exist")

	claims := world.Kube.CoreV1().PersistentVolumeClaims(p.target.Namespace)
	claim := func(mode corev1.PersistentVolumeAccessMode) {
		_, err := claims.Create(t.Context(), &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Name: "data"},
			Spec: corev1.PersistentVolumeClaimSpec{
				AccessModes: []corev1.PersistentVolumeAccessMode{mode},
				Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
			},
		}, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	claim(corev1.ReadWriteOnce)
	_, err = p.workloads.Inspect(t.Context(), in)
	require.EqualError(t, err, "Deployment "+p.target.Namespace+"/checkout mounts the PersistentVolumeClaim data, which is [ReadWriteOnce]; "+
		"two tracks need ReadWriteMany, or state that lives outside of the pods")
	require.Equal(t, fault.Invalid, fault.Of(err))

	_, err = claims.Patch(t.Context(), "data", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	require.NoError(t, err)
	require.NoError(t, claims.Delete(t.Context(), "data", metav1.DeleteOptions{}))
	claim(corev1.ReadWriteMany)
	_, err = p.workloads.Inspect(t.Context(), in)
	require.NoError(t, err)
}

func TestAQuotaWithoutRoomIsToldBeforeAndIsNoMissingRightLater(t *testing.T) {
	p := open(t, func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
		d.Spec.Template.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}
	})
	quotas := world.Kube.CoreV1().ResourceQuotas(p.target.Namespace)
	hard := corev1.ResourceList{"pods": resource.MustParse("3"), "requests.cpu": resource.MustParse("1"), "count/deployments.apps": resource.MustParse("1")}
	_, err := quotas.Create(t.Context(), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "team"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{})
	require.NoError(t, err)
	// Kubernetes counts nothing while it gets to know kinds that came or went, as in the tests before: up to two
	// of its periods of 30 s.
	soon(t, 3*within, func(ctx context.Context) error {
		q, err := quotas.Get(ctx, "team", metav1.GetOptions{})
		if used := q.Status.Used["pods"]; err == nil && used.Value() != 2 {
			err = fmt.Errorf("%v are used", q.Status.Used)
		}
		return err
	})
	tracks := p.inspect(t, image("v2"))
	require.Equal(t, []string{
		"ResourceQuota team has no room for the second track: 2 of 3 pods are used and it needs 2 more; raise it, or not all pods will start",
	}, tracks.Notes)
	err = p.tryDeploy(t.Context(), tracks, image("v2"), write(1, 1))
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "exceeded quota: team, requested: count/deployments.apps=1")
	require.ErrorContains(t, err, "the namespace's ResourceQuota is used up: raise it, or make room")
	require.NotContains(t, err.Error(), "roles")
}
