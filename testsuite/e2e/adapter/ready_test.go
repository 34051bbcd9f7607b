// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// running lets the pods be scheduled, with this image.
func running(image string) option {
	return func(d *appsv1.Deployment, _ *corev1.Service, _ *gatewayv1.HTTPRoute) {
		d.Spec.Template.Spec.NodeSelector = nil
		d.Spec.Template.Spec.Containers[0].Image = image
	}
}

func (p *place) awaitReadyIn(image string) activities.AwaitReadyIn {
	return activities.AwaitReadyIn{Namespace: p.target.Namespace, Deployment: "checkout", Image: image, Replicas: 2}
}

func TestATrackIsReadyWhenEveryPodIs(t *testing.T) {
	p := open(t, running(image("v1")))
	eventually(t, func(ctx context.Context) error {
		got, err := p.workloads.Readiness(ctx, p.awaitReadyIn(image("v1")))
		if err == nil && !got.Ready {
			err = fmt.Errorf("not ready: %s", got.Reason)
		}
		return err
	})
	pods, err := world.Kube.CoreV1().Pods(p.target.Namespace).List(t.Context(), metav1.ListOptions{})
	require.NoError(t, err)
	require.Len(t, pods.Items, 2)
	for _, pod := range pods.Items {
		require.True(t, pod.Status.ContainerStatuses[0].Ready)
	}
}

func TestATrackThatIsNotReadySaysWhyOnce(t *testing.T) {
	unknown := "registry.sandbox/shop@sha256:" + strings.Repeat("0", 64)
	for name, c := range map[string]struct{ image, says string }{
		"the image does not exist":       {unknown, "ImagePullBackOff: Back-off pulling image \"" + unknown + "\""},
		"the pods never become ready":    {image("v1", map[string]string{"NEVER_READY": "true"}), "container shop runs, but its readiness probe does not pass"},
		"the pods crash again and again": {image("v1", map[string]string{"CRASH_AFTER": "1ms"}), "CrashLoopBackOff: container shop ends again and again, the last time with exit code 1 (Error)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := open(t, running(c.image))
			eventually(t, func(ctx context.Context) error {
				got, err := p.workloads.Readiness(ctx, p.awaitReadyIn(c.image))
				if err != nil {
					return err
				}
				if got.Ready || !strings.HasPrefix(got.Reason, "0 of 2 pods are ready: "+c.says) || strings.Count(got.Reason, ";") > strings.Count(c.says, ";") {
					return fmt.Errorf("ready %t: %s", got.Ready, got.Reason)
				}
				return nil
			})
		})
	}
}

func TestATrackThatCannotBeScheduledSaysWhy(t *testing.T) {
	p := open(t)
	eventually(t, func(ctx context.Context) error {
		got, err := p.workloads.Readiness(ctx, p.awaitReadyIn(image("v1")))
		if err == nil && !strings.Contains(got.Reason, "didn't match Pod's node affinity/selector") {
			err = fmt.Errorf("says: %s", got.Reason)
		}
		return err
	})
}

func TestATrackWhoseImageSomebodyChangedIsNotReady(t *testing.T) {
	p := open(t)
	got, err := p.workloads.Readiness(t.Context(), p.awaitReadyIn(image("v2")))
	require.NoError(t, err)
	require.Equal(t, activities.Readiness{Reason: "somebody has changed its image"}, got)
}

func TestATrackThatIsGoneIsNotFound(t *testing.T) {
	p := open(t)
	in := p.awaitReadyIn(image("v1"))
	in.Deployment = "checkout-green"
	_, err := p.workloads.Readiness(t.Context(), in)
	require.Equal(t, fault.NotFound, fault.Of(err), "%v", err)
}
