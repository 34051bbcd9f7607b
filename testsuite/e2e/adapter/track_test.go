// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

func (p *place) tryDeploy(ctx context.Context, tracks activities.Tracks, image string, w activities.Write) error {
	return p.workloads.DeployCandidate(ctx, activities.DeployCandidateIn{Write: w, Target: p.target, Tracks: tracks, Image: image})
}

func (p *place) deploy(t *testing.T, tracks activities.Tracks, image string, w activities.Write) {
	t.Helper()
	require.NoError(t, p.tryDeploy(t.Context(), tracks, image, w))
}

func (p *place) point(t *testing.T, selector map[string]string, w activities.Write) {
	t.Helper()
	require.NoError(t, p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
		Write: w, Namespace: p.target.Namespace, Service: "checkout", Selector: selector,
	}))
}

// promote makes the candidate the stable track.
func (p *place) promote(t *testing.T, image string) activities.Tracks {
	t.Helper()
	tracks := p.inspect(t, image)
	n := p.take(t, image)
	p.deploy(t, tracks, image, write(n, 1))
	p.point(t, tracks.CandidateSelector, write(n, 2))
	return tracks
}

func TestTheCandidateIsACopyOfBlueThatNoSelectorOfBlueMatches(t *testing.T) {
	p := open(t)
	before := p.deployment(t, "checkout")
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))

	require.Empty(t, cmp.Diff(before.Spec, p.deployment(t, "checkout").Spec))
	d, s := p.deployment(t, "checkout-green"), p.service(t, "checkout-green")
	want := before.Spec.DeepCopy()
	want.Selector = &metav1.LabelSelector{MatchLabels: greenLabels}
	want.Template.Labels = map[string]string{"app": "checkout-green", "tier": "web-green", cluster.LabelService: "checkout", cluster.LabelTrack: "green"}
	want.Template.Spec.Containers[0].Image = image("v2")
	require.Empty(t, cmp.Diff(*want, d.Spec))
	require.Equal(t, "pay", d.Labels["team"])

	blue, green := labels.Set(before.Spec.Template.Labels), labels.Set(d.Spec.Template.Labels)
	for _, selector := range []map[string]string{before.Spec.Selector.MatchLabels, tracks.StableSelector} {
		require.True(t, labels.SelectorFromSet(selector).Matches(blue))
		require.False(t, labels.SelectorFromSet(selector).Matches(green))
	}
	for _, selector := range []map[string]string{s.Spec.Selector, tracks.CandidateSelector, d.Spec.Selector.MatchLabels} {
		require.False(t, labels.SelectorFromSet(selector).Matches(blue))
		require.True(t, labels.SelectorFromSet(selector).Matches(green))
	}
	require.Empty(t, cmp.Diff(p.service(t, "checkout").Spec.Ports, s.Spec.Ports))
}

func TestDeployingAgainChangesNothing(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))
	d, s := p.deployment(t, "checkout-green"), p.service(t, "checkout-green")
	p.deploy(t, tracks, image("v2"), write(1, 1))
	require.Equal(t, d.Generation, p.deployment(t, "checkout-green").Generation)
	require.Equal(t, d.UID, p.deployment(t, "checkout-green").UID)
	require.Empty(t, cmp.Diff(s.Spec, p.service(t, "checkout-green").Spec))
}

func TestAGreenTrackFollowsWhatBlueDeclaresNow(t *testing.T) {
	p := open(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	p.editDeployment(t, "checkout", func(d *appsv1.Deployment) {
		d.Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "GREETING", Value: "hello"}}
	})
	p.deploy(t, p.inspect(t, image("v3")), image("v3"), write(2, 1))
	require.Equal(t, []corev1.EnvVar{{Name: "GREETING", Value: "hello"}}, p.deployment(t, "checkout-green").Spec.Template.Spec.Containers[0].Env)
	require.Equal(t, image("v3"), p.deployment(t, "checkout-green").Spec.Template.Spec.Containers[0].Image)
}

