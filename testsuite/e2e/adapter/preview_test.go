// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
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

// preview is a write of the route for testers: those with the header X-Preview, unless the place has others.
func (p *place) preview(release, step int64) activities.PreviewIn {
	route := p.route
	if route.Testers == nil {
		route.Testers = &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
	}
	return activities.PreviewIn{
		Write: activities.Write{ReleaseID: "checkout-one", Fence: activities.Fence{Release: release, Step: step}}, Route: route,
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
	require.Len(t, r.Spec.Rules, 2, "those that send to checkout")
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

func TestAPreviewRouteSettlesWhenTheGatewayHasAcceptedIt(t *testing.T) {
	p := open(t, plain)
	p.route.Testers = &plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: "always"}}
	_, err := p.router.VerifyPreview(t.Context(), p.route)
	require.Equal(t, fault.NotFound, fault.Of(err), "%v", err)

	verify := func(want string) {
		eventually(t, func(ctx context.Context) error {
			settled, err := p.router.VerifyPreview(ctx, p.route)
			if as := settled.Settled && want == "" || want != "" && strings.Contains(settled.Reason, want); err == nil && !as {
				err = errors.New("reason: " + settled.Reason)
			}
			return err
		})
	}
	require.NoError(t, p.router.OpenPreview(t.Context(), p.preview(1, 1)))
	verify("checkout-green") // the Service does not exist yet
	p.deploy(t, p.inspect(t, image("v2")), image("v2"), write(1, 2))
	verify("")
}

// cookie is the regular expression that finds a cookie.
func (p *place) cookie(t *testing.T, c plan.Cookie) *regexp.Regexp {
	t.Helper()
	p.route.Testers = &plan.Testers{Cookie: &c}
	require.NoError(t, p.router.OpenPreview(t.Context(), p.preview(1, 1)))
	r, err := p.previewRoute(t)
	require.NoError(t, err)
	match := r.Spec.Rules[0].Matches[0].Headers
	last := match[len(match)-1]
	require.EqualValues(t, "Cookie", last.Name)
	require.Equal(t, gatewayv1.HeaderMatchRegularExpression, *last.Type)
	return regexp.MustCompile(last.Value)
}

func TestACookieIsFoundAmongOthersAndNothingElseIs(t *testing.T) {
	re := open(t).cookie(t, plan.Cookie{Name: "can.ary", Value: "al+ways"})
	for _, yes := range []string{"can.ary=al+ways", "a=b; can.ary=al+ways", "can.ary=al+ways; a=b", "a=b;can.ary=al+ways ;c=d"} {
		require.True(t, re.MatchString(yes), yes)
	}
	for _, no := range []string{"", "can.ary=al+ways2", "xcan.ary=al+ways", "canXary=al+ways", "can.ary=always", "a=can.ary=al+ways", "can.ary=never; a=b"} {
		require.False(t, re.MatchString(no), no)
	}
}

func TestAPreviewRouteOfSomebodyElseIsLeftAlone(t *testing.T) {
	p := open(t)
	theirs := route(p.target.Namespace)
	theirs.Name = "checkout-preview"
	_, err := world.Gateways.GatewayV1().HTTPRoutes(p.target.Namespace).Create(t.Context(), theirs, metav1.CreateOptions{})
	require.NoError(t, err)
	for _, err := range []error{p.router.ReadPreview(t.Context(), p.route), p.router.OpenPreview(t.Context(), p.preview(1, 1)), p.router.ClosePreview(t.Context(), p.preview(1, 2))} {
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
