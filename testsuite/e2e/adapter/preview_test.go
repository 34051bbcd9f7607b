// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func (p *place) preview(release, step int64) activities.PreviewIn {
	return activities.PreviewIn{
		Write: activities.Write{ReleaseID: "checkout-one", Fence: activities.Fence{Release: release, Step: step}},
		Route: p.route, Header: plan.Header{Name: "X-Preview", Value: "green"},
	}
}

func (p *place) previewRoute(t *testing.T) (*gatewayv1.HTTPRoute, error) {
	t.Helper()
	return world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Get(t.Context(), "checkout-preview", metav1.GetOptions{})
}

func TestAPreviewRouteMatchesWhatTheRouteDoesAndOneHeaderMore(t *testing.T) {
	p := open(t)
	require.NoError(t, p.router.OpenPreview(t.Context(), p.preview(1, 1)))
	require.NoError(t, p.router.OpenPreview(t.Context(), p.preview(1, 1)), "once more changes nothing")
	r, err := p.previewRoute(t)
	require.NoError(t, err)
	own, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Get(t.Context(), "checkout", metav1.GetOptions{})
	require.NoError(t, err)
	require.Equal(t, own.Spec.Hostnames, r.Spec.Hostnames)
	require.Equal(t, own.Spec.ParentRefs, r.Spec.ParentRefs)
	require.Len(t, r.Spec.Rules, len(own.Spec.Rules))
	for _, rule := range r.Spec.Rules {
		require.Len(t, rule.BackendRefs, 1)
		require.EqualValues(t, "checkout-green", rule.BackendRefs[0].Name)
		for _, m := range rule.Matches {
			require.Contains(t, m.Headers, gatewayv1.HTTPHeaderMatch{Type: ptr.To(gatewayv1.HeaderMatchExact), Name: "X-Preview", Value: "green"})
		}
	}
	for _, b := range own.Spec.Rules[0].BackendRefs {
		require.EqualValues(t, "checkout", b.Name, "the team's own route is not touched")
	}

	require.NoError(t, p.router.ClosePreview(t.Context(), p.preview(1, 2)))
	require.NoError(t, p.router.ClosePreview(t.Context(), p.preview(1, 2)), "once more finds nothing")
	_, err = p.previewRoute(t)
	require.True(t, apierrors.IsNotFound(err))
}

func TestAPreviewRouteOfSomebodyElseIsLeftAlone(t *testing.T) {
	p := open(t)
	theirs := route(p.target.Namespace)
	theirs.Name = "checkout-preview"
	_, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Create(t.Context(), theirs, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, err := range []error{p.router.OpenPreview(t.Context(), p.preview(1, 1)), p.router.ClosePreview(t.Context(), p.preview(1, 2))} {
		require.Equal(t, fault.Invalid, fault.Of(err))
		require.ErrorContains(t, err, "HTTPRoute "+p.target.Namespace+"/checkout-preview exists and is not Slipway's")
	}
	_, err = p.previewRoute(t)
	require.NoError(t, err)
}

func TestALatePreviewIsRefused(t *testing.T) {
	p := open(t)
	require.NoError(t, p.router.OpenPreview(t.Context(), p.preview(2, 1)))
	require.Equal(t, fault.Fenced, fault.Of(p.router.OpenPreview(t.Context(), p.preview(1, 9))))
	require.Equal(t, fault.Fenced, fault.Of(p.router.ClosePreview(t.Context(), p.preview(1, 9))))
	_, err := p.previewRoute(t)
	require.NoError(t, err)
}