func TestOfBlueOnlyImageAndSizeAreTouched(t *testing.T) {
	p := open(t)
	p.promote(t, image("v2"))
	retired := p.deployment(t, "checkout")
	tracks := p.inspect(t, image("v3"))
	p.deploy(t, tracks, image("v3"), write(2, 1))
	want := retired.Spec.DeepCopy()
	want.Template.Spec.Containers[0].Image = image("v3")
	require.Empty(t, cmp.Diff(*want, p.deployment(t, "checkout").Spec))
	require.Equal(t, tracks.CandidateSelector, p.service(t, "checkout-blue").Spec.Selector)
}

func TestALateDeployOfAnOlderReleaseIsRefused(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v3"), write(2, 1))
	err := p.tryDeploy(t.Context(), tracks, image("v2"), write(1, 9))
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "checkout-green was written by release release-2 since (fence 2.1, this write has 1.9)")
	require.Equal(t, image("v3"), p.deployment(t, "checkout-green").Spec.Template.Spec.Containers[0].Image)

	err = p.tryDeploy(t.Context(), tracks, image("v2"), write(2, 0))
	require.Equal(t, fault.Fenced, fault.Of(err), "an older step of the same release: %v", err)
}

func TestSomebodysDeploymentIsNeverMadeACandidate(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	p.foreignGreen(t)
	before := p.deployment(t, "checkout-green")
	err := p.tryDeploy(t.Context(), tracks, image("v2"), write(1, 1))
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "Deployment "+p.target.Namespace+"/checkout-green is not Slipway's")
	require.Empty(t, cmp.Diff(before.Spec, p.deployment(t, "checkout-green").Spec))
}

func TestSomebodysServiceIsNeverMadeTheCandidates(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	foreign := service(p.target.Namespace)
	foreign.Name = "checkout-green"
	before, err := world.Kube.CoreV1().Services(p.target.Namespace).Create(t.Context(), foreign, metav1.CreateOptions{})
	require.NoError(t, err)
	err = p.tryDeploy(t.Context(), tracks, image("v2"), write(1, 1))
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.Empty(t, cmp.Diff(before.Spec, p.service(t, "checkout-green").Spec))
}

func TestSwitchingThereAndBackRestoresTheSelector(t *testing.T) {
	p := open(t)
	before := p.service(t, "checkout")
	p.point(t, greenLabels, write(1, 1))
	require.EqualValues(t, 1, p.writes.Load(), "switching is one write")
	require.Equal(t, greenLabels, p.service(t, "checkout").Spec.Selector)
	p.point(t, greenLabels, write(1, 1))
	p.point(t, before.Spec.Selector, write(1, 2))
	require.Empty(t, cmp.Diff(before.Spec, p.service(t, "checkout").Spec))
}

func TestTheOwnersSelectorComesBackAfterManyReleases(t *testing.T) {
	p := open(t)
	before := p.service(t, "checkout").Spec
	p.promote(t, image("v2"))
	p.promote(t, image("v3"))
	require.Empty(t, cmp.Diff(before, p.service(t, "checkout").Spec))
	p.promote(t, image("v4"))
	p.promote(t, image("v5"))
	require.Empty(t, cmp.Diff(before, p.service(t, "checkout").Spec))
}

func TestALateSwitchOfAnOlderReleaseIsRefused(t *testing.T) {
	p := open(t)
	before := p.service(t, "checkout").Spec.Selector
	p.point(t, before, write(2, 1))
	err := p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
		Write: write(1, 7), Namespace: p.target.Namespace, Service: "checkout", Selector: greenLabels,
	})
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
	require.Equal(t, before, p.service(t, "checkout").Spec.Selector)
}

func (p *place) tryRetire(ctx context.Context, w activities.Write) error {
	return p.workloads.RetireTrack(ctx, activities.RetireTrackIn{
		Write: w, Namespace: p.target.Namespace, Deployment: "checkout-green", Target: p.target,
		DeleteDeployment: true, DeleteService: "checkout-green",
	})
}

