// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// kept makes two Deployments as teams keep them by hand, of which the Service selects blue. Green stands
// by with one pod.
func kept(t *testing.T) *place {
	t.Helper()
	p := open(t)
	for color, size := range map[string]int32{"blue": 3, "green": 1} {
		d := deployment(p.target.Namespace)
		labels := map[string]string{"app": "app", "color": color}
		d.Name, d.Spec.Replicas, d.Spec.Selector.MatchLabels, d.Spec.Template.Labels = "app-"+color, &size, labels, labels
		_, err := world.Kube.AppsV1().Deployments(p.target.Namespace).Create(t.Context(), d, metav1.CreateOptions{})
		require.NoError(t, err)
	}
	s := service(p.target.Namespace)
	s.Name, s.Spec.Selector = "app", map[string]string{"app": "app", "color": "blue"}
	_, err := world.Kube.CoreV1().Services(p.target.Namespace).Create(t.Context(), s, metav1.CreateOptions{})
	require.NoError(t, err)
	p.target = plan.Target{Namespace: p.target.Namespace, Deployment: "app-blue", Service: "app", Tracks: &plan.TrackNames{Blue: "app-blue", Green: "app-green"}}
	return p
}

func (p *place) pointApp(t *testing.T, selector map[string]string, w activities.Write) {
	t.Helper()
	require.NoError(t, p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
		Write: w, Namespace: p.target.Namespace, Service: "app", Selector: selector,
	}))
}

func TestTracksKeptByHandAreToldApartByTheService(t *testing.T) {
	p := kept(t)
	blue, green := map[string]string{"app": "app", "color": "blue"}, map[string]string{"app": "app", "color": "green"}
	require.Empty(t, cmp.Diff(activities.Tracks{
		Stable: "app-blue", StableImage: image("v1"), StableSelector: blue,
		Candidate: "app-green", CandidateExists: true, CandidateImage: image("v1"), CandidateReplicas: 1,
		CandidateService: "app-green", CandidateSelector: green, Replicas: 3, Port: 80,
	}, p.inspect(t, image("v2"))))

	p.pointApp(t, green, write(1, 1))
	tracks := p.inspect(t, image("v2"))
	require.Equal(t, []string{"app-green", "app-blue", "app-blue"}, []string{tracks.Stable, tracks.Candidate, tracks.CandidateService})
	require.Equal(t, blue, tracks.CandidateSelector)
	require.EqualValues(t, 1, tracks.Replicas)
}

func TestOfATrackKeptByHandOnlyImageAndSizeAreTouched(t *testing.T) {
	p := kept(t)
	blue, green := p.deployment(t, "app-blue"), p.deployment(t, "app-green")
	tracks := p.inspect(t, image("v2"))
	require.NoError(t, p.workloads.DeployCandidate(t.Context(), activities.DeployCandidateIn{
		Write: write(1, 1), Target: p.target, Tracks: tracks, Image: image("v2"), Config: snapshots,
	}))
	want := green.Spec.DeepCopy()
	*want.Replicas, want.Template.Spec.Containers[0].Image = 3, image("v2")
	require.Empty(t, cmp.Diff(*want, p.deployment(t, "app-green").Spec))
	require.Empty(t, cmp.Diff(blue.Spec, p.deployment(t, "app-blue").Spec))
	require.Equal(t, tracks.CandidateSelector, p.service(t, "app-green").Spec.Selector)

	require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
		Write: write(1, 2), Namespace: p.target.Namespace, Deployment: "app-green", Target: p.target, Config: snapshots,
		Replicas: tracks.CandidateReplicas, Image: tracks.CandidateImage, DeleteService: "app-green",
	}))
	require.Empty(t, cmp.Diff(green.Spec, p.deployment(t, "app-green").Spec), "an undo leaves it as it was found")
}

func TestTracksKeptByHandThatCannotBeToldApartAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *place)
		kind   fault.Kind
		says   string
	}{
		"the Service selects both": {
			func(t *testing.T, p *place) {
				t.Helper()
				p.pointApp(t, map[string]string{"app": "app"}, write(1, 1))
			},
			fault.Invalid, "which are the pods of both app-blue and app-green; it must select one of them",
		},
		"green does not exist": {
			func(_ *testing.T, p *place) { p.target.Tracks.Green = "app-gren" },
			fault.NotFound, "app-gren does not exist; create it, or correct spec.target.tracks",
		},
		"green is paused": {
			func(t *testing.T, p *place) {
				t.Helper()
				p.editDeployment(t, "app-green", func(d *appsv1.Deployment) { d.Spec.Paused = true })
			},
			fault.Invalid, "app-green is paused; run `kubectl rollout resume` first",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := kept(t)
			c.change(t, p)
			_, err := p.workloads.Inspect(t.Context(), activities.InspectTargetIn{Target: p.target, Image: image("v2")})
			require.ErrorContains(t, err, c.says)
			require.Equal(t, c.kind, fault.Of(err))
		})
	}
}
