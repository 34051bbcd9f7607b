// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/replicas"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var sharedLabels = map[string]string{cluster.LabelService: "checkout"}

// shared gives the pods the label that both tracks carry.
func shared(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
	d.Spec.Template.Labels = map[string]string{"app": "checkout", "tier": "web", cluster.LabelService: "checkout"}
}

// byPods is a place whose number of pods is its router.
type byPods struct {
	*place
	router *replicas.Client
	route  activities.Route
	tracks activities.Tracks
}

func openByPods(t *testing.T, options ...option) *byPods {
	t.Helper()
	p := open(t, append([]option{running(image("v1"))}, options...)...)
	kube, err := kubernetes.NewForConfig(workerConfig(t))
	require.NoError(t, err)
	tracks := p.inspect(t, image("v2"))
	b := &byPods{place: p, tracks: tracks, router: replicas.New(kube), route: activities.Route{
		Namespace: p.target.Namespace, Traffic: plan.Traffic{Replicas: &plan.Replicas{}}, Stable: "checkout",
		StableSelector: tracks.StableSelector, CandidateSelector: tracks.CandidateSelector, SharedSelector: tracks.SharedSelector, Port: 80,
	}}
	eventually(t, func(ctx context.Context) error {
		got, err := p.workloads.Readiness(ctx, p.awaitReadyIn(image("v1")))
		if err == nil && !got.Ready {
			err = errors.New(got.Reason)
		}
		return err
	})
	return b
}

// deploySized makes the candidate and waits until it is ready.
func (b *byPods) deploySized(t *testing.T, size int32, w activities.Write) {
	t.Helper()
	require.NoError(t, b.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: w, Target: b.target, Tracks: b.tracks, Image: image("v2"), Replicas: size,
	}))
	b.ready(t, size)
}

func (b *byPods) ready(t *testing.T, size int32) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := b.workloads.Readiness(ctx, activities.AwaitReadyIn{
			Namespace: b.target.Namespace, Deployment: b.tracks.Candidate, Image: image("v2"), Replicas: size,
		})
		if err == nil && !got.Ready {
			err = errors.New(got.Reason)
		}
		return err
	})
}

func (b *byPods) set(t *testing.T, weight int, w activities.Write) error {
	t.Helper()
	return b.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: w, Route: b.route, Weight: weight})
}

// says waits until Verify gives this reason; empty: until it has settled.
func (b *byPods) says(t *testing.T, weight int, reason string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		got, err := b.router.Verify(ctx, b.route, weight)
		if err == nil && (got.Settled != (reason == "") || !strings.Contains(got.Reason, reason)) {
			err = errors.New("reason: " + got.Reason)
		}
		return err
	})
}

func TestACanaryByPodsReachesBothTracksForItsStepsAndOneBeforeAndAfter(t *testing.T) {
	b := openByPods(t, shared)
	require.Equal(t, sharedLabels, b.tracks.SharedSelector)
	before := b.service(t, "checkout").Spec
	weight, err := b.router.Read(t.Context(), b.route)
	require.NoError(t, err)
	require.Zero(t, weight)

	b.deploySized(t, 1, write(1, 1))
	b.says(t, 0, "")
	require.NoError(t, b.set(t, 33, write(1, 2)))
	require.Equal(t, sharedLabels, b.service(t, "checkout").Spec.Selector)
	b.says(t, 33, "")
	b.says(t, 20, "reaches 3 ready pods of which 1 are the candidate's: more than 20 %")
	b.says(t, 0, "still reaches pods that should get nothing")

	require.NoError(t, b.workloads.SizeTrack(t.Context(), activities.SizeTrackIn{
		Write: write(1, 3), Namespace: b.target.Namespace, Deployment: b.tracks.Candidate, Replicas: 2,
	}))
	b.ready(t, 2)
	require.NoError(t, b.set(t, 50, write(1, 4)))
	b.says(t, 50, "")
	require.NoError(t, b.set(t, 100, write(1, 5)))
	b.says(t, 100, "")
	require.NoError(t, b.set(t, 0, write(1, 6)))
	b.says(t, 0, "")
	require.Empty(t, cmp.Diff(before, b.service(t, "checkout").Spec))
	require.EqualValues(t, 2, *b.deployment(t, "checkout").Spec.Replicas, "stable keeps its size")
	require.Equal(t, fault.Fenced, fault.Of(b.set(t, 100, write(1, 5))), "a late switch is refused")
	require.Equal(t, fault.Invalid, fault.Of(b.set(t, 101, write(1, 7))))
}

func TestTheOwnersSelectorSurvivesACanaryByPodsAndTheWayBack(t *testing.T) {
	b := openByPods(t, shared)
	before := b.service(t, "checkout").Spec
	b.deploySized(t, 2, write(1, 1))
	require.NoError(t, b.set(t, 50, write(1, 2)))
	require.NoError(t, b.set(t, 100, write(1, 3)))
	tracks := b.inspect(t, image("v3"))
	require.Equal(t, "checkout-green", tracks.Stable)
	require.Equal(t, before.Selector, tracks.CandidateSelector)
}

func TestATargetWithoutTheSharedLabelIsRefused(t *testing.T) {
	b := openByPods(t)
	_, err := b.router.Read(t.Context(), b.route)
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "add slipway.dev/service: <name of the Deployment> to the Deployment's spec.template.metadata.labels, let it roll out, then release again")
}

func TestPodsThatWouldGetRequestsByMistakeAreRefused(t *testing.T) {
	b := openByPods(t, shared)
	stray := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "stray", Namespace: b.target.Namespace, Labels: sharedLabels},
		Spec:       deployment(b.target.Namespace).Spec.Template.Spec,
	}
	_, err := world.Kube.CoreV1().Pods(b.target.Namespace).Create(t.Context(), stray, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = b.router.Read(t.Context(), b.route)
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "stray carries the label slipway.dev/service=checkout, but is of neither track")
}

func TestAPodThatWasMadeBeforeTheLabelIsRefused(t *testing.T) {
	b := openByPods(t, shared)
	old := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "old", Namespace: b.target.Namespace, Labels: map[string]string{"app": "checkout", "tier": "web"}},
		Spec:       deployment(b.target.Namespace).Spec.Template.Spec,
	}
	old.Labels["pod-template-hash"] = "old" // no ReplicaSet's
	_, err := world.Kube.CoreV1().Pods(b.target.Namespace).Create(t.Context(), old, metav1.CreateOptions{})
	require.NoError(t, err)
	_, err = b.router.Read(t.Context(), b.route)
	require.ErrorContains(t, err, "old serves and does not carry the label slipway.dev/service=checkout yet; let its Deployment roll out")
}
