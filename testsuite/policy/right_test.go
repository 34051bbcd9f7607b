// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	kubefake "k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/replicas"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/activities/traffic/service"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestTheWorkersRoleHasExactlyTheRightsThatTheAdaptersUse(t *testing.T) {
	require.Empty(t, cmp.Diff(used(t), granted(t, "../../deploy/base/rbac.yaml")), "- used, + granted")
}

// granted are the verbs of the file's ClusterRole by "group/resource".
func granted(t *testing.T, file string) map[string][]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	out := map[string][]string{}
	for d := yaml.NewYAMLOrJSONDecoder(f, 4096); ; {
		var role rbacv1.ClusterRole
		err := d.Decode(&role)
		if errors.Is(err, io.EOF) {
			return sorted(out)
		}
		require.NoError(t, err)
		for _, rule := range role.Rules {
			require.Len(t, rule.APIGroups, 1)
			for _, resource := range rule.Resources {
				name := rule.APIGroups[0] + "/" + resource
				out[name] = append(out[name], rule.Verbs...)
			}
		}
	}
}

// used are the verbs of everything that the adapters ever call.
func used(t *testing.T) map[string][]string {
	t.Helper()
	target := plan.Target{Namespace: "shop", Deployment: "checkout", Service: "checkout"}
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}
	labels := map[string]string{"app": "checkout"}
	kube := kubefake.NewClientset(append(append(rolling(t), around(meta, labels)...),
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					Containers: []corev1.Container{{Name: "checkout", Image: "old"}},
					Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "checkout"},
					}}, {VolumeSource: corev1.VolumeSource{
						ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "checkout"}},
					}}},
				},
			},
		}},
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80}}}},
	)...)
	// The fake gives no resource versions, by which an object that exists is told from a new one.
	kube.PrependReactor("get", "leases", func(a kubetesting.Action) (bool, runtime.Object, error) {
		found, err := kube.Tracker().Get(a.GetResource(), "shop", "slipway-checkout")
		if err != nil {
			return true, nil, err
		}
		lease := found.DeepCopyObject().(*coordinationv1.Lease)
		lease.ResourceVersion = "1"
		return true, lease, nil
	})
	objects := routed(t, false)

	c, ctx := cluster.New(kube), t.Context()
	tracks, err := c.Inspect(ctx, activities.InspectTargetIn{Target: target, Image: "new"})
	require.NoError(t, err)
	config := plan.Config{Snapshot: new(true)}
	for _, id := range []string{"first", "second"} { // one creates, the other updates
		fence, err := c.TakeFence(ctx, activities.TakeFenceIn{Target: target, ReleaseID: id, Safe: &activities.SafeState{Target: target}})
		require.NoError(t, err)
		require.NoError(t, c.DeployCandidate(ctx, activities.DeployCandidateIn{
			Write: write(id, fence), Target: target, Tracks: tracks, Image: "new", Config: config,
		}))
	}
	w := write("first", 2)
	require.NoError(t, c.SizeTrack(ctx, activities.SizeTrackIn{Write: w, Namespace: "shop", Deployment: tracks.Candidate, Replicas: 2}))
	_, err = c.ResizeCandidate(ctx, activities.ResizeCandidateIn{Write: w, Target: target, Stable: tracks.Stable, Candidate: tracks.Candidate})
	require.NoError(t, err)
	_, err = c.Readiness(ctx, activities.AwaitReadyIn{Namespace: "shop", Deployment: tracks.Candidate, Image: "new", Replicas: 1})
	require.NoError(t, err)
	require.NoError(t, c.SwitchService(ctx, activities.SwitchServiceIn{Write: w, Namespace: "shop", Service: "checkout", Selector: tracks.CandidateSelector}))
	require.NoError(t, c.RetireTrack(ctx, activities.RetireTrackIn{
		Write: w, Namespace: "shop", Deployment: tracks.Candidate, Target: target, Config: config,
		DeleteDeployment: true, DeleteService: tracks.CandidateService,
	}))

	rolls(t, c, w)
	checksByJob(t, c, target)

	route := activities.Route{Namespace: "shop", Stable: "checkout", Candidate: tracks.CandidateService, Port: 80}
	for _, traffic := range inFront() {
		route.Traffic = traffic
		shifts(t, router.All(kube, objects), route, w)
	}

	s := service.New(kube)
	route.Traffic, route.StableSelector = plan.Traffic{Service: &plan.Selector{}}, tracks.CandidateSelector
	_, err = s.Read(ctx, route)
	require.NoError(t, err)
	require.NoError(t, s.Set(ctx, activities.SetTrafficWeightIn{Write: w, Route: route, Weight: 0}))
	_, err = s.Verify(ctx, route, 0)
	require.NoError(t, err)

	p := replicas.New(kube)
	route.Traffic, route.CandidateSelector = plan.Traffic{Replicas: &plan.Replicas{}}, labels
	route.SharedSelector = map[string]string{cluster.LabelService: "checkout"}
	_, err = p.Read(ctx, route)
	require.NoError(t, err)
	require.NoError(t, p.Set(ctx, activities.SetTrafficWeightIn{Write: w, Route: route, Weight: 50}))
	_, err = p.Verify(ctx, route, 50)
	require.NoError(t, err)
	return verbs(append(kube.Actions(), objects.Actions()...))
}

