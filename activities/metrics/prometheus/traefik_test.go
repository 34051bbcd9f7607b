// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestTraefiksNameOfABackendIsThatOfTheRouterAndTheTrack(t *testing.T) {
	names := []string{
		"httproute-shop-checkout-gw-sandbox-sandbox-ep-web-0-abc-svc-shop-checkout-0@kubernetesgateway",
		"httproute-shop-checkout-gw-sandbox-sandbox-ep-web-0-abc-svc-shop-checkout-green-1@kubernetesgateway",
		"grpcroute-shop-checkout-gw-sandbox-sandbox-ep-web-0-abc-svc-shop-checkout-0@kubernetesgateway",
		"grpcroute-shop-checkout-gw-sandbox-sandbox-ep-web-0-abc-svc-shop-checkout-green-1@kubernetesgateway",
		"shop-checkout-80@kubernetescrd", "shop-checkout-green-80@kubernetescrd", "shop-checkout@kubernetescrd",
		"shop-front-checkout-80@kubernetesingressnginx", "shop-front-checkout-80-canary@kubernetesingressnginx", "shop-front-checkout-80-wrr@kubernetesingressnginx",
		"shop-other-checkout-80@kubernetesingressnginx",
	}
	for name, c := range map[string]struct {
		traffic           plan.Traffic
		stable, candidate string
	}{
		"an HTTPRoute":     {plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}}, names[0], names[1]},
		"a GRPCRoute":      {plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout", Kind: plan.KindGRPCRoute}}, names[2], names[3]},
		"a TraefikService": {plan.Traffic{Traefik: &plan.Traefik{Service: "checkout"}}, names[4], names[5]},
		"an Ingress":       {plan.Traffic{Ingress: &plan.Ingress{Name: "front"}}, names[7], names[8]},
	} {
		t.Run(name, func(t *testing.T) {
			route := activities.Route{Namespace: "shop", Traffic: c.traffic, Stable: "checkout", Candidate: "checkout-green"}
			for service, want := range map[string]string{route.Stable: c.stable, route.Candidate: c.candidate} {
				whole := regexp.MustCompile("^(?:" + traefikName(route, service) + ")$")
				for _, n := range names {
					require.Equal(t, n == want, whole.MatchString(n), "%s for %s", n, service)
				}
			}
		})
	}
}
