// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	switcher "github.com/slipwayhq/slipway/activities/traffic/service"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// switching is a place whose root Service is its router.
type switching struct {
	*place
	router *switcher.Client
	route  activities.Route
}

func openSwitching(t *testing.T) *switching {
	t.Helper()
	p := open(t, running(image("v1")))
	kube, err := kubernetes.NewForConfig(workerConfig(t))
	require.NoError(t, err)
	tracks := p.inspect(t, image("v2"))
	p.deploy(t, tracks, image("v2"), write(1, 1))
	return &switching{place: p, router: switcher.New(kube), route: activities.Route{
		Namespace: p.target.Namespace, Traffic: plan.Traffic{Service: &plan.Selector{}}, Stable: "checkout",
		StableSelector: tracks.StableSelector, CandidateSelector: tracks.CandidateSelector, Port: 80,
	}}
}

func (s *switching) set(t *testing.T, weight int, w activities.Write) error {
	t.Helper()
	return s.router.Set(t.Context(), activities.SetTrafficWeightIn{Write: w, Route: s.route, Weight: weight})
}

func (s *switching) settles(t *testing.T, weight int) {
	t.Helper()
	eventually(t, func(ctx context.Context) error {
		settled, err := s.router.Verify(ctx, s.route, weight)
		if err == nil && !settled.Settled {
			err = errors.New(settled.Reason)
		}
		return err
	})
}

func TestAServiceIsSwitchedInOneWriteAndBack(t *testing.T) {
	s := openSwitching(t)
	s.settles(t, 0)
	weight, err := s.router.Read(t.Context(), s.route)
	require.NoError(t, err)
	require.Zero(t, weight)

	require.NoError(t, s.set(t, 100, write(1, 2)))
	require.Equal(t, s.route.CandidateSelector, s.service(t, "checkout").Spec.Selector)
	s.settles(t, 100)
	settled, err := s.router.Verify(t.Context(), s.route, 0)
	require.NoError(t, err)
	require.Equal(t, "Service "+s.target.Namespace+"/checkout still has endpoints of the other track", settled.Reason)

	require.NoError(t, s.set(t, 0, write(1, 3)))
	s.settles(t, 0)
	require.Equal(t, fault.Fenced, fault.Of(s.set(t, 100, write(1, 2))), "a late switch is refused")
}

func TestAServiceWithoutReadyPodsHasNotSettled(t *testing.T) {
	s := openSwitching(t)
	s.settles(t, 0)
	s.editDeployment(t, "checkout", func(d *appsv1.Deployment) { d.Spec.Replicas = new(int32(0)) })
	eventually(t, func(ctx context.Context) error {
		settled, err := s.router.Verify(ctx, s.route, 0)
		if err == nil && settled.Reason != "Service "+s.target.Namespace+"/checkout has no ready endpoint yet" {
			err = errors.New("reason: " + settled.Reason)
		}
		return err
	})
}

func TestAServiceKnowsNoWeights(t *testing.T) {
	s := openSwitching(t)
	require.Equal(t, fault.Invalid, fault.Of(s.set(t, 50, write(1, 2))))
	_, err := s.router.Verify(t.Context(), s.route, 50)
	require.Equal(t, fault.Invalid, fault.Of(err))
}

func TestAServiceThatWasEditedAMomentAgoIsRefused(t *testing.T) {
	s := openSwitching(t)
	root := s.service(t, "checkout")
	root.Spec.Selector = map[string]string{"app": "another"}
	_, err := world.Kube.CoreV1().Services(s.target.Namespace).Update(t.Context(), root, metav1.UpdateOptions{})
	require.NoError(t, err)
	_, err = s.router.Read(t.Context(), s.route)
	require.Equal(t, fault.Edited, fault.Of(err))
}