// rolls calls everything that replaces pods in place.
func rolls(t *testing.T, c *cluster.Client, w activities.Write) {
	t.Helper()
	for _, kind := range []string{plan.KindDeployment, plan.KindStatefulSet, plan.KindDaemonSet} {
		target := plan.Target{Kind: kind, Namespace: "shop", Deployment: "rolls", Service: "checkout"}
		_, err := c.Find(t.Context(), activities.InspectRolloutIn{Target: target, Image: "new"})
		require.NoError(t, err)
		_, err = c.Look(t.Context(), activities.WatchRolloutIn{Target: target, Image: "old"})
		require.NoError(t, err)
		for _, in := range []activities.RollIn{{Image: "new"}, {Revision: "rolls-1"}} {
			in.Write, in.Target, in.Own, in.MaxUnavailable = w, target, []string{"old", "new"}, 1
			_, err = c.Roll(t.Context(), in)
			require.NoError(t, err)
		}
		require.NoError(t, c.HandBack(t.Context(), activities.HandBackIn{Write: w, Target: target}))
	}
}

// checksByJob calls everything about the Job of a check, once as its maker and once as another attempt. The fence is
// that of the second release.
func checksByJob(t *testing.T, c *cluster.Client, target plan.Target) {
	t.Helper()
	require.NoError(t, c.InspectJobs(t.Context(), activities.InspectJobsIn{Target: target, CronJobs: []string{"checkout"}}))
	in := activities.RunJobIn{
		JobIn: activities.JobIn{Write: write("second", 2), Target: target, Name: "checkout-smoke"},
		Check: plan.Check{Name: "smoke", Job: &plan.JobCheck{CronJob: "checkout"}, Within: plan.Duration(time.Minute)},
	}
	for range 2 {
		require.NoError(t, c.MakeJob(t.Context(), in))
		_, err := c.LookAtJob(t.Context(), in)
		require.NoError(t, err)
	}
	require.NoError(t, c.DeleteJob(t.Context(), in.JobIn))
}

// rolling are a workload of each kind that can be replaced in place, with a revision and a pod of an earlier one.
func rolling(t *testing.T) []runtime.Object {
	t.Helper()
	meta := metav1.ObjectMeta{Namespace: "shop", Name: "rolls", UID: "1"}
	labels := map[string]string{"app": "rolls"}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "shop", Image: "old"}}},
	}
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": template}})
	require.NoError(t, err)
	part := metav1.ObjectMeta{Namespace: "shop", Name: "rolls-1", Labels: labels, OwnerReferences: []metav1.OwnerReference{{UID: "1", Controller: new(true)}}}
	hashed := *part.DeepCopy()
	hashed.Labels[appsv1.DefaultDaemonSetUniqueLabelKey] = "present"
	return []runtime.Object{
		&appsv1.Deployment{
			ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template},
			Status: appsv1.DeploymentStatus{UpdatedReplicas: 1, Replicas: 1},
		},
		&appsv1.StatefulSet{
			ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template},
			Status: appsv1.StatefulSetStatus{UpdatedReplicas: 1, Replicas: 1},
		},
		&appsv1.DaemonSet{
			ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template},
			Status: appsv1.DaemonSetStatus{UpdatedNumberScheduled: 1, CurrentNumberScheduled: 1, DesiredNumberScheduled: 1},
		},
		&appsv1.ReplicaSet{ObjectMeta: part, Spec: appsv1.ReplicaSetSpec{Template: template}},
		&appsv1.ControllerRevision{ObjectMeta: hashed, Data: runtime.RawExtension{Raw: patch}},
		&corev1.Pod{ObjectMeta: part},
	}
}

// around is one of everything that follows a track or is looked at before there are two.
func around(meta metav1.ObjectMeta, labels map[string]string) []runtime.Object {
	selector := metav1.LabelSelector{MatchLabels: labels}
	return []runtime.Object{
		&policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{Selector: &selector}},
		&networkingv1.NetworkPolicy{ObjectMeta: meta, Spec: networkingv1.NetworkPolicySpec{PodSelector: selector}},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "checkout"}, MaxReplicas: 5,
		}},
		&batchv1.CronJob{ObjectMeta: meta},
		&corev1.ConfigMap{ObjectMeta: meta},
		&corev1.PersistentVolumeClaim{ObjectMeta: meta, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}}},
	}
}

func write(id string, fence int64) activities.Write {
	return activities.Write{ReleaseID: id, Fence: activities.Fence{Release: fence, Step: 1}}
}

func verbs(actions []kubetesting.Action) map[string][]string {
	out := map[string][]string{}
	for _, a := range actions {
		name := a.GetResource().Group + "/" + a.GetResource().Resource
		if sub := a.GetSubresource(); sub != "" {
			name += "/" + sub
		}
		out[name] = append(out[name], a.GetVerb())
	}
	return sorted(out)
}

func sorted(all map[string][]string) map[string][]string {
	for name, verbs := range all {
		slices.Sort(verbs)
		all[name] = slices.Compact(verbs)
	}
	return all
}
