// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// take asks again while the system does not answer, as Temporal would.
func (p *place) take(t *testing.T, release string) int64 {
	t.Helper()
	for {
		n, err := p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: release})
		if err == nil {
			return n
		}
		if fault.Final(err) || t.Context().Err() != nil {
			t.Errorf("take fence: %v", err)
			return 0
		}
	}
}

func TestAFenceRisesAndStaysTheSameForARelease(t *testing.T) {
	p := open(t)
	require.EqualValues(t, 1, p.take(t, "a"))
	require.EqualValues(t, 1, p.take(t, "a"))
	require.EqualValues(t, 2, p.take(t, "b"))
	require.EqualValues(t, 2, p.take(t, "b"))
	require.EqualValues(t, 3, p.take(t, "a"))
}

func TestConcurrentTakersGetDifferentFences(t *testing.T) {
	p := open(t)
	const takers = 8
	var all sync.WaitGroup
	got := make([]int64, takers)
	for i := range takers {
		all.Go(func() { got[i] = p.take(t, fmt.Sprint("release-", i)) })
	}
	all.Wait()
	slices.Sort(got)
	require.Equal(t, []int64{1, 2, 3, 4, 5, 6, 7, 8}, got)
}

func TestADeletedLeaseBeginsAboveTheFencesLeftOnObjects(t *testing.T) {
	p := open(t)
	for range 4 {
		p.take(t, "a")
		p.take(t, "b")
	}
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(8, 1))
	p.deleteLease(t)
	require.EqualValues(t, 9, p.take(t, "c"))
}

func TestADeletedLeaseBeginsAboveAReleaseThatLeftNoTrackBehind(t *testing.T) {
	p := open(t)
	first := p.take(t, "first")
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(first, 1))
	p.set(t, 5, write(first, 2))
	p.set(t, 0, write(first, 3))
	require.NoError(t, p.workloads.RetireTrack(t.Context(), activities.RetireTrackIn{
		Write: write(first, 4), Namespace: p.target.Namespace, Deployment: tracks.Candidate, DeleteDeployment: true, DeleteService: tracks.CandidateService,
	}))
	p.deleteLease(t)
	second := p.take(t, "second")
	require.Greater(t, second, first)
	p.set(t, 5, write(second, 1))
}

func TestATakenFenceShutsTheOlderReleaseOutOfTheService(t *testing.T) {
	p := open(t)
	p.take(t, "a")
	p.take(t, "b")
	err := p.workloads.SwitchService(t.Context(), activities.SwitchServiceIn{
		Write: write(1, 99), Namespace: p.target.Namespace, Service: "checkout", Selector: greenLabels,
	})
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)
	require.Equal(t, service(p.target.Namespace).Spec.Selector, p.service(t, "checkout").Spec.Selector)
}

func TestALeaseThatSomebodyMadeIsTakenOver(t *testing.T) {
	p := open(t)
	_, err := world.Kube.CoordinationV1().Leases(p.target.Namespace).Create(t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "slipway-checkout"}, Spec: coordinationv1.LeaseSpec{HolderIdentity: new("a")},
	}, metav1.CreateOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 1, p.take(t, "a"))
}

func TestATargetBelongsToTheLaneThatReleasedItFirst(t *testing.T) {
	p := open(t)
	take := func(release, lane string) (int64, error) {
		return p.workloads.TakeFence(t.Context(), activities.TakeFenceIn{Target: p.target, ReleaseID: release, Lane: lane})
	}
	require.EqualValues(t, 1, p.take(t, "a"), "a release of an older version claims nothing")
	n, err := take("b", "production/checkout")
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	_, err = take("c", "staging/checkout")
	require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
	require.ErrorContains(t, err, "is released by the plan production/checkout (last release: b)")
	require.ErrorContains(t, err, "annotate lease slipway-checkout slipway.dev/lane-")

	leases := world.Kube.CoordinationV1().Leases(p.target.Namespace)
	lease, err := leases.Get(t.Context(), "slipway-checkout", metav1.GetOptions{})
	require.NoError(t, err)
	delete(lease.Annotations, "slipway.dev/lane")
	_, err = leases.Update(t.Context(), lease, metav1.UpdateOptions{})
	require.NoError(t, err)
	n, err = take("c", "staging/checkout")
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
}

func (p *place) deleteLease(t *testing.T) {
	t.Helper()
	require.NoError(t, world.Kube.CoordinationV1().Leases(p.target.Namespace).Delete(t.Context(), "slipway-checkout", metav1.DeleteOptions{}))
}
