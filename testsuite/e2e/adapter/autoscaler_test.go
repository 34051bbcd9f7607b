// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
)

// autoscale gives blue an autoscaler of 1 to 6 pods. The sandbox measures no CPU, so it only keeps to its limits.
func (p *place) autoscale(t *testing.T) autoscalingv2.HorizontalPodAutoscalerSpec {
	t.Helper()
	h, err := world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace).Create(t.Context(), &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Name: "shop"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "checkout"},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: 6,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](80)},
			}}},
		},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	return h.Spec
}

func (p *place) autoscaler(t *testing.T, name string) *autoscalingv2.HorizontalPodAutoscaler {
	t.Helper()
	h, err := world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return h
}

func (p *place) editAutoscaler(t *testing.T, name string, edit func(*autoscalingv2.HorizontalPodAutoscaler)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		h := p.autoscaler(t, name)
		edit(h)
		_, err := world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace).Update(ctx, h, metav1.UpdateOptions{})
		return err
	})
}

func (p *place) scaleTo(t *testing.T, name string, size int32) {
	t.Helper()
	p.editDeployment(t, name, func(d *appsv1.Deployment) { d.Spec.Replicas = &size })
}

// held is a spec with another lower limit.
func held(s autoscalingv2.HorizontalPodAutoscalerSpec, least int32) autoscalingv2.HorizontalPodAutoscalerSpec {
	s.MinReplicas = &least
	return s
}

func TestNeitherTrackIsScaledDownWhileARelaseCountsOnIt(t *testing.T) {
	p := open(t)
	own := p.autoscale(t)
	p.scaleTo(t, "checkout", 4)
	tracks := p.inspect(t, image("v2"))
	require.EqualValues(t, 4, tracks.Replicas)
	for step := range int64(2) {
		p.deploy(t, tracks, image("v2"), write(1, step+1))
		require.Empty(t, cmp.Diff(held(own, 4), p.autoscaler(t, "shop").Spec))
		follows := held(own, 4)
		follows.ScaleTargetRef.Name = "checkout-green"
		require.Empty(t, cmp.Diff(follows, p.autoscaler(t, "shop-green").Spec))
		require.EqualValues(t, 4, *p.deployment(t, "checkout-green").Spec.Replicas)
	}

	t.Run("an undo takes the copy away and gives the limit back", func(t *testing.T) {
		require.NoError(t, p.tryRetire(t.Context(), write(1, 3)))
		require.Empty(t, cmp.Diff(own, p.autoscaler(t, "shop").Spec))
		_, err := world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace).Get(t.Context(), "shop-green", metav1.GetOptions{})
		require.True(t, apierrors.IsNotFound(err), "%v", err)
	})
	t.Run("after a promotion each track has its own limits", func(t *testing.T) {
		p.deploy(t, tracks, image("v2"), write(2, 1))
		require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
			Write: write(2, 2), Namespace: p.target.Namespace, Deployment: "checkout", Target: p.target,
		}))
		require.EqualValues(t, 1, *p.autoscaler(t, "shop-green").Spec.MinReplicas)
		require.Empty(t, cmp.Diff(own, p.autoscaler(t, "shop").Spec))
		require.EqualValues(t, 4, *p.deployment(t, "checkout-green").Spec.Replicas)
		require.Zero(t, *p.deployment(t, "checkout").Spec.Replicas)
	})
}

func TestWhatAnAutoscalerHasAddedIsNotTakenAwayByAnotherAttempt(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))
	p.scaleTo(t, "checkout-green", 5)
	p.deploy(t, tracks, image("v2"), write(1, 1))
	require.EqualValues(t, 5, *p.deployment(t, "checkout-green").Spec.Replicas)
}

func TestALimitThatSomebodyWritesInTheMiddleStays(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	p.editAutoscaler(t, "shop", func(h *autoscalingv2.HorizontalPodAutoscaler) { h.Spec.MinReplicas = ptr.To[int32](3) })
	require.NoError(t, p.tryRetire(t.Context(), write(1, 2)))
	require.EqualValues(t, 3, *p.autoscaler(t, "shop").Spec.MinReplicas)
}

func TestAnAutoscalerThatBlueNoLongerHasGoesFromGreenToo(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	scalers := world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace)
	require.NoError(t, scalers.Delete(t.Context(), "shop", metav1.DeleteOptions{}))
	p.deploy(t, p.inspect(t, image("v3")), image("v3"), write(2, 1))
	all, err := scalers.List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Empty(t, all.Items)
}

func (p *place) resize(t *testing.T, w activities.Write) activities.Resized {
	t.Helper()
	out, err := p.workloads.ResizeCandidate(t.Context(), activities.ResizeCandidateIn{
		Write: w, Target: p.target, Stable: "checkout", Candidate: "checkout-green",
	})
	require.NoError(t, err)
	return out
}

func TestACandidateGrowsWithStableAndNeverShrinksWithIt(t *testing.T) {
	p := open(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	writes := p.writes.Load()
	require.Equal(t, activities.Resized{Replicas: 2, Needed: 2}, p.resize(t, write(1, 2)))
	require.Equal(t, writes, p.writes.Load(), "nothing to do is no write")

	p.scaleTo(t, "checkout", 5)
	require.Equal(t, activities.Resized{Replicas: 5, Needed: 5, Raised: true}, p.resize(t, write(1, 3)))
	require.EqualValues(t, 5, *p.deployment(t, "checkout-green").Spec.Replicas)
	p.scaleTo(t, "checkout", 1)
	again := p.resize(t, write(1, 4)) // how many it needs depends on the pods of stable that are still there
	require.False(t, again.Raised)
	require.EqualValues(t, 5, again.Replicas)
	require.EqualValues(t, 5, *p.deployment(t, "checkout-green").Spec.Replicas)
}

func TestACandidateWithAnAutoscalerIsScaledByItAlone(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	p.scaleTo(t, "checkout", 9)
	require.Equal(t, activities.Resized{Replicas: 6, Needed: 6, Raised: true}, p.resize(t, write(1, 2)), "its upper limit stands")
	require.EqualValues(t, 6, *p.autoscaler(t, "shop-green").Spec.MinReplicas)
	eventually(t, func(context.Context) error { // the autoscaler looks every 15 s
		if n := *p.deployment(t, "checkout-green").Spec.Replicas; n != 6 {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
}

func TestACandidateSizedForItsWeightIsScaledByItsAutoscalerAlone(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	tracks := p.inspect(t, image("v2"))
	require.Equal(t, "shop", tracks.Autoscaler)
	require.NoError(t, p.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: write(1, 1), Target: p.target, Tracks: tracks, Image: image("v2"), Replicas: 1,
	}))
	least := *p.autoscaler(t, "shop-green").Spec.MinReplicas
	before := *p.deployment(t, "checkout-green").Spec.Replicas
	require.NoError(t, p.workloads.SizeTrack(t.Context(), activities.SizeTrackIn{
		Write: write(1, 2), Namespace: p.target.Namespace, Deployment: "checkout-green", Replicas: least + 1,
	}))
	require.Equal(t, least+1, *p.autoscaler(t, "shop-green").Spec.MinReplicas)
	require.Contains(t, []int32{before, least, least + 1}, *p.deployment(t, "checkout-green").Spec.Replicas, "nobody but the autoscaler changes it")
}
