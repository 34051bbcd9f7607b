// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/activities"
)

// traefik counts by backend Service, in each gateway.
func traefik() preset {
	return preset{
		requests: "traefik_service_requests_total", status: "code",
		duration: "traefik_service_request_duration_seconds", unit: 1,
		routed: true, selector: traefikSelector,
	}
}

// traefikSelector matches the series of one backend Service of a route. Traefik 3 names a backend
// "httproute-<namespace>-<route>-gw-…-svc-<namespace>-<service>-<index>@kubernetesgateway".
func traefikSelector(route activities.Route, s side) string {
	return fmt.Sprintf("{service=~%q}", fmt.Sprintf("httproute-%s-%s-gw-.+-svc-%s-%s-[0-9]+@kubernetesgateway",
		regexp.QuoteMeta(route.Namespace), regexp.QuoteMeta(route.Traffic.GatewayAPI.Route),
		regexp.QuoteMeta(route.Namespace), regexp.QuoteMeta(s.service)))
}
