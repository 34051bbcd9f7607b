// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// counter is a preset as a plan may use it.
type counter struct {
	name string
	// routers whose requests it counts; nil: any.
	routers []string
	// pods says that it counts in the service's own pods, and tells them apart.
	pods bool
}

func counters() []counter {
	return []counter{
		{PresetTraefik, []string{"gatewayAPI", "traefik", "ingress"}, false},
		{PresetNGINX, []string{"ingress"}, false},
		{PresetContour, []string{"gatewayAPI"}, false},
		{PresetIstio, nil, true},
		{PresetApp, nil, true},
	}
}

// ByPod reports whether the source tells the service's pods apart.
func (p Prometheus) ByPod() bool {
	if p.Queries != nil {
		return p.Queries.Pod != ""
	}
	return slices.ContainsFunc(counters(), func(c counter) bool { return c.name == p.Preset && c.pods })
}

// prometheus checks where the numbers come from, and whether they tell the tracks apart.
func (c *checker) prometheus(at string, p *Prometheus, s Spec) {
	c.must(p.Preset != "" || p.Queries != nil, at, "name a preset, such as traefik, or write queries of your own")
	c.must(p.Preset == "" || p.Queries == nil, at, "name a preset or write queries, not both")
	if p.Queries != nil {
		c.queries(at+".queries", p.Queries, s)
		return
	}
	names := make([]string, 0)
	for _, known := range counters() {
		names = append(names, known.name)
		if known.name == p.Preset {
			c.fits(at+".preset", known, s)
			return
		}
	}
	c.must(p.Preset == "", at+".preset", "must be one of %s; for other metrics write queries of your own", strings.Join(names, ", "))
}

// fits checks that a preset counts what this plan's router sends.
func (c *checker) fits(at string, p counter, s Spec) {
	if p.pods {
		c.must(s.Target.Kind == KindDeployment, at, "counts in the pods of a Deployment, by their names; leave spec.analysis.source out: the pods are watched")
		return
	}
	router, _ := s.Traffic.Router()
	c.must(slices.Contains(p.routers, router.Name), at, "counts by backend what traffic.%s sends, which this plan has not; %s",
		strings.Join(p.routers, " or traffic."), "write preset: app for the pods' own metrics or queries of your own, or leave spec.analysis.source out: the pods are watched")
}

func (c *checker) queries(at string, q *Queries, s Spec) {
	c.query(at+".requests", q.Requests, query.Counter)
	c.query(at+".failures", q.Failures, query.Counter)
	if q.Durations != "" {
		c.query(at+".durations", q.Durations, query.Histogram)
	}
	c.must(s.Analysis.Latency == nil || q.Durations != "", at+".durations", "must be there where latency is judged: it selects the histogram")
	c.must(q.Unit > 0, at+".unit", "must be a length of time, such as 1s or 1ms")
	c.must(q.Pod == "" || isPromLabel(q.Pod), at+".pod", "must be the name of a label, not %q", q.Pod)
	c.must(q.Pod == "" || s.Target.Kind == KindDeployment, at+".pod", "only the pods of a Deployment are known by name; leave it out")
}

// query checks one query by the rules for its kind.
func (c *checker) query(at, text string, check func(string) error) {
	err := check(text)
	c.must(err == nil, at, "%s", fmt.Sprint(err))
}

func isPromLabel(name string) bool {
	return regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`).MatchString(name)
}
