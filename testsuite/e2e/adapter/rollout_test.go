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
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// size lets so many pods be scheduled, with the first image.
func size(n int32, more ...func(*appsv1.Deployment)) option {
	return func(d *appsv1.Deployment, s *corev1.Service, r *gatewayv1.HTTPRoute) {
		running(image("v1"))(d, s, r)
		d.Spec.Replicas = &n
		for _, change := range more {
			change(d)
		}
	}
}

// openKind makes a place whose workload is of this kind, with three pods of the first image (a DaemonSet has
// one, on the one node), and waits until they are ready.
func openKind(t *testing.T, kind string) *place {
	t.Helper()
	p := open(t, size(3))
	p.target.Kind = kind
	create, template := metav1.CreateOptions{}, p.deployment(t, "checkout").Spec.Template
	meta := metav1.ObjectMeta{Name: "checkout", Namespace: p.target.Namespace}
	apps := world.Kube.AppsV1()
	if kind != plan.KindDeployment {
		require.NoError(t, apps.Deployments(p.target.Namespace).Delete(t.Context(), "checkout", metav1.DeleteOptions{}))
	}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "checkout"}}
	var err error
	switch kind {
	case plan.KindStatefulSet:
		_, err = apps.StatefulSets(p.target.Namespace).Create(t.Context(), &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{
			Replicas: ptr.To[int32](3), Selector: selector, Template: template, ServiceName: "checkout",
		}}, create)
	case plan.KindDaemonSet:
		_, err = apps.DaemonSets(p.target.Namespace).Create(t.Context(), &appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{
			Selector: selector, Template: template,
		}}, create)
	}
	require.NoError(t, err)
	eventually(t, func(ctx context.Context) error {
		_, err := p.workloads.Find(ctx, activities.InspectRolloutIn{Target: p.target, Image: image("v2")})
		if err != nil {
			return err
		}
		return undone(p.workloads.Look(ctx, activities.WatchRolloutIn{Target: p.target, Image: image("v1")}))
	})
	return p
}

// undone is an error while a rollout is not done.
func undone(p activities.Progress, err error) error {
	if err == nil && !p.Done {
		err = fmt.Errorf("not done: %+v", p)
	}
	return err
}

func (p *place) find(t *testing.T) activities.Workload {
	t.Helper()
	var found activities.Workload
	eventually(t, func(ctx context.Context) (err error) {
		found, err = p.workloads.Find(ctx, activities.InspectRolloutIn{Target: p.target, Image: image("v99")})
		return err
	})
	return found
}

// forth is a roll of so many pods to an image.
func (p *place) forth(w activities.Write, image string, from string, pods int) activities.RollIn {
	return activities.RollIn{
		Write: w, Target: p.target, Image: image, Own: []string{from, image}, Pods: pods, MaxSurge: 1, MinReady: plan.Duration(2e9),
	}
}

// back is a roll of all pods to a revision.
func (p *place) back(w activities.Write, to activities.Revision, from string) activities.RollIn {
	return activities.RollIn{Write: w, Target: p.target, Revision: to.Name, Own: []string{to.Image, from}, MaxSurge: 1, MaxUnavailable: 1}
}

// roll goes on until it is done.
func (p *place) roll(t *testing.T, in activities.RollIn) activities.Progress {
	t.Helper()
	var out activities.Progress
	eventually(t, func(ctx context.Context) (err error) {
		out, err = p.workloads.Roll(ctx, in)
		return undone(out, err)
	})
	return out
}

// fails goes on until it says why it is not done.
func (p *place) fails(t *testing.T, in activities.RollIn, why string) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		out, err := p.workloads.Roll(ctx, in)
		if err == nil && (out.Done || !strings.Contains(out.Reason, why)) {
			err = fmt.Errorf("not yet: %+v", out)
		}
		return err
	})
}

// images are those of the pods that are not going away, by the pods' names.
func (p *place) images(t *testing.T) map[string]string {
	t.Helper()
	list, err := world.Kube.CoreV1().Pods(p.target.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=checkout"})
	require.NoError(t, err)
	out := map[string]string{}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			out[pod.Name] = pod.Spec.Containers[0].Image
		}
	}
	return out
}

func count(images map[string]string, image string) int {
	n := 0
	for _, i := range images {
		if i == image {
			n++
		}
	}
	return n
}

func (p *place) handBack(t *testing.T, w activities.Write) {
	t.Helper()
	require.NoError(t, p.workloads.HandBack(t.Context(), activities.HandBackIn{Write: w, Target: p.target}))
}

