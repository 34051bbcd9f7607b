// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// preset is how somebody names what he counts. A new one is a file such as traefik.go, a case of presetOf and a
// name in the plan.
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
}

// side is one of the two tracks.
type side struct{ service, deployment string }

func stableOf(r activities.Route) side    { return side{r.Stable, r.StableDeployment} }
func candidateOf(r activities.Route) side { return side{r.Candidate, r.CandidateDeployment} }

func presetOf(a plan.Analysis) (preset, error) {
	if a.Source.Prometheus != nil {
		switch a.Source.Prometheus.Preset {
		case plan.PresetTraefik:
			return traefik(), nil
		case plan.PresetApp:
			return app(), nil
		}
	}
	return preset{}, fault.New(fault.Invalid, "this worker does not know the preset of spec.analysis.source; use a worker of the same version as the command line")
}

// what is counted of stable, for people.
func (p preset) what(r activities.Route) string {
	if p.pod != "" {
		return "Deployment " + r.Namespace + "/" + r.StableDeployment
	}
	return "Service " + r.Namespace + "/" + r.Stable
}

// targets begin the question whether they are scraped.
func (p preset) targets() string {
	if p.pod != "" {
		return "are its pods"
	}
	return "is the gateway"
}

// source is the label that tells the targets of a preset apart.
func (p preset) source() model.LabelName {
	if p.pod != "" {
		return model.LabelName(p.pod)
	}
	return model.InstanceLabel
}

// all is a selector of the counter and of the histogram, classic or native, in one. Of a classic histogram it takes
// the given boundaries and the sum of all.
func (p preset) all(r activities.Route, s side, boundaries []float64) string {
	selector := strings.TrimPrefix(p.selector(r, s), "{")
	if len(boundaries) == 0 {
		return fmt.Sprintf("{__name__=%q,%s", p.requests, selector)
	}
	les := []string{"", regexp.QuoteMeta("+Inf")} // what has no boundaries has no label
	for _, b := range boundaries {
		for _, le := range spellings(b / p.unit) {
			les = append(les, regexp.QuoteMeta(le))
		}
	}
	names := fmt.Sprintf("%s|%s_bucket|%s", p.requests, p.duration, p.duration)
	return fmt.Sprintf("{__name__=~%q,le=~%q,%s", names, strings.Join(les, "|"), selector)
}

// spellings are the ways in which a boundary is written: client libraries write 1, OpenMetrics and Prometheus 3 1.0.
func spellings(boundary float64) []string {
	short := strconv.FormatFloat(boundary, 'g', -1, 64)
	plain := strconv.FormatFloat(boundary, 'f', -1, 64)
	out := []string{short}
	if plain != short {
		out = append(out, plain)
	}
	if !strings.ContainsAny(plain, ".") {
		out = append(out, plain+".0")
	}
	return out
}

// failed matches the failed requests of a selector: a status of 500 and above, or none, which some write as 0.
func (p preset) failed(selector string) string {
	return fmt.Sprintf(`%s,%s=~"5..|0"}`, strings.TrimSuffix(selector, "}"), p.status)
}

// failure reports whether a series of the counter counts failed requests.
func (p preset) failure(m model.Metric) bool {
	code := string(m[model.LabelName(p.status)])
	return strings.HasPrefix(code, "5") && len(code) == 3 || code == "0"
}