// gone looks for the green track's Deployment and Service.
func (p *place) gone(ctx context.Context) error {
	_, err1 := world.Kube.AppsV1().Deployments(p.target.Namespace).Get(ctx, "checkout-green", metav1.GetOptions{})
	_, err2 := world.Kube.CoreV1().Services(p.target.Namespace).Get(ctx, "checkout-green", metav1.GetOptions{})
	if apierrors.IsNotFound(err1) && apierrors.IsNotFound(err2) {
		return nil
	}
	return errors.New("the green track is still there")
}

func TestRetiringWhatIsNotThereIsFine(t *testing.T) {
	p := open(t)
	require.NoError(t, p.tryRetire(t.Context(), write(1, 1)))
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 2))
	require.NoError(t, p.tryRetire(t.Context(), write(1, 3)))
	require.NoError(t, p.gone(t.Context()))
	require.NoError(t, p.tryRetire(t.Context(), write(1, 3)))
}

func TestATrackThatTheServiceLeadsToStays(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))
	lead := func(w activities.Write, selector map[string]string) {
		t.Helper()
		require.NoError(t, p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
			Write: w, Namespace: p.target.Namespace, Service: "checkout", Selector: selector,
		}))
	}
	retire := func(w activities.Write) error {
		return p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
			Write: w, Namespace: p.target.Namespace, Deployment: "checkout-green", Target: p.target, DeleteDeployment: true, DeleteService: "checkout-green",
			Spare: &activities.Spare{Service: "checkout", Selector: tracks.CandidateSelector},
		})
	}
	lead(write(1, 2), tracks.CandidateSelector)
	before := p.deployment(t, "checkout-green")
	err := retire(write(1, 3))
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "Service checkout selects its pods, so that it serves; it is left as it is")
	require.Empty(t, cmp.Diff(before.Spec, p.deployment(t, "checkout-green").Spec))
	lead(write(1, 4), tracks.StableSelector)
	require.NoError(t, retire(write(1, 5)))
	eventually(t, p.gone)
}

func TestRetiringKeepsATrackAtZeroWithItsFormerImage(t *testing.T) {
	p := open(t)
	before := p.deployment(t, "checkout")
	require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
		Write: write(1, 1), Namespace: p.target.Namespace, Deployment: "checkout", Container: "shop", Image: image("v0"),
	}))
	want := before.Spec.DeepCopy()
	*want.Replicas, want.Template.Spec.Containers[0].Image = 0, image("v0")
	require.Empty(t, cmp.Diff(*want, p.deployment(t, "checkout").Spec))
}

func TestWhatLostItsLabelIsLeftAsItIs(t *testing.T) {
	p := open(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	p.editDeployment(t, "checkout-green", func(d *appsv1.Deployment) { delete(d.Labels, cluster.LabelManagedBy) })
	before := p.deployment(t, "checkout-green")
	err := p.tryRetire(t.Context(), write(1, 2))
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "it no longer carries the label app.kubernetes.io/managed-by=slipway; it is left as it is")
	require.Empty(t, cmp.Diff(before.Spec, p.deployment(t, "checkout-green").Spec))
	require.Equal(t, greenLabels, p.service(t, "checkout-green").Spec.Selector)
}

func TestALateRetirementOfAnOlderReleaseDeletesNothing(t *testing.T) {
	p := open(t)
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(2, 1))
	err := p.tryRetire(t.Context(), write(1, 9))
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
	require.EqualValues(t, 2, *p.deployment(t, "checkout-green").Spec.Replicas)

	// As it is when the newer release has made its Service and is about to make its Deployment.
	require.NoError(t, world.Kube.AppsV1().Deployments(p.target.Namespace).Delete(t.Context(), "checkout-green", metav1.DeleteOptions{}))
	err = p.tryRetire(t.Context(), write(1, 9))
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
	require.Equal(t, greenLabels, p.service(t, "checkout-green").Spec.Selector)
}
