// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

func TestAReleaseThatReturnsEndsOnTheOriginalDeploymentWithoutAFailedRequest(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "returning"})
	before, v2 := snapshot(t, shop), image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 10, 50), Settle: "return"}, v2)
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "promoted: "+v2+" serves everything from returning")
	require.Zero(t, seen.Failed, seen.Errors)
	require.Positive(t, seen.ByVersion["v2"])

	after := snapshot(t, shop)
	d := after.Deployments["returning"]
	require.Equal(t, v2, d.Template.Spec.Containers[0].Image)
	d.Template.Spec.Containers[0].Image = shop.Image
	require.Empty(t, cmp.Diff(before, after), "nothing but the image has changed")
}

// greet lets the shop's pods name the ConfigMap greeting, and waits until all of them do.
func greet(t *testing.T, shop *stage.Shop) {
	t.Helper()
	deployments := world.Kube.AppsV1().Deployments(shop.Namespace)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, stage.Await(ctx, func(ctx context.Context) error {
		d, err := deployments.Get(ctx, shop.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		pod := &d.Spec.Template.Spec.Containers[0]
		if pod.EnvFrom == nil {
			pod.EnvFrom = []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "greeting"}}}}
			_, err = deployments.Update(ctx, d, metav1.UpdateOptions{})
			return errors.Join(err, errors.New("just written"))
		}
		if s := d.Status; s.ObservedGeneration < d.Generation || s.UpdatedReplicas < s.Replicas || s.AvailableReplicas < s.Replicas {
			return fmt.Errorf("%d of %d pods are new, %d ready", s.UpdatedReplicas, s.Replicas, s.AvailableReplicas)
		}
		return nil
	}))
}

func TestTheConfigurationComesBackWithTheCode(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "configured"})
	put := func(value string) {
		maps := world.Kube.CoreV1().ConfigMaps(shop.Namespace)
		m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "greeting"}, Data: map[string]string{"GREETING": value}}
		if _, err := maps.Create(t.Context(), m, metav1.CreateOptions{}); err != nil {
			_, err = maps.Update(t.Context(), m, metav1.UpdateOptions{})
			require.NoError(t, err)
		}
	}
	put("of v1")
	greet(t, shop)
	says := func() string {
		w := snapshot(t, shop)
		for _, d := range w.Deployments {
			if d.Template.Labels["slipway.dev/track"] == w.Services[shop.Name].Selector["slipway.dev/track"] {
				m, err := world.Kube.CoreV1().ConfigMaps(shop.Namespace).Get(t.Context(), d.Template.Spec.Containers[0].EnvFrom[0].ConfigMapRef.Name, metav1.GetOptions{})
				require.NoError(t, err)
				return m.Data["GREETING"]
			}
		}
		return "nothing"
	}
	said, _ := begin(t, shop, stage.Quick{Steps: stage.Holding("2s", 50)}, image(t, "v2")).end()
	require.Zero(t, said.Code, said.Err+said.Out)
	put("of v2")
	require.Equal(t, "of v1", says(), "an edit reaches nobody who serves")
	back, err := world.Slipway(t.Context(), "rollback", shop.Lane(), "--wait")
	require.NoError(t, err)
	require.Zero(t, back.Code, back.Err+back.Out)
	require.Equal(t, "of v1", says())
}
