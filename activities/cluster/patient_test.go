// SPDX-License-Identifier: Apache-2.0

package cluster_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
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
