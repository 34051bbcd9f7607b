// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// maxSteps bounds the history of a release.
const maxSteps = 50

// checker collects problems.
type checker struct{ problems []*Problem }

func (c *checker) must(ok bool, field, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, &Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
}

// Validate checks a complete plan that was not read from a file, such as one that came over the wire.
func (p *Plan) Validate() []*Problem { return p.check() }

func (p *Plan) check() []*Problem {
	var c checker
	c.must(p.APIVersion == APIVersion, "apiVersion", "must be %q", APIVersion)
	c.must(p.Kind == Kind, "kind", "must be %q", Kind)
	c.label("metadata.name", p.Metadata.Name, true)
	c.label("metadata.environment", p.Metadata.Environment, true)
	c.target(p.Spec.Target)
	c.must(p.Spec.Traffic.GatewayAPI != nil, "spec.traffic", "name the router: gatewayAPI: {route: …}")
	if g := p.Spec.Traffic.GatewayAPI; g != nil {
		c.name("spec.traffic.gatewayAPI.route", g.Route)
	}
	c.must(p.Spec.Strategy.Canary != nil, "spec.strategy", "name the strategy: canary: {steps: …}")
	if s := p.Spec.Strategy.Canary; s != nil {
		c.canary(s)
	}
	c.must(p.Spec.Analysis != nil, "spec.analysis", "say where the numbers come from: source: {prometheus: {preset: traefik}}")
	if a := p.Spec.Analysis; a != nil {
		c.analysis(a)
	}
	return c.problems
}

func (c *checker) target(t Target) {
	c.label("spec.target.namespace", t.Namespace, true)
	c.label("spec.target.deployment", t.Deployment, true)
	c.label("spec.target.service", t.Service, t.Deployment != "")
	c.label("spec.target.container", t.Container, false)
	// The candidate's name is the Deployment's with "-green" behind it.
	c.must(len(t.Deployment) <= 57, "spec.target.deployment", "must be at most 57 characters, to leave room for a track's name")
}

func (c *checker) canary(s *Canary) {
	const at = "spec.strategy.canary"
	c.must(len(s.Steps) > 0, at+".steps", "give at least one step, such as {weight: 10, hold: 5m}")
	c.must(len(s.Steps) <= maxSteps, at+".steps", "at most %d steps", maxSteps)
	before := 0
	for i, step := range s.Steps {
		field := fmt.Sprintf("%s.steps[%d]", at, i)
		inRange := step.Weight >= 1 && step.Weight <= 99
		c.must(inRange, field+".weight", "must be a whole percentage from 1 to 99; 100 follows the last step by itself")
		c.must(!inRange || step.Weight > before, field+".weight", "must be above the step before it (%d)", before)
		before = max(before, step.Weight)
		if g := step.Gate; g != nil {
			c.gate(field+".gate", g)
		}
	}
}

func (c *checker) gate(field string, g *Gate) {
	c.must(g.Quorum >= 1, field+".quorum", "must be at least 1")
	c.must(len(g.Approvers) == 0 || g.Quorum <= len(g.Approvers), field+".quorum",
		"asks for %d approvals, but names %d approvers", g.Quorum, len(g.Approvers))
	for i, a := range g.Approvers {
		c.must(strings.TrimSpace(a) != "", fmt.Sprintf("%s.approvers[%d]", field, i), "must not be empty")
	}
}

func (c *checker) analysis(a *Analysis) {
	const at = "spec.analysis"
	c.must(a.Source.Prometheus != nil, at+".source", "name the source: prometheus: {preset: traefik}")
	if p := a.Source.Prometheus; p != nil {
		c.must(p.Preset == PresetTraefik, at+".source.prometheus.preset", "must be %q", PresetTraefik)
	}
	c.must(a.Interval.D() >= time.Second, at+".interval", "must be at least 1s")
	c.must(a.Window >= a.Interval, at+".window", "must be at least the interval (%s)", a.Interval)
	c.must(a.MinRequests >= 1, at+".minRequests", "must be at least 1")
	if e := a.Errors; e != nil {
		c.must(e.Tolerate >= 1, at+".errors.tolerate", "must be at least 1x")
		c.must(e.Margin == nil || *e.Margin >= 0 && *e.Margin <= 100, at+".errors.margin", "must be from 0 to 100 percentage points")
	}
	if l := a.Latency; l != nil {
		c.must(l.Tolerate >= 1, at+".latency.tolerate", "must be at least 1x")
		c.must(l.SLO == nil || l.SLO.P99 > 0, at+".latency.slo.p99", "give a limit, such as 500ms")
	}
}

func (c *checker) label(field, value string, required bool) {
	if value == "" && !required {
		return
	}
	c.must(IsLabel(value), field,
		"must be a DNS label: 1 to 63 lower-case letters, digits or '-', not %q", value)
}

func (c *checker) name(field, value string) {
	c.must(regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`).MatchString(value), field,
		"must be the name of a Kubernetes object, not %q", value)
}

// IsLabel reports whether a name is a DNS label, as services and environments are named.
func IsLabel(name string) bool {
	return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`).MatchString(name)
}