func TestADeploymentStopsAtEveryBatch(t *testing.T) {
	p := open(t, size(5, func(d *appsv1.Deployment) {
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{MaxSurge: new(intstr.FromString("60%")), MaxUnavailable: new(intstr.FromInt(2))}
	}))
	v1, v2 := image("v1"), image("v2")
	eventually(t, func(ctx context.Context) error {
		return undone(p.workloads.Look(ctx, activities.WatchRolloutIn{Target: p.target, Image: v1}))
	})
	before := p.deployment(t, "checkout").Spec
	fewest, most := p.extremes(t)
	for i, batch := range []int{1, 3} {
		in := p.forth(write(1, int64(i+1)), v2, v1, batch)
		in.MaxSurge = 3
		got := p.roll(t, in)
		require.Equal(t, activities.Progress{Size: 5, New: batch, Ready: got.Ready, Held: true, Done: true}, got)
		require.Equal(t, batch, count(p.images(t), v2), "no batch is overshot, however large the surge")
		writes := p.writes.Load()
		p.roll(t, in)
		require.Equal(t, writes, p.writes.Load(), "what is so already is not written again")
	}
	p.roll(t, p.forth(write(1, 3), v2, v1, 0))
	require.Equal(t, 5, count(p.images(t), v2))
	require.GreaterOrEqual(t, fewest(), 5, "no pod was missing")
	require.LessOrEqual(t, most(), 8)
	p.handBack(t, write(1, 4))
	before.Template.Spec.Containers[0].Image = v2
	require.Empty(t, cmp.Diff(before, p.deployment(t, "checkout").Spec))
}

// extremes follows how many pods of the Deployment are ready and how many there are.
func (p *place) extremes(t *testing.T) (fewest, most func() int) {
	t.Helper()
	watch, err := world.Kube.AppsV1().Deployments(p.target.Namespace).Watch(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	t.Cleanup(watch.Stop)
	low, high := 1<<30, 0
	drain := func() {
		for {
			select {
			case e := <-watch.ResultChan():
				if d, ok := e.Object.(*appsv1.Deployment); ok {
					low, high = min(low, int(d.Status.ReadyReplicas)), max(high, int(d.Status.Replicas))
				}
			default:
				return
			}
		}
	}
	return func() int { drain(); return low }, func() int { drain(); return high }
}

func TestAWorkloadOfEveryKindGoesForthInBatchesAndBack(t *testing.T) {
	tests := map[string]struct {
		kind  string
		batch int
	}{
		"a Deployment":            {plan.KindDeployment, 2},
		"a StatefulSet":           {plan.KindStatefulSet, 2},
		"a DaemonSet on one node": {plan.KindDaemonSet, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openKind(t, tt.kind)
			v1, v2, broken := image("v1"), image("v2"), image("v3", map[string]string{"NEVER_READY": "true"})
			found := p.find(t)
			require.Equal(t, v1, found.Present.Image)
			before := p.spec(t)

			got := p.roll(t, p.forth(write(1, 1), v2, v1, tt.batch))
			want := found.Size
			if tt.batch > 0 {
				want = tt.batch
				require.True(t, got.Held)
			}
			require.Equal(t, want, count(p.images(t), v2))
			p.apart(t, len(p.images(t))-want, want)
			p.roll(t, p.forth(write(1, 2), v2, v1, 0))
			p.apart(t, 0, found.Size)
			require.Equal(t, found.Size, count(p.images(t), v2))
			p.handBack(t, write(1, 3))

			now := p.find(t)
			require.Greater(t, now.Present.Number, found.Present.Number)
			p.fails(t, p.forth(write(2, 1), broken, v2, 1), "its readiness probe does not pass")
			p.roll(t, p.back(write(2, 2), now.Present, broken))
			require.Equal(t, found.Size, count(p.images(t), v2))
			p.handBack(t, write(2, 3))

			p.roll(t, p.back(write(3, 1), found.Present, v2))
			require.Equal(t, found.Size, count(p.images(t), v1))
			p.apart(t, 0, found.Size)
			p.handBack(t, write(3, 2))
			require.Empty(t, cmp.Diff(before, p.spec(t)))
		})
	}
}

// apart waits until guards tell so many old pods from so many new ones: those that go may not have been told yet.
func (p *place) apart(t *testing.T, old, fresh int) {
	t.Helper()
	patients := cluster.Patients{Client: p.workloads, Now: time.Now}
	in := activities.LookAtPodsIn{Namespace: p.target.Namespace, Stable: p.target.Deployment, Kind: p.target.Kind}
	eventually(t, func(ctx context.Context) error {
		got, err := patients.LookAtPods(ctx, in)
		if err == nil && (got.Stable.Number != old || got.Candidate.Number != fresh) {
			err = fmt.Errorf("%d old and %d new pods", got.Stable.Number, got.Candidate.Number)
		}
		return err
	})
}

// spec is what the owner of the workload declares.
func (p *place) spec(t *testing.T) any {
	t.Helper()
	apps, get := world.Kube.AppsV1(), metav1.GetOptions{}
	switch p.target.Kind {
	case plan.KindStatefulSet:
		s, err := apps.StatefulSets(p.target.Namespace).Get(t.Context(), "checkout", get)
		require.NoError(t, err)
		return s.Spec
	case plan.KindDaemonSet:
		d, err := apps.DaemonSets(p.target.Namespace).Get(t.Context(), "checkout", get)
		require.NoError(t, err)
		return d.Spec
	}
	return p.deployment(t, "checkout").Spec
}

