// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/gateway-api/pkg/client/clientset/versioned"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/starter/rescue"
)

// safeState is what preflight would record of the place now.
func (p *place) safeState(t *testing.T, image, release string) activities.SafeState {
	t.Helper()
	tracks := p.inspect(t, image)
	route := p.route
	route.StableSelector, route.CandidateSelector = tracks.StableSelector, tracks.CandidateSelector
	return activities.SafeState{
		Version: activities.SafeStateVersion, ReleaseID: release, Lane: "test/checkout",
		Recorded: time.Now().UTC().Truncate(time.Second), Target: p.target, Tracks: tracks, Route: route,
	}
}

// begin records the safe state and deploys the candidate, as a release does.
func (p *place) begin(t *testing.T, image string) (activities.SafeState, func(step int64) activities.Write) {
	t.Helper()
	s := p.safeState(t, image, "begun")
	n, err := p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: s.ReleaseID, Safe: &s})
	require.NoError(t, err)
	step := func(step int64) activities.Write {
		return activities.Write{ReleaseID: s.ReleaseID, Fence: activities.Fence{Release: n, Step: step}}
	}
	p.deploy(t, s.Tracks, image, step(1))
	return s, step
}

func (p *place) recalled(t *testing.T) cluster.Recalled {
	t.Helper()
	found, err := p.rescuer(t).Recall(t.Context(), p.target.Namespace, "checkout")
	require.NoError(t, err)
	return found
}

// rescuer has the rights of deploy/rescue in the place's namespace.
func (p *place) rescuer(t *testing.T) *rescue.Rescuer {
	t.Helper()
	config, err := world.PagerConfig(t.Context(), p.target.Namespace)
	require.NoError(t, err)
	r, err := rescue.Dial(config, activities.Clock{Now: time.Now, After: time.After}, within)
	require.NoError(t, err)
	return r
}

// rescue does what the command does.
func (p *place) rescue(t *testing.T, id string, remove bool) rescue.Report {
	t.Helper()
	r, found := p.rescuer(t), p.recalled(t)
	now, err := r.Look(t.Context(), found.Safe)
	require.NoError(t, err)
	return r.Carry(t.Context(), rescue.Order{
		Safe: found.Safe, Actions: rescue.Plan(found.Safe, now, remove), ID: id, By: "ada",
		Say: func(s rescue.Step) { t.Logf("%s: %s %s", s.Do, s.Outcome, s.Reason) },
	})
}

func TestTheSafeStateStandsOnEveryObjectOfARelease(t *testing.T) {
	p := open(t)
	s, step := p.begin(t, image("v2"))
	maps := world.Kube.CoreV1().ConfigMaps(p.target.Namespace)
	m, err := maps.Get(t.Context(), "slipway-checkout", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, "slipway", m.Labels[cluster.LabelManagedBy])
	require.Equal(t, "1.0", m.Annotations[cluster.AnnotationFence])
	text, err := s.Text()
	require.NoError(t, err)
	require.Equal(t, text, m.Data["safe-state.json"])
	require.Equal(t, text, p.service(t, "checkout").Annotations[cluster.AnnotationSafeState])

	_, err = p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: s.ReleaseID, Safe: &s})
	require.NoError(t, err, "a second attempt records the same")
	require.Empty(t, cmp.Diff(s, p.recalled(t).Safe))

	require.NoError(t, p.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: step(2), Route: p.route, Weight: 50, Safe: &s}))
	require.Equal(t, text, p.httpRoute(t).Annotations[cluster.AnnotationSafeState])
	require.NoError(t, maps.Delete(t.Context(), "slipway-checkout", metav1.DeleteOptions{}))
	require.Equal(t, "Service "+p.target.Namespace+"/checkout", p.recalled(t).From)
	p.set(t, 0, step(3))
	require.NotContains(t, p.httpRoute(t).Annotations, cluster.AnnotationSafeState)
}

