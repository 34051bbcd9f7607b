// SPDX-License-Identifier: Apache-2.0

package rescue_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/starter/rescue"
)

// outcomes are the steps of a report, in their order.
func outcomes(r rescue.Report) []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, string(s.Do)+": "+string(s.Outcome))
	}
	return out
}

func TestARescueSendsEverythingBackAndKeepsTheCandidatesPods(t *testing.T) {
	s := open(t)
	report := s.rescue(t, false)
	require.True(t, report.Verified)
	require.Empty(t, cmp.Diff([]string{
		"take fence: done", "keep stable: done", "switch service: done", "shift route: done", "verify service: done",
		"verify route: done", "close preview: done", "keep candidate: done",
	}, outcomes(report)))
	require.Empty(t, cmp.Diff(route().Spec, s.httpRoute(t).Spec))
	require.Equal(t, blue, s.service(t).Spec.Selector)
	require.EqualValues(t, 3, *s.deployment(t, "checkout-green").Spec.Replicas)

	found, err := s.rescuer.Recall(t.Context(), "shop", "checkout")
	require.NoError(t, err)
	require.Equal(t, activities.EndRescued, found.Safe.Ended)
	require.Equal(t, "ada (rescue-1)", found.Safe.EndedBy)
	require.False(t, found.Safe.Finished(), "the candidate can still be taken away")
	require.True(t, s.rescue(t, true).Verified)
	_, err = s.kube.AppsV1().Deployments("shop").Get(t.Context(), "checkout-green", metav1.GetOptions{})
	require.True(t, apierrors.IsNotFound(err), "%v", err)
}

func TestAReleaseThatComesBackAfterARescueCanWriteNothing(t *testing.T) {
	s := open(t)
	require.True(t, s.rescue(t, false).Verified)
	routes, service := s.httpRoute(t).Spec, s.service(t).Spec
	ctx, late := t.Context(), s.late(99)
	for what, err := range map[string]error{
		"a weight":                 s.shift(ctx, 100, 99),
		"a switch":                 s.workloads.SwitchService(ctx, activities.SwitchServiceIn{Write: late, Namespace: "shop", Service: "checkout", Selector: green}),
		"the retirement of stable": s.workloads.RetireTrack(ctx, activities.RetireTrackIn{Write: late, Namespace: "shop", Deployment: "checkout"}),
		"the removal of the candidate": s.workloads.RetireTrack(ctx, activities.RetireTrackIn{
			Write: late, Namespace: "shop", Deployment: "checkout-green", DeleteDeployment: true,
		}),
		"a deployment": s.workloads.DeployCandidate(ctx, activities.DeployCandidateIn{Write: late, Target: s.safe.Target, Tracks: s.safe.Tracks, Image: "shop:v3"}),
		"a record":     s.workloads.Record(ctx, s.safe, late),
	} {
		require.Equal(t, fault.Fenced, fault.Of(err), "%s: %v", what, err)
	}
	require.Empty(t, cmp.Diff(routes, s.httpRoute(t).Spec))
	require.Empty(t, cmp.Diff(service, s.service(t).Spec))
	require.EqualValues(t, 3, *s.deployment(t, "checkout").Spec.Replicas)
	require.EqualValues(t, 3, *s.deployment(t, "checkout-green").Spec.Replicas)
}

func TestStableGetsItsPodsBeforeItGetsRequests(t *testing.T) {
	s := open(t)
	s.edit(t, func(d *appsv1.Deployment) { d.Spec.Replicas, d.Status.ReadyReplicas = new(int32(0)), 0 })
	s.passed = func() {
		s.passed = func() {}
		require.Len(t, s.httpRoute(t).Spec.Rules[0].BackendRefs, 2, "nothing is moved before the pods are ready")
		s.edit(t, func(d *appsv1.Deployment) { d.Status.ReadyReplicas = *d.Spec.Replicas })
	}
	require.True(t, s.rescue(t, false).Verified)
	require.EqualValues(t, 3, *s.deployment(t, "checkout").Spec.Replicas)
	require.Len(t, s.httpRoute(t).Spec.Rules[0].BackendRefs, 1)
}

