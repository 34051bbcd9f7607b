// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// counted is what a release of the place counts on once its candidate is there.
func (p *place) counted(t *testing.T) activities.Held {
	t.Helper()
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))
	return activities.Held{Target: p.target, Selectors: []map[string]string{tracks.StableSelector}, Tracks: []activities.HeldTrack{
		{Deployment: "checkout", Image: tracks.StableImage, Replicas: 2},
		{Deployment: "checkout-green", Image: image("v2"), Replicas: 2, Fixed: true},
	}}
}

// here is a text with the place's namespace for NS.
func (p *place) here(text string) string { return strings.ReplaceAll(text, "NS", p.target.Namespace) }

// patch is `kubectl patch`, by its field manager.
func patch(t *testing.T, p *place, kind, name, text string) {
	t.Helper()
	options := metav1.PatchOptions{FieldManager: "kubectl-patch"}
	var err error
	switch kind {
	case "deployment":
		_, err = world.Kube.AppsV1().Deployments(p.target.Namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(text), options)
	case "scale":
		_, err = world.Kube.AppsV1().Deployments(p.target.Namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), options, "scale")
	case "service":
		_, err = world.Kube.CoreV1().Services(p.target.Namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), options)
	case "autoscaler":
		_, err = world.Kube.AutoscalingV2().HorizontalPodAutoscalers(p.target.Namespace).Patch(t.Context(), name, types.MergePatchType, []byte(text), options)
	}
	require.NoError(t, err)
}

func TestAPersonsEditIsNamedWithItsFieldAndItsManager(t *testing.T) {
	for name, c := range map[string]struct {
		kind, object, patch string
		says                []string
		never               bool
	}{
		"the candidate's image": {
			"deployment", "checkout-green", `{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"shop:theirs"}]}}}}`,
			[]string{"somebody (kubectl-patch, ", "has set the image of Deployment NS/checkout-green to shop:theirs, which was "},
			true,
		},
		"stable's image": {
			"deployment", "checkout", `{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"shop:theirs"}]}}}}`,
			[]string{"has set the image of Deployment NS/checkout to shop:theirs"},
			false,
		},
		"fewer pods": {
			"scale", "checkout", `{"spec":{"replicas":1}}`, []string{"somebody (kubectl-patch", "has set spec.replicas of Deployment NS/checkout to 1, which were 2"}, false,
		},
		"the selector": {
			"service", "checkout", `{"spec":{"selector":{"app":"sorry","tier":null}}}`,
			[]string{"somebody (kubectl-patch, ", "has set spec.selector of Service NS/checkout to app=sorry, which was app=checkout,tier=web"},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := open(t)
			held := p.counted(t)
			found, err := p.workloads.Edits(t.Context(), held)
			require.NoError(t, err)
			require.Empty(t, found)
			patch(t, p, c.kind, c.object, c.patch)
			found, err = p.workloads.Edits(t.Context(), held)
			require.NoError(t, err)
			require.Len(t, found, 1)
			for _, says := range c.says {
				require.Contains(t, found[0].Text, p.here(says))
			}
			require.Equal(t, c.never, found[0].Never != "")

			for range 2 {
				require.NoError(t, p.workloads.TakeBack(t.Context(), activities.TakeBackIn{Write: write(1, 2), Held: held}))
				found, err = p.workloads.Edits(t.Context(), held)
				require.NoError(t, err)
				require.Empty(t, found)
			}
			require.ErrorContains(t, p.workloads.TakeBack(t.Context(), activities.TakeBackIn{Write: write(0, 9), Held: held}), "was written by release release-1 since")
		})
	}
}

func TestOnlyWhatIsStillTheOldVersionIsRetired(t *testing.T) {
	p := open(t)
	held := p.counted(t)
	retire := activities.RetireTrackIn{Write: write(1, 2), Namespace: p.target.Namespace, Deployment: "checkout", Target: p.target, Was: held.Tracks[0].Image}
	patch(t, p, "deployment", "checkout", `{"spec":{"template":{"spec":{"containers":[{"name":"shop","image":"shop:theirs"}]}}}}`)
	err := p.workloads.RetireTrack(t.Context(), retire)
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "has set its image to shop:theirs, which was "+retire.Was+"; it is left as it is")
	require.EqualValues(t, 2, *p.deployment(t, "checkout").Spec.Replicas)
	retire.Was = "shop:theirs"
	for range 2 {
		require.NoError(t, p.workloads.RetireTrack(t.Context(), retire))
		require.Zero(t, *p.deployment(t, "checkout").Spec.Replicas)
	}
}

func TestMorePodsThanHeldAreNobodysHarm(t *testing.T) {
	p := open(t)
	held := p.counted(t)
	patch(t, p, "scale", "checkout", `{"spec":{"replicas":5}}`)
	found, err := p.workloads.Edits(t.Context(), held)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestALowerLimitThatSomebodyHasChangedIsNamedAndTakenBack(t *testing.T) {
	p := open(t)
	p.autoscale(t)
	held := p.counted(t)
	found, err := p.workloads.Edits(t.Context(), held)
	require.NoError(t, err)
	require.Empty(t, found)
	patch(t, p, "autoscaler", "shop", `{"spec":{"minReplicas":1}}`)
	found, err = p.workloads.Edits(t.Context(), held)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Contains(t, found[0].Text, "somebody (kubectl-patch, ")
	require.Contains(t, found[0].Text, p.here("has set spec.minReplicas of HorizontalPodAutoscaler NS/shop to 1, which was 2"))
	require.True(t, found[0].Limit)

	kept := held
	kept.Tracks = []activities.HeldTrack{held.Tracks[0], held.Tracks[1]}
	kept.Tracks[0].AnyLimit = true
	found, err = p.workloads.Edits(t.Context(), kept)
	require.NoError(t, err)
	require.Empty(t, found, "a person has kept it")

	require.NoError(t, p.workloads.TakeBack(t.Context(), activities.TakeBackIn{Write: write(1, 2), Held: held}))
	found, err = p.workloads.Edits(t.Context(), held)
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestATrackOrAServiceThatIsGoneIsNamed(t *testing.T) {
	p := open(t)
	held := p.counted(t)
	require.NoError(t, world.Kube.AppsV1().Deployments(p.target.Namespace).Delete(t.Context(), "checkout-green", metav1.DeleteOptions{}))
	require.NoError(t, world.Kube.CoreV1().Services(p.target.Namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	found, err := p.workloads.Edits(t.Context(), held)
	require.NoError(t, err)
	require.Len(t, found, 2)
	require.Equal(t, p.here("somebody has deleted Deployment NS/checkout-green"), found[0].Text)
	require.Equal(t, p.here("somebody has deleted Service NS/checkout"), found[1].Text)
}
