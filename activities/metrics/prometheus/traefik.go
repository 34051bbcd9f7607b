// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/activities"
)

// Traefik's metrics by backend Service.
const (
	traefikRequests = "traefik_service_requests_total"
	traefikBuckets  = "traefik_service_request_duration_seconds_bucket"
)

// traefikSelector matches the series of one backend Service of a route. Traefik 3 names a backend
// "httproute-<namespace>-<route>-gw-…-svc-<namespace>-<service>-<index>@kubernetesgateway".
func traefikSelector(route activities.Route, service string) string {
	return fmt.Sprintf("{service=~%q}", fmt.Sprintf("httproute-%s-%s-gw-.+-svc-%s-%s-[0-9]+@kubernetesgateway",
		regexp.QuoteMeta(route.Namespace), regexp.QuoteMeta(route.Traffic.GatewayAPI.Route),
		regexp.QuoteMeta(route.Namespace), regexp.QuoteMeta(service)))
}
