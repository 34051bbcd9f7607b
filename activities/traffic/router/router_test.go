// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// each is a plan's traffic for every router.
func each() map[string]plan.Traffic {
	return map[string]plan.Traffic{
		"gatewayAPI": {GatewayAPI: &plan.GatewayAPI{Route: "checkout"}}, "traefik": {Traefik: &plan.Traefik{Service: "checkout"}},
		"ingress": {Ingress: &plan.Ingress{Name: "checkout"}}, "istio": {Istio: &plan.Istio{VirtualService: "checkout"}},
		"service": {Service: &plan.Selector{}}, "replicas": {Replicas: &plan.Replicas{}},
	}
}

func TestEveryDeclaredRouterHasAnAdapterThatDoesWhatItDeclares(t *testing.T) {
	all := router.All(nil, nil)
	require.Len(t, all, len(plan.Routers()))
	for _, declared := range plan.Routers() {
		t.Run(declared.Name, func(t *testing.T) {
			traffic := each()[declared.Name]
			adapter, err := all.Of(traffic)
			require.NoError(t, err)
			_, previews := adapter.(activities.Previewer)
			require.Equal(t, declared.Header, previews)
			_, mirrors := adapter.(activities.Mirrorer)
			require.Equal(t, declared.Mirror, mirrors)
			_, restores := adapter.(router.Restorer)
			require.Equal(t, declared.InFront, restores, "a person can look at what stands in front")
			object, front := router.Object(traffic)
			require.Equal(t, declared.InFront, front)
			require.Equal(t, front, object.Name == "checkout")
		})
	}
}

// The adapters have no cluster here: what is not declared is refused before anything is asked.
func TestWhatARouterDoesNotDeclareIsRefusedBeforeTheClusterIsAsked(t *testing.T) {
	a := &activities.Traffic{Routers: router.All(nil, nil)}
	for _, declared := range plan.Routers() {
		t.Run(declared.Name, func(t *testing.T) {
			route := activities.Route{Namespace: "shop", Stable: "checkout", Candidate: "checkout-green", Traffic: each()[declared.Name]}
			if !declared.Header {
				route.Testers = &plan.Testers{Header: &plan.Header{Name: "X-Preview", Value: "green"}}
				err := a.Routers.Inspect(t.Context(), route)
				require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
				require.ErrorContains(t, err, "testers from others")
				route.Testers = nil
			}
			if !declared.Sticky {
				route.Sticky = "version"
				err := a.Routers.Inspect(t.Context(), route)
				require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
				require.ErrorContains(t, err, "cannot keep a client on the version that it got first")
				route.Sticky = ""
			}
			if !declared.Mirror {
				route.Mirror = 100
				err := a.Routers.Inspect(t.Context(), route)
				require.Equal(t, fault.Invalid, fault.Of(err), "%v", err)
				require.ErrorContains(t, err, "cannot copy requests")
			}
		})
	}
	err := a.Routers.Inspect(t.Context(), activities.Route{})
	require.ErrorContains(t, err, "the plan names a router that this worker does not know")
}
