// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"strings"
)

// trials are what the metrics and guards in dry run would have done: one sentence each. They decide nothing.
func (s *State) trials(p *Settings) []string {
	var out []string
	if step := s.Steps[len(s.Steps)-1]; step.Ticks > 0 && s.Gap == "" {
		for _, name := range p.dry() {
			out = append(out, s.trial(p, name))
		}
	}
	for _, g := range s.guarded(p) {
		if g.dryRun {
			out = append(out, would(g.kind)+", since "+g.says)
		}
	}
	return out
}

// dry are the names of the metrics in dry run, each once.
func (p *Settings) dry() []string {
	var out []string
	for i := range p.Metrics {
		if m := &p.Metrics[i]; m.DryRun && (len(out) == 0 || out[len(out)-1] != m.name()) {
			out = append(out, m.name())
		}
	}
	return out
}

// name of the limits in the plan that a metric comes from.
func (m *Metric) name() string {
	if m.UpTo > 0 {
		return "latency"
	}
	return "errors"
}

// trial judges the metrics of a name as if they decided alone.
func (s *State) trial(p *Settings, name string) string {
	of := func(m *Metric) bool { return m.DryRun && m.name() == name }
	evidence, worst := s.evidence(p, of)
	certificate := s.certificate(p, of)
	kind := Advance
	at, over := s.over(p, of)
	switch {
	case over:
		return fmt.Sprintf("%s %s, since %s", name, would(Catastrophe), s.absolute(p, at))
	case evidence >= p.Alarm:
		kind = Rollback
	case s.bothOver(p, of):
		kind = Incident
	case evidence >= suspicion:
		kind = Suspicious
	case !p.alone && certificate < p.Proof:
		kind = Unproven
	}
	return fmt.Sprintf("%s %s: %s. Evidence %s, proof %s", name, would(kind), s.seen(p, worst), against(evidence), against(certificate))
}

func would(k Kind) string {
	switch k {
	case Rollback, Catastrophe:
		return "would have rolled back"
	case Advance:
		return "would have passed"
	case Warming, Quiet, Blind, Share, Incident, Suspicious, Unproven:
	}
	return "would have held"
}

// dryRun is what is said behind a verdict's sentence; nothing where nothing is in dry run.
func (s *State) dryRun(p *Settings) string {
	all := s.trials(p)
	if len(all) == 0 {
		return ""
	}
	return ". In dry run, deciding nothing: " + strings.Join(all, "; ")
}
