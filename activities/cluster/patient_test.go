// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
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
	k8stesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// noon is when pods are looked at; they began an hour before.
func noon() time.Time { return time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC) }

// patient is a pod that began an hour ago, and changed its readiness some time after that.
func patient(track, name string, ready bool, changed time.Duration, containers ...corev1.ContainerStatus) *corev1.Pod {
	p := pod(track, track+"-1", name, ready)
	p.Status.StartTime = new(metav1.NewTime(noon().Add(-time.Hour)))
	p.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon().Add(changed - time.Hour))
	p.Status.ContainerStatuses = containers
	return p
}

func ended(restarts int32, reason string) corev1.ContainerStatus {
	return corev1.ContainerStatus{RestartCount: restarts, LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: reason}}}
}

func TestWhatPodsHaveGoneThroughIsSeen(t *testing.T) {
	going := patient("green", "green-e", true, 0, ended(9, "Error"))
	going.DeletionTimestamp, going.Finalizers = new(metav1.Now()), []string{"example/keep"}
	objects := []runtime.Object{
		deployment("blue", 1), deployment("green", 2),
		patient("blue", "blue-a", true, time.Minute, corev1.ContainerStatus{}),
		patient("green", "green-a", true, time.Minute, ended(2, "OOMKilled"), ended(1, "Error")),
		patient("green", "green-b", true, time.Minute, ended(1, "Error")),
		patient("green", "green-c", false, 30*time.Minute),
		patient("green", "green-d", false, time.Second),
		going,
	}
	p := cluster.Patients{Client: cluster.New(fake.NewClientset(objects...)), Now: noon}
	got, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "blue", Candidate: "green"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(judge.Look{
		Stable: judge.Pods{Number: 1, Age: 1},
		Candidate: judge.Pods{Number: 4, Age: 4, Restarts: 4, Kills: 3, Troubled: map[string]judge.Pod{
			"green-a": {Restarts: 3, Killed: true}, "green-b": {Restarts: 1}, "green-c": {Lost: noon().Add(-30 * time.Minute).Unix()},
		}},
	}, got))
}

func TestATrackThatIsNotThereHasNoPods(t *testing.T) {
	p := cluster.Patients{Client: cluster.New(fake.NewClientset(deployment("blue", 1))), Now: noon}
	got, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "blue", Candidate: "green"})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(judge.Look{}, got))
}

func TestPodsInTroubleAreToldApartUpToALimit(t *testing.T) {
	objects := []runtime.Object{deployment("green", 1)}
	for i := range judge.MaxTroubled + 5 {
		objects = append(objects, patient("green", fmt.Sprintf("green-%03d", i), true, 0, ended(1, "Error")))
	}
	p := cluster.Patients{Client: cluster.New(fake.NewClientset(objects...)), Now: noon}
	got, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "blue", Candidate: "green"})
	require.NoError(t, err)
	require.Len(t, got.Candidate.Troubled, judge.MaxTroubled)
	require.Equal(t, judge.MaxTroubled+5, got.Candidate.Restarts)
}

func TestPodsThatCannotBeListedAreAnError(t *testing.T) {
	kube := fake.NewClientset(deployment("blue", 1))
	kube.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("connection refused")
	})
	p := cluster.Patients{Client: cluster.New(kube), Now: noon}
	_, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "blue", Candidate: "green"})
	require.ErrorContains(t, err, "list pods of Deployment shop/blue")
}