func TestARetirementEndsTheRecordAndALateOneDoesNot(t *testing.T) {
	p := open(t)
	s, step := p.begin(t, image("v2"))
	retire := func(w activities.Write, finish activities.SafeState) error {
		return p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
			Write: w, Namespace: p.target.Namespace, Deployment: "checkout-green", DeleteDeployment: true, DeleteService: "checkout-green", Finish: &finish,
		})
	}
	done := s
	done.Ended, done.EndedAt, done.EndedBy = activities.EndUndone, s.Recorded.Add(time.Minute), s.ReleaseID
	for range 2 {
		require.NoError(t, retire(step(4), done))
		require.Empty(t, cmp.Diff(done, p.recalled(t).Safe))
	}
	next := p.safeState(t, image("v3"), "next")
	_, err := p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: "next", Safe: &next})
	require.NoError(t, err)
	require.Equal(t, fault.Fenced, fault.Of(retire(step(9), done)))
	require.Empty(t, cmp.Diff(next, p.recalled(t).Safe))
}

func TestSomebodysConfigMapIsNeverOverwritten(t *testing.T) {
	p := open(t)
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "slipway-checkout"}, Data: map[string]string{"a": "b"}}
	maps := world.Kube.CoreV1().ConfigMaps(p.target.Namespace)
	_, err := maps.Create(t.Context(), theirs, metav1.CreateOptions{})
	require.NoError(t, err)
	s := p.safeState(t, image("v2"), "begun")
	_, err = p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: "begun", Safe: &s})
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "exists and is not Slipway's; rename it, its name is needed for the safe state")
	m, err := maps.Get(t.Context(), "slipway-checkout", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, theirs.Data, m.Data)
}

func TestARescueRestoresAPromotedReleaseWithAPersonsRightsAlone(t *testing.T) {
	p := open(t, running(image("v1")), plain)
	before, root, owners := p.deployment(t, "checkout").Spec, p.service(t, "checkout").Spec, p.httpRoute(t).Spec
	s, step := p.begin(t, image("v2"))
	require.NoError(t, p.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: step(2), Route: p.route, Weight: 100, Safe: &s}))
	p.point(t, s.Tracks.CandidateSelector, step(3))
	p.editDeployment(t, "checkout", func(d *appsv1.Deployment) { *d.Spec.Replicas = 0 })
	require.NoError(t, world.Kube.CoordinationV1().Leases(p.target.Namespace).Delete(t.Context(), "slipway-checkout", metav1.DeleteOptions{}))

	report := p.rescue(t, "rescue-1", false)
	require.True(t, report.Verified, "%+v", report.Left())
	require.Empty(t, cmp.Diff(before, p.deployment(t, "checkout").Spec))
	require.Empty(t, cmp.Diff(root, p.service(t, "checkout").Spec))
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
	require.EqualValues(t, 2, *p.deployment(t, "checkout-green").Spec.Replicas)
	require.Equal(t, activities.EndRescued, p.recalled(t).Safe.Ended)

	for what, err := range map[string]error{
		"a weight": p.trySet(t.Context(), 100, step(99)),
		"a switch": p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
			Write: step(99), Namespace: p.target.Namespace, Service: "checkout", Selector: s.Tracks.CandidateSelector,
		}),
		"a retirement of stable": p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{Write: step(99), Namespace: p.target.Namespace, Deployment: "checkout"}),
		"a retirement of the candidate": p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
			Write: step(99), Namespace: p.target.Namespace, Deployment: "checkout-green", DeleteDeployment: true,
		}),
	} {
		require.Equal(t, fault.Fenced, fault.Of(err), "%s: %v", what, err)
	}

	report = p.rescue(t, "rescue-2", true)
	require.True(t, report.Verified, "%+v", report.Left())
	eventually(t, p.gone)
	require.Greater(t, p.take(t, "next"), step(0).Fence.Release+2, "each rescue has taken a fence of its own")
}

