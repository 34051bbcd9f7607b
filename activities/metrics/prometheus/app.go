// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/activities"
)

// app counts in the pods themselves, as client libraries do. The labels namespace and pod are those of
// kubernetes_sd_configs with the usual relabelling.
func app() preset {
	return preset{
		requests: "http_requests_total", status: "code",
		duration: "http_request_duration_seconds", unit: 1,
		pod: "pod", selector: podSelector,
	}
}

// podSelector matches the pods of one Deployment by their names, "<deployment>-<template hash>-<five letters>". A
// Deployment whose name only begins with this one's has more dashes.
func podSelector(route activities.Route, s side) string {
	return fmt.Sprintf("{namespace=%q,pod=~%q}", route.Namespace, regexp.QuoteMeta(s.deployment)+"-[a-z0-9]{1,10}-[a-z0-9]{5}")
}
