// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// role is what the series of a selector count.
type role int

const (
	// byLabels: their names and labels say it.
	byLabels role = iota
	// allRequests and failedRequests are counters, durations histograms.
	allRequests
	failedRequests
	durations
)

// ask is one selector of one side.
type ask struct {
	selector string
	role     role
}

// asks are the selectors of all that is counted of one side. Of a classic histogram they take the given boundaries and
// the sum of all.
func (p preset) asks(r activities.Route, s side, boundaries []float64) []ask {
	if p.own == nil {
		if len(boundaries) == 0 {
			return []ask{{p.all(r, s), byLabels}}
		}
		return []ask{{query.With(p.all(r, s), []string{p.requests, p.duration + "_bucket", p.duration}, p.les(boundaries)), byLabels}}
	}
	out := []ask{{p.all(r, s), allRequests}, {p.failed(r, s), failedRequests}}
	if timed := p.timed(r, s); timed != "" && len(boundaries) > 0 {
		name := query.Name(timed)
		out = append(out, ask{query.With(timed, []string{name + "_bucket", name}, p.les(boundaries)), durations})
	}
	return out
}

// les matches the boundaries, and what has none: counters and native histograms.
func (p preset) les(boundaries []float64) string {
	les := []string{"", regexp.QuoteMeta("+Inf")}
	for _, b := range boundaries {
		for _, le := range spellings(b / p.unit) {
			les = append(les, regexp.QuoteMeta(le))
		}
	}
	return fmt.Sprintf("le=~%q", strings.Join(les, "|"))
}

// spellings are the ways in which a boundary is written: client libraries write 1, OpenMetrics and Prometheus 3 1.0. A
// boundary that was multiplied by its unit and is divided by it again is rounded to what it was.
func spellings(boundary float64) []string {
	boundary, _ = strconv.ParseFloat(strconv.FormatFloat(boundary, 'g', 12, 64), 64)
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

// all selects the counters of all requests of one side.
func (p preset) all(r activities.Route, s side) string {
	if p.own != nil {
		return query.Fill(p.own.Requests, track(r, s))
	}
	return p.requests + p.selector(r, s)
}

// failed selects those of the failed ones: a status of 500 and above, or none, which some write as 0.
func (p preset) failed(r activities.Route, s side) string {
	if p.own != nil {
		return query.Fill(p.own.Failures, track(r, s))
	}
	return fmt.Sprintf(`%s,%s=~"5..|0"}`, strings.TrimSuffix(p.all(r, s), "}"), p.status)
}

// timed selects the histograms of one side by the name that they have without _bucket; empty: there are none.
func (p preset) timed(r activities.Route, s side) string {
	if p.own != nil {
		return query.Fill(p.own.Durations, track(r, s))
	}
	return p.duration + p.selector(r, s)
}

// track fills the variables of a query.
func track(r activities.Route, s side) query.Track {
	return query.Track{Namespace: r.Namespace, Service: s.service, Deployment: s.deployment, Name: s.name}
}

// failure reports whether a series of the counter counts failed requests.
func (p preset) failure(m model.Metric) bool {
	code := string(m[model.LabelName(p.status)])
	return strings.HasPrefix(code, "5") && len(code) == 3 || code == "0"
}

// source is the label that tells the targets apart.
func (p preset) source() model.LabelName {
	if p.pod != "" {
		return model.LabelName(p.pod)
	}
	return model.InstanceLabel
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
	switch {
	case p.pod != "":
		return "are its pods"
	case p.own != nil:
		return "is what the query names"
	}
	return "is the gateway"
}
