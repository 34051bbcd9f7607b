// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/polymorphichelpers"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// TestAnUndoMeansWhatKubectlRolloutUndoMeans gives two workloads the same history, undoes one by kubectl's own
// code and the other by Slipway, and compares what their owners would see.
func TestAnUndoMeansWhatKubectlRolloutUndoMeans(t *testing.T) {
	for _, kind := range []string{plan.KindDeployment, plan.KindStatefulSet, plan.KindDaemonSet} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			ours, theirs := openKind(t, kind), openKind(t, kind)
			for _, p := range []*place{ours, theirs} {
				p.change(t, 2, func(o metav1.Object, template *corev1.PodTemplateSpec) {
					note(o, "kubernetes.io/change-cause", "two")
					note(o, "team", "pay")
					note(&template.ObjectMeta, "only", "two")
					template.Spec.Containers[0].Image = image("v2")
					template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ONLY", Value: "two"}}
					template.Spec.Volumes = []corev1.Volume{{Name: "two"}}
				})
				p.change(t, 3, func(o metav1.Object, template *corev1.PodTemplateSpec) {
					note(o, "kubernetes.io/change-cause", "three")
					template.Annotations = nil
					template.Spec.Containers[0].Image = image("v3")
					template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "ANOTHER", Value: "three"}}
					template.Spec.Volumes = nil
				})
			}
			for i, revision := range []int64{0, 1, 0, 3} {
				t.Run(fmt.Sprintf("undo %d to revision %d", i+1, revision), func(t *testing.T) {
					present := int64(4 + i)
					require.NoError(t, theirs.kubectlUndo(t, revision))
					require.NoError(t, ours.slipwayUndo(t, revision, int64(i+1)))
					theirs.awaitPresent(t, present)
					ours.awaitPresent(t, present)
					require.Empty(t, cmp.Diff(theirs.seen(t), ours.seen(t)), "- kubectl, + Slipway")
				})
			}
			before := ours.seen(t)
			for _, revision := range []int64{99, 2000} {
				require.ErrorContains(t, theirs.kubectlUndo(t, revision), "unable to find specified revision")
				require.ErrorContains(t, ours.slipwayUndo(t, revision, 9), fmt.Sprintf("has no revision %d; it has kept", revision))
			}
			require.Empty(t, cmp.Diff(before, ours.seen(t)))
		})
	}
}

func TestNeitherKubectlNorSlipwayUndoesAPausedDeploymentOrOneWithoutHistory(t *testing.T) {
	p := openKind(t, plan.KindDeployment)
	require.ErrorContains(t, p.kubectlUndo(t, 0), "no rollout history found")
	require.ErrorContains(t, p.slipwayUndo(t, 0, 1), "has no former revision to go back to")
	p.change(t, 2, func(_ metav1.Object, template *corev1.PodTemplateSpec) {
		template.Spec.Containers[0].Image = image("v2")
	})
	p.editDeployment(t, "checkout", func(d *appsv1.Deployment) { d.Spec.Paused = true })
	require.ErrorContains(t, p.kubectlUndo(t, 0), "you cannot rollback a paused deployment")
	require.ErrorContains(t, p.slipwayUndo(t, 0, 1), "is paused; run `kubectl rollout resume` first")
}

func note(o metav1.Object, key, value string) {
	notes := o.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	notes[key] = value
	o.SetAnnotations(notes)
}

// object reads the workload, with its template.
func (p *place) object(ctx context.Context) (runtime.Object, metav1.Object, *corev1.PodTemplateSpec, error) {
	apps, get := world.Kube.AppsV1(), metav1.GetOptions{}
	switch p.target.Kind {
	case plan.KindStatefulSet:
		s, err := apps.StatefulSets(p.target.Namespace).Get(ctx, "checkout", get)
		return s, s, &s.Spec.Template, err
	case plan.KindDaemonSet:
		d, err := apps.DaemonSets(p.target.Namespace).Get(ctx, "checkout", get)
		return d, d, &d.Spec.Template, err
	}
	d, err := apps.Deployments(p.target.Namespace).Get(ctx, "checkout", get)
	return d, d, &d.Spec.Template, err
}

// change is somebody's hand on the workload, which makes it this revision.
func (p *place) change(t *testing.T, revision int64, edit func(metav1.Object, *corev1.PodTemplateSpec)) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		o, meta, template, err := p.object(ctx)
		if err != nil {
			return err
		}
		edit(meta, template)
		apps, update := world.Kube.AppsV1(), metav1.UpdateOptions{}
		switch w := o.(type) {
		case *appsv1.StatefulSet:
			_, err = apps.StatefulSets(w.Namespace).Update(ctx, w, update)
		case *appsv1.DaemonSet:
			_, err = apps.DaemonSets(w.Namespace).Update(ctx, w, update)
		case *appsv1.Deployment:
			_, err = apps.Deployments(w.Namespace).Update(ctx, w, update)
		}
		return err
	})
	p.awaitPresent(t, revision)
}

// awaitPresent waits until Kubernetes has numbered the present revision so.
func (p *place) awaitPresent(t *testing.T, number int64) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		found, err := p.workloads.Find(ctx, activities.InspectRolloutIn{Target: p.target})
		if err == nil && found.Present.Number != number {
			err = fmt.Errorf("revision %d, not %d", found.Present.Number, number)
		}
		return err
	})
}

func (p *place) kubectlUndo(t *testing.T, revision int64) error {
	t.Helper()
	back, err := polymorphichelpers.RollbackerFor(schema.GroupKind{Group: "apps", Kind: p.target.Kind}, world.Kube)
	require.NoError(t, err)
	o, _, _, err := p.object(t.Context())
	require.NoError(t, err)
	said, err := back.Rollback(o, nil, revision, util.DryRunNone)
	if err == nil && said != "rolled back" {
		return errors.New(said)
	}
	return err
}

func (p *place) slipwayUndo(t *testing.T, revision, fence int64) error {
	t.Helper()
	found, err := p.workloads.Find(t.Context(), activities.InspectRolloutIn{Target: p.target, Revision: revision})
	if err != nil {
		return err
	}
	in := activities.RollIn{
		Write: write(fence, 1), Target: p.target, Revision: found.To.Name, Own: []string{found.Present.Image, found.To.Image}, MaxSurge: 1, MaxUnavailable: 1,
	}
	_, err = p.workloads.Roll(t.Context(), in)
	return errors.Join(err, p.workloads.HandBack(t.Context(), activities.HandBackIn{Write: write(fence, 2), Target: p.target}))
}

// seen is what an owner sees of a workload: its pod template, its annotations without Slipway's own, and its
// settings.
func (p *place) seen(t *testing.T) any {
	t.Helper()
	_, meta, _, err := p.object(t.Context())
	require.NoError(t, err)
	notes := map[string]string{}
	for k, v := range meta.GetAnnotations() {
		if !strings.HasPrefix(k, "slipway.dev/") {
			notes[k] = v
		}
	}
	return []any{p.spec(t), notes}
}
