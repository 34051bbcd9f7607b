// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"

	"go.temporal.io/sdk/activity"
)

// program is how the worker calls itself before the API server.
const program = "slipway-worker"

// named lets the audit log of a cluster tell which activity has sent a request: it is named in the User-Agent,
// as slipway-worker/ShiftTraffic.
func named(next http.RoundTripper) http.RoundTripper { return agent{next} }

type agent struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	if !activity.IsActivity(ctx) {
		return a.next.RoundTrip(r)
	}
	r = r.Clone(ctx)
	r.Header.Set("User-Agent", program+"/"+activity.GetInfo(ctx).ActivityType.Name)
	return a.next.RoundTrip(r)
}