func TestWhatFailsIsReportedAndTheRestIsDone(t *testing.T) {
	tests := map[string]struct {
		harm   func(*testing.T, *shop)
		remove bool
		want   []string
	}{
		"no right to change the route": {
			func(_ *testing.T, s *shop) { s.deny("update", "httproutes") }, true,
			[]string{
				"take fence: done", "keep stable: done", "switch service: done", "shift route: failed", "verify service: done",
				"verify route: failed", "close preview: done", "remove candidate: not tried",
			},
		},
		"no right to change the Service": {
			func(_ *testing.T, s *shop) { s.deny("update", "services") }, false,
			[]string{
				"take fence: failed", "keep stable: done", "switch service: failed", "shift route: done", "verify service: done",
				"verify route: done", "close preview: done", "keep candidate: done",
			},
		},
		"no right to the Lease: the marks on the objects must do": {
			func(_ *testing.T, s *shop) { s.deny("*", "leases") }, false,
			[]string{
				"take fence: failed", "keep stable: done", "switch service: done", "shift route: done", "verify service: done",
				"verify route: done", "close preview: done", "keep candidate: done",
			},
		},
		"too few pods are better than a bad candidate": {
			func(t *testing.T, s *shop) {
				t.Helper()
				s.edit(t, func(d *appsv1.Deployment) { d.Status.ReadyReplicas = 1 })
			}, false,
			[]string{
				"take fence: done", "keep stable: failed", "switch service: done", "shift route: done", "verify service: done",
				"verify route: done", "close preview: done", "keep candidate: done",
			},
		},
		"no pod at all is not": {
			func(t *testing.T, s *shop) {
				t.Helper()
				s.edit(t, func(d *appsv1.Deployment) { d.Status.ReadyReplicas = 0 })
			}, true,
			[]string{
				"take fence: done", "keep stable: failed", "switch service: not tried", "shift route: not tried", "verify service: not tried",
				"verify route: not tried", "close preview: done", "remove candidate: not tried",
			},
		},
		"another image on stable": {
			func(t *testing.T, s *shop) {
				t.Helper()
				s.edit(t, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "shop:v1.1" })
			}, false,
			[]string{
				"take fence: done", "tell: left", "keep stable: done", "switch service: done", "shift route: done", "verify service: done",
				"verify route: done", "close preview: done", "keep candidate: done",
			},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			tt.harm(t, s)
			report := s.rescue(t, tt.remove)
			require.Empty(t, cmp.Diff(tt.want, outcomes(report)))
			require.False(t, report.Verified)
			found, err := s.rescuer.Recall(t.Context(), "shop", "checkout")
			require.NoError(t, err)
			require.Empty(t, found.Safe.Ended, "it can be tried again")
			for _, left := range report.Left() {
				require.NotEmpty(t, left.Reason)
			}
		})
	}
}

func TestWithoutALeaseTheMarksAreStillAboveTheRelease(t *testing.T) {
	s := open(t)
	s.deny("*", "leases")
	s.rescue(t, false)
	require.Equal(t, fault.Fenced, fault.Of(s.shift(t.Context(), 100, 99)))
}

func TestTheRecordIsFoundWhereverItIsLeft(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	recall := func(from string) {
		found, err := s.rescuer.Recall(ctx, "shop", "checkout")
		require.NoError(t, err)
		require.Equal(t, from, found.From)
		require.Empty(t, cmp.Diff(s.safe, found.Safe))
		require.Equal(t, from != "ConfigMap shop/slipway-checkout", found.Doubt != "")
	}
	recall("ConfigMap shop/slipway-checkout")

	maps := s.kube.CoreV1().ConfigMaps("shop")
	m, err := maps.Get(ctx, "slipway-checkout", metav1.GetOptions{})
	require.NoError(t, err)
	m.Data["safe-state.json"] = `{"version": 2}`
	_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
	require.NoError(t, err)
	recall("Service shop/checkout")
	require.NoError(t, maps.Delete(ctx, "slipway-checkout", metav1.DeleteOptions{}))
	recall("Service shop/checkout")

	o := s.service(t)
	delete(o.Annotations, cluster.AnnotationSafeState)
	_, err = s.kube.CoreV1().Services("shop").Update(ctx, o, metav1.UpdateOptions{})
	require.NoError(t, err)
	recall("HTTPRoute shop/checkout")

	require.True(t, s.rescue(t, false).Verified)
	_, err = maps.Get(ctx, "slipway-checkout", metav1.GetOptions{})
	require.NoError(t, err, "a rescue writes the record anew")

	_, err = s.rescuer.Recall(ctx, "shop", "basket")
	require.Equal(t, fault.NotFound, fault.Of(err))
	require.ErrorContains(t, err, "ConfigMap shop/slipway-basket does not exist, and no Service of shop has a record of Deployment basket")
}
