// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	kubefake "k8s.io/client-go/kubernetes/fake"
	kubetesting "k8s.io/client-go/testing"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/starter/rescue"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// byHand is what kubectl calls for the commands that a rescue prints, beyond what the rescue itself calls.
func byHand() map[string][]string {
	return map[string][]string{
		"apps/deployments":                     {"list", "watch", "patch"}, // rollout status, set image
		"apps/deployments/scale":               {"get", "patch"},
		"/services":                            {"patch"},
		"gateway.networking.k8s.io/httproutes": {"patch"},
		"gateway.networking.k8s.io/grpcroutes": {"patch"},
		"traefik.io/traefikservices":           {"patch"},
		"networking.istio.io/virtualservices":  {"patch"},
	}
}

func TestARescuersRoleHasExactlyTheRightsThatARescueUses(t *testing.T) {
	want := usedByRescue(t)
	for resource, verbs := range byHand() {
		want[resource] = append(want[resource], verbs...)
	}
	require.Empty(t, cmp.Diff(sorted(want), granted(t, "../../deploy/rescue/role.yaml")), "- used, + granted")
}

// usedByRescue are the verbs of two rescues that take everything away, with a Lease and a record that
// somebody has deleted before.
func usedByRescue(t *testing.T) map[string][]string {
	t.Helper()
	ctx, meta, labels := t.Context(), metav1.ObjectMeta{Namespace: "shop", Name: "checkout"}, map[string]string{"app": "checkout"}
	mine := metav1.ObjectMeta{Namespace: "shop", Name: "checkout-green", Labels: map[string]string{cluster.LabelManagedBy: "slipway"}}
	deployment := func(meta metav1.ObjectMeta) *appsv1.Deployment {
		return &appsv1.Deployment{ObjectMeta: meta, Status: appsv1.DeploymentStatus{ReadyReplicas: 1}, Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "checkout", Image: "old"}}}},
		}}
	}
	kube := kubefake.NewClientset(deployment(meta), deployment(mine), &corev1.Service{ObjectMeta: meta}, &corev1.Service{ObjectMeta: mine},
		&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", Labels: labels}},
		&discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "a", Labels: map[string]string{discoveryv1.LabelServiceName: "checkout"}},
			Endpoints:  []discoveryv1.Endpoint{{TargetRef: &corev1.ObjectReference{Name: "a"}}},
		})
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
	objects := routed(t, true)

	safe := activities.SafeState{
		Version: 1, Target: plan.Target{Namespace: "shop", Deployment: "checkout", Service: "checkout"},
		Tracks: activities.Tracks{Stable: "checkout", StableImage: "old", StableSelector: labels, Candidate: "checkout-green", CandidateService: "checkout-green", Replicas: 1},
		Route:  activities.Route{Namespace: "shop", Stable: "checkout", Candidate: "checkout-green", StableSelector: labels, Mirror: 100},
	}
	r := rescue.New(kube, objects, activities.Clock{Now: time.Now, After: func(time.Duration) <-chan time.Time { return time.After(0) }}, 0)
	_, err := r.Recall(ctx, "shop", "checkout")
	require.Error(t, err, "it has looked everywhere")
	for i, traffic := range inFront() {
		safe.Route.Traffic = traffic
		for _, id := range []string{"rescue-1", "rescue-2"} { // one creates Lease and record, the other updates them
			now, err := r.Look(ctx, safe)
			require.NoError(t, err)
			remove := i == len(inFront())-1 // once
			r.Carry(ctx, rescue.Order{Safe: safe, Actions: rescue.Plan(safe, now, remove), ID: id, Say: func(s rescue.Step) {
				require.Equal(t, rescue.Done, s.Outcome, "%s: %s", s.Do, s.Reason)
			}})
		}
	}
	return verbs(append(kube.Actions(), objects.Actions()...))
}