func TestThePatchesThatARescuePrintsDoWhatItWouldDo(t *testing.T) {
	p := open(t)
	root, owners := p.service(t, "checkout").Spec, p.httpRoute(t).Spec
	s, step := p.begin(t, image("v2"))
	require.NoError(t, p.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: step(2), Route: p.route, Weight: 50, Safe: &s}))
	p.point(t, s.Tracks.CandidateSelector, step(3))
	now, err := p.rescuer(t).Look(t.Context(), s)
	require.NoError(t, err)

	config, err := world.PagerConfig(t.Context(), p.target.Namespace)
	require.NoError(t, err)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	gateways, err := versioned.NewForConfig(config)
	require.NoError(t, err)
	patch := `[{"op":"replace","path":"/spec/selector","value":{"app":"checkout","tier":"web"}}]`
	require.Contains(t, rescue.Plan(s, now, false)[1].ByHand[0], patch)
	_, err = kube.CoreV1().Services(p.target.Namespace).Patch(t.Context(), "checkout", types.JSONPatchType, []byte(patch), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(root, p.service(t, "checkout").Spec))
	_, err = gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Patch(t.Context(), "checkout", types.JSONPatchType, patchOf(t, now.Route.Undo), metav1.PatchOptions{})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(owners, p.httpRoute(t).Spec))
}

// patchOf is the JSON patch in the arguments of kubectl.
func patchOf(t *testing.T, arguments string) []byte {
	t.Helper()
	_, patch, found := strings.Cut(arguments, "--type=json -p '")
	require.True(t, found, arguments)
	return []byte(strings.TrimSuffix(patch, "'"))
}

func TestAPersonsRightsEndAtTheNamespace(t *testing.T) {
	p := open(t)
	config, err := world.PagerConfig(t.Context(), p.target.Namespace)
	require.NoError(t, err)
	kube, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	_, err = kube.CoreV1().Services(p.target.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	_, err = kube.CoreV1().Services("default").List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	_, err = kube.CoreV1().Secrets(p.target.Namespace).List(t.Context(), metav1.ListOptions{})
	require.True(t, apierrors.IsForbidden(err), "%v", err)
	eventually(t, func(ctx context.Context) error {
		_, err := p.rescuer(t).Recall(ctx, "default", "checkout")
		if fault.Of(err) != fault.Denied {
			return fmt.Errorf("read another namespace: %w", err)
		}
		return nil
	})
}

func TestARecordIsClosedByTheReleaseThatMadeItAlone(t *testing.T) {
	p := open(t)
	tracks := p.inspect(t, image("v2"))
	safe := activities.SafeState{
		Version: activities.SafeStateVersion, ReleaseID: "a", Lane: "production/checkout", Target: p.target, Tracks: tracks,
		Route: activities.Route{Namespace: p.target.Namespace, Stable: "checkout"},
	}
	take := activities.TakeFenceIn{Target: p.target, ReleaseID: "a", Safe: &safe}
	closing := activities.CloseRecordIn{Target: p.target, ReleaseID: "a", At: time.Now()}
	require.NoError(t, p.workloads.CloseRecord(t.Context(), closing), "there is none yet")
	fence, err := p.workloads.TakeFence(t.Context(), take)
	require.NoError(t, err)
	require.NoError(t, p.workloads.CloseRecord(t.Context(), activities.CloseRecordIn{Target: p.target, ReleaseID: "b", At: time.Now()}))
	require.Empty(t, p.recalled(t).Safe.Ended, "it is not b's")
	for range 2 {
		require.NoError(t, p.workloads.CloseRecord(t.Context(), closing))
		require.Equal(t, activities.EndUndone, p.recalled(t).Safe.Ended)
	}
	kept, ok := cluster.Kept(p.service(t, "checkout"), "checkout")
	require.True(t, ok)
	require.Equal(t, activities.EndUndone, kept.Ended)
	_, err = p.workloads.TakeFence(t.Context(), take)
	require.Equal(t, fault.Fenced, fault.Of(err), "an attempt that comes late does not open it again")
	require.Equal(t, fence+1, p.take(t, "b"))
	require.NoError(t, p.workloads.CloseRecord(t.Context(), closing), "the target is b's by now")
}
