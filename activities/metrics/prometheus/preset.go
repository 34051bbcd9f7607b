// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// preset is how somebody names what he counts. A new one is a row of presets and a name in the plan.
type preset struct {
	// requests is the counter, and status its label of the HTTP status.
	requests, status string
	// duration is the histogram, without _bucket, and unit what its boundaries are written in, in seconds.
	duration string
	unit     float64
	// pod is the label that tells the service's pods apart; empty: what is counted is not known by pod.
	pod string
	// routed says that exactly those requests are counted that the router has sent.
	routed bool
	// selector matches all series of one side of a route, in braces.
	selector func(activities.Route, side) string
	// own are a plan's own queries; then requests, status, duration and selector are empty.
	own *plan.Queries
}

// presets are those that need no more than a row, and traefik.go.
func presets() map[string]preset {
	return map[string]preset{
		plan.PresetTraefik: {
			requests: "traefik_service_requests_total", status: "code",
			duration: "traefik_service_request_duration_seconds", unit: 1, routed: true, selector: traefikSelector,
		},
		// The label canary is the upstream in whose place stable's would have answered; it is empty for stable's own. The
		// label namespace must be the Ingress's, as it is with honor_labels.
		plan.PresetNGINX: {
			requests: "nginx_ingress_controller_requests", status: "status",
			duration: "nginx_ingress_controller_request_duration_seconds", unit: 1, routed: true, selector: nginxSelector,
		},
		// Contour calls a cluster of Envoy <namespace>_<service>_<port>. Envoy counts in milliseconds, each retry too.
		plan.PresetContour: {
			requests: "envoy_cluster_upstream_rq", status: "envoy_response_code",
			duration: "envoy_cluster_upstream_rq_time", unit: millisecond, routed: true, selector: contourSelector,
		},
		// The proxy of the pod that answers reports, so that each request counts once. A status of 0 is a connection that broke.
		plan.PresetIstio: {
			requests: "istio_requests_total", status: "response_code",
			duration: "istio_request_duration_milliseconds", unit: millisecond, pod: "pod", selector: istioSelector,
		},
		// The pods themselves, as client libraries count. The labels namespace and pod are those of kubernetes_sd_configs
		// with the usual relabelling.
		plan.PresetApp: {
			requests: "http_requests_total", status: "code",
			duration: "http_request_duration_seconds", unit: 1, pod: "pod", selector: appSelector,
		},
	}
}

// millisecond is a boundary's unit in seconds.
const millisecond = 1e-3

func nginxSelector(r activities.Route, s side) string {
	canary := `-?`
	if s.name == candidate {
		canary = regexp.QuoteMeta(r.Namespace+"-"+s.service) + "-[0-9a-z-]+"
	}
	ingress := ""
	if r.Traffic.Ingress != nil {
		ingress = r.Traffic.Ingress.Name
	}
	return fmt.Sprintf("{namespace=%q,ingress=%q,service=%q,canary=~%q}", r.Namespace, ingress, r.Stable, canary)
}

func contourSelector(r activities.Route, s side) string {
	return fmt.Sprintf("{envoy_cluster_name=~%q}", regexp.QuoteMeta(r.Namespace+"_"+s.service)+"_[0-9a-zA-Z-]+")
}

func istioSelector(r activities.Route, s side) string {
	return fmt.Sprintf(`{reporter="destination",destination_workload_namespace=%q,destination_workload=%q}`, r.Namespace, s.deployment)
}

func appSelector(r activities.Route, s side) string {
	return fmt.Sprintf("{namespace=%q,pod=~%q}", r.Namespace, query.Pods(s.deployment))
}

// side is one of the two tracks.
type side struct{ name, service, deployment string }

// The names of the sides.
const (
	stable    = "stable"
	candidate = "candidate"
)

func stableOf(r activities.Route) side    { return side{stable, r.Stable, r.StableDeployment} }
func candidateOf(r activities.Route) side { return side{candidate, r.Candidate, r.CandidateDeployment} }

// presetOf is what a plan counts by.
func presetOf(a plan.Analysis) (preset, error) {
	if p := a.Source.Prometheus; p != nil {
		if q := p.Queries; q != nil {
			return preset{own: q, unit: q.Unit.D().Seconds(), pod: q.Pod}, nil
		}
		if known, ok := presets()[p.Preset]; ok {
			return known, nil
		}
	}
	return preset{}, fault.New(fault.Invalid, "this worker does not know the preset of spec.analysis.source; use a worker of the same version as the command line")
}
