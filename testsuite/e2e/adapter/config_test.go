// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var snapshots = plan.Config{Snapshot: new(true)}

// configured makes a pod template name ConfigMaps in every way there is.
func configured(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
	ref := func(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }
	pod := &d.Spec.Template.Spec
	pod.Volumes = []corev1.Volume{
		{Name: "plain", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: ref("plain")}}},
		{Name: "projected", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ConfigMap: &corev1.ConfigMapProjection{LocalObjectReference: ref("projected")}},
			{Secret: &corev1.SecretProjection{LocalObjectReference: ref("key")}},
		}}}},
	}
	pod.InitContainers = []corev1.Container{{
		Name: "init", Image: image("v0"), EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: ref("init")}}},
	}}
	pod.Containers = append(pod.Containers, corev1.Container{Name: "sidecar", Image: image("v0"), Env: []corev1.EnvVar{{
		Name: "A", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref("one"), Key: "a"}},
	}, {
		Name: "B", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: ref("missing"), Key: "b", Optional: new(true)}},
	}}})
}

// withPlain makes a pod template name one ConfigMap.
func withPlain(d *appsv1.Deployment, s *corev1.Service, r *gatewayv1.HTTPRoute) {
	configured(d, s, r)
	pod := &d.Spec.Template.Spec
	pod.Volumes, pod.InitContainers, pod.Containers = pod.Volumes[:1], nil, pod.Containers[:1]
}

func (p *place) putConfig(t *testing.T, name, value string) {
	t.Helper()
	maps := world.Kube.CoreV1().ConfigMaps(p.target.Namespace)
	want := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"a": value}}
	_, err := maps.Create(t.Context(), want, metav1.CreateOptions{})
	if err != nil {
		_, err = maps.Update(t.Context(), want, metav1.UpdateOptions{})
	}
	require.NoError(t, err)
}

// config is what a name in a pod template stands for.
func (p *place) config(t *testing.T, name string) string {
	t.Helper()
	m, err := world.Kube.CoreV1().ConfigMaps(p.target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	return m.Data["a"]
}

// plainName is what a track mounts.
func (p *place) plainName(t *testing.T, deployment string) string {
	t.Helper()
	return p.deployment(t, deployment).Spec.Template.Spec.Volumes[0].ConfigMap.Name
}

func (p *place) snapshotNames(t *testing.T) []string {
	t.Helper()
	all, err := world.Kube.CoreV1().ConfigMaps(p.target.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "slipway.dev/service=checkout"})
	require.NoError(t, err)
	var out []string
	for _, m := range all.Items {
		require.True(t, *m.Immutable)
		out = append(out, m.Name)
	}
	return out
}

func (p *place) deployWith(t *testing.T, image string, restore bool, n int64) activities.Tracks {
	t.Helper()
	tracks := p.inspect(t, image)
	require.NoError(t, p.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: write(n, 1), Target: p.target, Tracks: tracks, Image: image, Config: snapshots, Restore: restore,
	}))
	return tracks
}

// releaseWith is a whole release that is promoted.
func (p *place) releaseWith(t *testing.T, image string, restore bool, n int64) {
	t.Helper()
	tracks := p.deployWith(t, image, restore, n)
	p.point(t, tracks.CandidateSelector, write(n, 2))
	require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
		Write: write(n, 3), Namespace: p.target.Namespace, Deployment: tracks.Stable, Target: p.target, Config: snapshots,
	}))
}

// undoWith is a whole release that is undone.
func (p *place) undoWith(t *testing.T, image string, n int64) {
	t.Helper()
	tracks := p.deployWith(t, image, false, n)
	in := activities.RetireTrackIn{
		Write: write(n, 2), Namespace: p.target.Namespace, Deployment: tracks.Candidate, Target: p.target, Config: snapshots,
		DeleteDeployment: !tracks.CandidateExists, Replicas: tracks.CandidateReplicas, Image: tracks.CandidateImage,
	}
	for range 2 { // as after a lost answer
		require.NoError(t, p.workloads.RetireTrack(t.Context(), in))
	}
}

func TestEveryConfigMapOfTheCandidateIsItsOwn(t *testing.T) {
	p := open(t, configured)
	p.target.Container = "shop"
	for _, name := range []string{"plain", "projected", "init", "one"} {
		p.putConfig(t, name, name)
	}
	before := p.deployment(t, "checkout")
	p.deployWith(t, image("v2"), false, 1)
	require.Empty(t, cmp.Diff(before.Spec, p.deployment(t, "checkout").Spec))

	pod := p.deployment(t, "checkout-green").Spec.Template.Spec
	for name, has := range map[string]string{
		"plain": pod.Volumes[0].ConfigMap.Name, "projected": pod.Volumes[1].Projected.Sources[0].ConfigMap.Name,
		"init": pod.InitContainers[0].EnvFrom[0].ConfigMapRef.Name, "one": pod.Containers[1].Env[0].ValueFrom.ConfigMapKeyRef.Name,
	} {
		require.Regexp(t, "^"+name+"-[0-9a-f]{10}$", has)
		require.Equal(t, name, p.config(t, has))
	}
	require.Equal(t, "missing", pod.Containers[1].Env[1].ValueFrom.ConfigMapKeyRef.Name)
	require.Equal(t, "key", pod.Volumes[1].Projected.Sources[1].Secret.Name)
	require.Len(t, p.snapshotNames(t), 4)
	require.Equal(t, image("v2"), pod.Containers[0].Image)
	require.Equal(t, image("v0"), pod.Containers[1].Image, "a sidecar keeps its image")
	require.Equal(t, image("v0"), pod.InitContainers[0].Image)
}

