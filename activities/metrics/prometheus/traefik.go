// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// traefikSelector matches the series of one backend Service of a route, in each gateway.
func traefikSelector(route activities.Route, s side) string {
	return fmt.Sprintf("{service=~%q}", traefikName(route, s.service))
}

// traefikName is a regular expression of the name that Traefik 3 gives a backend, which tells which object
// leads to it, as its four providers write it.
func traefikName(route activities.Route, service string) string {
	namespace, backend := regexp.QuoteMeta(route.Namespace), regexp.QuoteMeta(service)
	switch t := route.Traffic; {
	case t.Traefik != nil:
		return fmt.Sprintf("%s-%s-[^-]+@kubernetescrd", namespace, backend)
	case t.Ingress != nil && service == route.Stable:
		return fmt.Sprintf("%s-%s-%s-[^-]+@kubernetesingressnginx", namespace, regexp.QuoteMeta(t.Ingress.Name), backend)
	case t.Ingress != nil: // named after the root Service, whose requests it takes over
		return fmt.Sprintf("%s-%s-%s-[^-]+-canary@kubernetesingressnginx", namespace, regexp.QuoteMeta(t.Ingress.Name), regexp.QuoteMeta(route.Stable))
	}
	return fmt.Sprintf("%s-%s-%s-gw-.+-svc-%s-%s-[0-9]+@kubernetesgateway",
		kindOf(route), namespace, regexp.QuoteMeta(route.Traffic.GatewayAPI.Route), namespace, backend)
}

func kindOf(route activities.Route) string {
	if route.Traffic.GatewayAPI.Kind == plan.KindGRPCRoute {
		return "grpcroute"
	}
	return "httproute"
}
