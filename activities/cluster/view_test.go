// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }

// pod of a track that a set owns.
func pod(track, set, name string, ready bool) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: meta(name)}
	p.Labels = map[string]string{"track": track}
	if set != "" {
		p.OwnerReferences = []metav1.OwnerReference{{Name: set, Controller: new(true)}}
	}
	p.Status.Phase = corev1.PodRunning
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionFalse}}
	if ready {
		p.Status.Conditions[0].Status = corev1.ConditionTrue
	}
	return p
}

func deployment(name string, ready int32) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: meta(name), Status: appsv1.DeploymentStatus{ReadyReplicas: ready}}
	d.Spec.Replicas, d.Spec.Selector = new(int32(2)), &metav1.LabelSelector{MatchLabels: map[string]string{"track": name}}
	d.Spec.Template.Labels = map[string]string{"track": name}
	return d
}

func view(t *testing.T, in activities.LookoutIn, objects ...runtime.Object) activities.Sight {
	t.Helper()
	in.Namespace = "shop"
	v := &cluster.Viewer{Client: cluster.New(fake.NewClientset(objects...)), Now: func() time.Time { return time.Unix(0, 0) }}
	out, err := v.View(t.Context(), in)
	require.NoError(t, err)
	return out
}

func TestPodsAreSeenByTheirReplicaSetsNewestFirst(t *testing.T) {
	old, waiting, going := pod("blue", "blue-1", "blue-1-a", true), pod("blue", "blue-2", "blue-2-a", false), pod("blue", "blue-2", "blue-2-b", true)
	old.Status.ContainerStatuses = []corev1.ContainerStatus{{RestartCount: 3}}
	waiting.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ErrImagePull", Message: "no such image"}}}}
	going.DeletionTimestamp, going.Finalizers = new(metav1.Now()), []string{"example/keep"}
	for _, p := range []*corev1.Pod{waiting, going} {
		p.CreationTimestamp = metav1.NewTime(time.Unix(100, 0))
	}
	service := &corev1.Service{ObjectMeta: meta("checkout"), Spec: corev1.ServiceSpec{Selector: map[string]string{"track": "blue"}}}
	got := view(t, activities.LookoutIn{Kind: plan.KindDeployment, Service: "checkout", Workloads: []string{"blue", "green"}},
		service, deployment("blue", 1), old, waiting, going, pod("other", "other-1", "other-1-a", true))
	require.Empty(t, cmp.Diff(activities.Sight{
		At: time.Unix(0, 0).UTC(), Service: "checkout",
		Workloads: []activities.WorkloadSight{{Name: "blue", Want: 2, Ready: 1, Serves: true, Sets: []activities.SetSight{
			{Name: "blue-2", Pods: []activities.PodSight{{Name: "blue-2-a", State: "ErrImagePull: no such image"}, {Name: "blue-2-b", State: "Terminating"}}},
			{Name: "blue-1", Pods: []activities.PodSight{{Name: "blue-1-a", Ready: true, Restarts: 3}}},
		}}},
	}, got), "green is not there yet")
}

func TestManyPodsAreCounted(t *testing.T) {
	objects := []runtime.Object{deployment("blue", 40)}
	for i := range 40 {
		objects = append(objects, pod("blue", "blue-1", fmt.Sprintf("blue-1-%02d", i), true))
	}
	got := view(t, activities.LookoutIn{Workloads: []string{"blue"}}, objects...)
	require.Len(t, got.Workloads[0].Sets[0].Pods, 12)
	require.Equal(t, 28, got.Workloads[0].Sets[0].More)
}

func TestOtherWorkloadsAreSeenByTheirRevisions(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"track": "db"}}
	p := pod("db", "db", "db-0", true)
	p.Labels[appsv1.ControllerRevisionHashLabelKey] = "db-7c9f"
	for kind, object := range map[string]runtime.Object{
		plan.KindStatefulSet: &appsv1.StatefulSet{ObjectMeta: meta("db"), Spec: appsv1.StatefulSetSpec{Replicas: new(int32(1)), Selector: selector}, Status: appsv1.StatefulSetStatus{ReadyReplicas: 1}},
		plan.KindDaemonSet:   &appsv1.DaemonSet{ObjectMeta: meta("db"), Spec: appsv1.DaemonSetSpec{Selector: selector}, Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 1, NumberReady: 1}},
	} {
		t.Run(kind, func(t *testing.T) {
			got := view(t, activities.LookoutIn{Kind: kind, Workloads: []string{"db"}}, object, p)
			require.Empty(t, cmp.Diff([]activities.WorkloadSight{{
				Name: "db", Want: 1, Ready: 1, Sets: []activities.SetSight{{Name: "db-7c9f", Pods: []activities.PodSight{{Name: "db-0", Ready: true}}}},
			}}, got.Workloads))
		})
	}
}