func TestAnEditReachesOnlyTheTrackThatIsDeployedAfterIt(t *testing.T) {
	p := open(t, withPlain)
	p.putConfig(t, "plain", "first")
	p.deployWith(t, image("v2"), false, 1)
	own := p.plainName(t, "checkout-green")
	p.putConfig(t, "plain", "second")
	require.Equal(t, "first", p.config(t, own))
	p.deployWith(t, image("v3"), false, 2)
	require.Equal(t, "second", p.config(t, p.plainName(t, "checkout-green")))
}

func TestAnUndoneReleaseLeavesNoSnapshotBehind(t *testing.T) {
	p := open(t, withPlain)
	p.putConfig(t, "plain", "first")
	p.undoWith(t, image("v2"), 1)
	require.Empty(t, p.snapshotNames(t))

	p.releaseWith(t, image("v2"), false, 2)
	before, kept := p.deployment(t, "checkout").Spec, p.snapshotNames(t)
	p.putConfig(t, "plain", "second")
	p.undoWith(t, image("v3"), 3)
	require.Empty(t, cmp.Diff(before, p.deployment(t, "checkout").Spec), "blue names again what its owner wrote")
	require.Equal(t, kept, p.snapshotNames(t))
}

func TestARollbackBringsTheConfigurationBackWithTheCode(t *testing.T) {
	p := open(t, withPlain)
	p.putConfig(t, "plain", "of v1")
	p.releaseWith(t, image("v2"), false, 1)
	require.Equal(t, "plain", p.plainName(t, "checkout"), "blue is left as its owner wrote it")
	p.putConfig(t, "plain", "of v3")

	t.Run("onto blue", func(t *testing.T) {
		p.releaseWith(t, image("v1"), true, 2)
		require.Equal(t, "of v1", p.config(t, p.plainName(t, "checkout")))
	})
	t.Run("onto green", func(t *testing.T) {
		p.releaseWith(t, image("v2"), true, 3)
		require.Equal(t, "of v1", p.config(t, p.plainName(t, "checkout-green")), "as it was when v2 was deployed")
	})
	t.Run("and the next release has what its owner edits", func(t *testing.T) {
		p.releaseWith(t, image("v3"), false, 4)
		require.Equal(t, "of v3", p.config(t, p.plainName(t, "checkout")))
		p.putConfig(t, "plain", "of v4")
		p.releaseWith(t, image("v4"), false, 5)
		require.Equal(t, "of v4", p.config(t, p.plainName(t, "checkout-green")))
	})
	t.Run("also after another release was undone on the idle track", func(t *testing.T) {
		p.putConfig(t, "plain", "of v5")
		p.undoWith(t, image("v5"), 6)
		p.releaseWith(t, image("v3"), true, 7)
		require.Equal(t, "of v3", p.config(t, p.plainName(t, "checkout")))
	})
}

func TestOnlyTheNewestSnapshotsOutliveTheirTracks(t *testing.T) {
	p := open(t, withPlain)
	for n, v := range []string{"a", "b", "c", "d", "e", "f"} {
		p.putConfig(t, "plain", v)
		p.releaseWith(t, image("v2", map[string]string{"N": v}), false, int64(n+1))
	}
	names := p.snapshotNames(t)
	require.Len(t, names, 3)
	require.Contains(t, names, p.plainName(t, "checkout"))
	require.Contains(t, names, p.plainName(t, "checkout-green"))
}

func TestWithoutSnapshotsTracksNameWhatTheirOwnerEdits(t *testing.T) {
	p := open(t, withPlain)
	p.putConfig(t, "plain", "first")
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 1))
	require.Equal(t, "plain", p.plainName(t, "checkout-green"))
	require.Empty(t, p.snapshotNames(t))
}

func TestSomebodysConfigMapIsNeverASnapshot(t *testing.T) {
	p := open(t, withPlain)
	p.putConfig(t, "plain", "first")
	p.deployWith(t, image("v2"), false, 1)
	name := p.plainName(t, "checkout-green")
	require.NoError(t, p.tryRetire(t.Context(), write(1, 2)))
	p.putConfig(t, name, "somebody's")
	err := p.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: write(3, 1), Target: p.target, Tracks: p.inspect(t, image("v2")), Image: image("v2"), Config: snapshots,
	})
	require.ErrorContains(t, err, "ConfigMap "+p.target.Namespace+"/"+name+" is not Slipway's")
	require.Equal(t, "somebody's", p.config(t, name))
	require.True(t, strings.HasPrefix(name, "plain-"))
}