func TestALateRollAndOneOverAPersonsEditAreRefused(t *testing.T) {
	p := openKind(t, plan.KindDeployment)
	v1, v2 := image("v1"), image("v2")
	found := p.find(t)
	p.roll(t, p.forth(write(1, 1), v2, v1, 1))
	p.roll(t, p.back(write(1, 3), found.Present, v2))
	_, err := p.workloads.Roll(t.Context(), p.forth(write(1, 2), v2, v1, 2))
	require.Equal(t, fault.Fenced, fault.Of(err), "%v", err)

	p.editDeployment(t, "checkout", func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = image("hotfix") })
	_, err = p.workloads.Roll(t.Context(), p.back(write(1, 4), found.Present, v2))
	require.Equal(t, fault.Edited, fault.Of(err), "%v", err)
	require.Equal(t, image("hotfix"), p.deployment(t, "checkout").Spec.Template.Spec.Containers[0].Image)
}

func TestALookSeesThatSomebodyHasLetARolloutGoOn(t *testing.T) {
	p := openKind(t, plan.KindDeployment)
	p.roll(t, p.forth(write(1, 1), image("v2"), image("v1"), 1))
	in := activities.WatchRolloutIn{Target: p.target, Image: image("v2"), Held: true}
	got, err := p.workloads.Look(t.Context(), in)
	require.NoError(t, err)
	require.True(t, got.Held)
	p.editDeployment(t, "checkout", func(d *appsv1.Deployment) { d.Spec.Paused = false })
	got, err = p.workloads.Look(t.Context(), in)
	require.NoError(t, err)
	require.False(t, got.Held)
}

func TestFindRefusesWhatCouldNotBeRolled(t *testing.T) {
	for name, c := range map[string]struct {
		make   func(*appsv1.Deployment)
		change func(*activities.InspectRolloutIn)
		says   string
	}{
		"it does not exist": {
			change: func(in *activities.InspectRolloutIn) { in.Target.Kind = plan.KindStatefulSet },
			says:   "StatefulSet NS/checkout does not exist; create it, or correct spec.target",
		},
		"it runs the image already": {
			change: func(in *activities.InspectRolloutIn) { in.Image = image("v1") },
			says:   "Deployment NS/checkout runs " + image("v1") + " already; there is nothing to release",
		},
		"it is paused": {
			make: func(d *appsv1.Deployment) { d.Spec.Paused = true },
			says: "Deployment NS/checkout is paused; run `kubectl rollout resume` first",
		},
		"it stops all pods at once": {
			make: func(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType },
			says: "Deployment NS/checkout has the strategy Recreate, which stops all pods at once; make it RollingUpdate",
		},
		"it keeps no former revision": {
			make: func(d *appsv1.Deployment) { d.Spec.RevisionHistoryLimit = ptr.To[int32](0) },
			says: "Deployment NS/checkout keeps no former revision to go back to; set revisionHistoryLimit to 1 or more",
		},
		"there is no former revision": {
			change: func(in *activities.InspectRolloutIn) { in.Image = "" },
			says:   "Deployment NS/checkout has no former revision to go back to",
		},
		"there is no such revision": {
			change: func(in *activities.InspectRolloutIn) { in.Image, in.Revision = "", 7 },
			says:   "Deployment NS/checkout has no revision 7; it has kept 1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, size(2, func(d *appsv1.Deployment) {
				if c.make != nil {
					c.make(d)
				}
			}))
			p.target.Kind = plan.KindDeployment
			in := activities.InspectRolloutIn{Target: p.target, Image: image("v2")}
			if c.change != nil {
				c.change(&in)
			}
			eventually(t, func(ctx context.Context) error {
				_, err := p.workloads.Find(ctx, in)
				if want := strings.ReplaceAll(c.says, "NS", p.target.Namespace); err == nil || err.Error() != want {
					return fmt.Errorf("says %w, not %s", err, want)
				}
				return nil
			})
			require.Zero(t, p.writes.Load())
		})
	}
}

func TestARolloutThatWasLeftHalfWayIsRefusedAndCanBeUndone(t *testing.T) {
	p := openKind(t, plan.KindDeployment)
	v1, v2 := image("v1"), image("v2")
	before := p.spec(t)
	p.roll(t, p.forth(write(1, 1), v2, v1, 1))
	_, err := p.workloads.Find(t.Context(), activities.InspectRolloutIn{Target: p.target, Image: image("v3")})
	require.ErrorContains(t, err, "was left half way by release release-1; bring it back with `slipway undo -f PLAN`")
	found, err := p.workloads.Find(t.Context(), activities.InspectRolloutIn{Target: p.target})
	require.NoError(t, err)
	require.Equal(t, v1, found.To.Image)
	p.roll(t, p.back(write(2, 1), found.To, v2))
	p.handBack(t, write(2, 2))
	require.Empty(t, cmp.Diff(before, p.spec(t)))
}