// rolled is a workload of a kind with two revisions, of which pods run the second one whose label has that value.
func rolled(kind string) (objects []runtime.Object, label, old, fresh string) {
	const uid = "db-uid"
	owner := []metav1.OwnerReference{{Name: "db", UID: uid, Controller: new(true)}}
	mine := func(name string) metav1.ObjectMeta {
		m := meta(name)
		m.Labels, m.OwnerReferences = map[string]string{"track": "db"}, owner
		return m
	}
	at := meta("db")
	at.UID = uid
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"track": "db"}}
	switch kind {
	case plan.KindStatefulSet:
		return []runtime.Object{&appsv1.StatefulSet{
			ObjectMeta: at, Spec: appsv1.StatefulSetSpec{Selector: selector},
			Status: appsv1.StatefulSetStatus{CurrentRevision: "db-1", UpdateRevision: "db-2"},
		}}, appsv1.ControllerRevisionHashLabelKey, "db-1", "db-2"
	case plan.KindDaemonSet:
		objects = append(objects, &appsv1.DaemonSet{ObjectMeta: at, Spec: appsv1.DaemonSetSpec{Selector: selector}})
		for i, hash := range []string{"aaa", "bbb"} {
			r := &appsv1.ControllerRevision{ObjectMeta: mine("db-" + hash), Revision: int64(i + 1)}
			r.Labels[appsv1.ControllerRevisionHashLabelKey] = hash
			objects = append(objects, r)
		}
		return objects, appsv1.ControllerRevisionHashLabelKey, "aaa", "bbb"
	}
	objects = append(objects, &appsv1.Deployment{ObjectMeta: at, Spec: appsv1.DeploymentSpec{Selector: selector}})
	for hash, number := range map[string]string{"aaa": "10", "bbb": "9"} { // it has gone back to an earlier one
		set := &appsv1.ReplicaSet{ObjectMeta: mine("db-" + hash)}
		set.Labels[appsv1.DefaultDeploymentUniqueLabelKey] = hash
		set.Annotations = map[string]string{"deployment.kubernetes.io/revision": number}
		objects = append(objects, set)
	}
	return objects, appsv1.DefaultDeploymentUniqueLabelKey, "bbb", "aaa"
}

func TestPodsThatAreReplacedInPlaceAreToldApartByTheirRevision(t *testing.T) {
	for _, kind := range []string{plan.KindDeployment, plan.KindStatefulSet, plan.KindDaemonSet} {
		t.Run(kind, func(t *testing.T) {
			objects, label, old, fresh := rolled(kind)
			for name, revision := range map[string]string{"db-0": old, "db-1": old, "db-2": fresh} {
				p := patient("db", name, true, time.Minute, ended(2, "OOMKilled"))
				if name == "db-0" {
					p.Status.ContainerStatuses = nil
				}
				p.Labels[label] = revision
				objects = append(objects, p)
			}
			going := patient("db", "db-3", true, 0, ended(9, "Error"))
			going.Labels[label], going.DeletionTimestamp, going.Finalizers = old, new(metav1.Now()), []string{"example/keep"}
			p := cluster.Patients{Client: cluster.New(fake.NewClientset(append(objects, going)...)), Now: noon}
			got, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "db", Kind: kind})
			require.NoError(t, err)
			killed := func(name string) map[string]judge.Pod { return map[string]judge.Pod{name: {Restarts: 2, Killed: true}} }
			require.Empty(t, cmp.Diff(judge.Look{
				Stable:    judge.Pods{Number: 2, Age: 2, Restarts: 2, Kills: 2, Troubled: killed("db-1")},
				Candidate: judge.Pods{Number: 1, Age: 1, Restarts: 2, Kills: 2, Troubled: killed("db-2")},
			}, got))
		})
	}
}

func TestAWorkloadWhosePodsCannotBeToldApartIsAnError(t *testing.T) {
	for _, kind := range []string{plan.KindDeployment, plan.KindStatefulSet, plan.KindDaemonSet} {
		t.Run(kind, func(t *testing.T) {
			look := func(objects ...runtime.Object) error {
				p := cluster.Patients{Client: cluster.New(fake.NewClientset(objects...)), Now: noon}
				_, err := p.LookAtPods(t.Context(), activities.LookAtPodsIn{Namespace: "shop", Stable: "db", Kind: kind})
				return err
			}
			require.ErrorContains(t, look(), kind+" shop/db does not exist")
			objects, _, _, _ := rolled(kind)
			if s, ok := objects[0].(*appsv1.StatefulSet); ok {
				s.Status.UpdateRevision = ""
			}
			require.ErrorContains(t, look(objects[0]), kind+" shop/db has no revision; Kubernetes has not looked at it yet")
		})
	}
}
