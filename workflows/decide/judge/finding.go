// SPDX-License-Identifier: Apache-2.0

package judge

import "math"

// Kind of a finding.
type Kind int

// The kinds. All but Rollback and Advance leave the weight where it is.
const (
	// Advance: the candidate is proven to be acceptable.
	Advance Kind = iota
	// Rollback: the evidence against the candidate is over its threshold.
	Rollback
	// Catastrophe: the candidate alone is over an absolute limit.
	Catastrophe
	// Warming: nothing was judged yet.
	Warming
	// Quiet: there are no requests to judge by.
	Quiet
	// Blind: the numbers cannot be had, or not be trusted.
	Blind
	// Share: the router does not send the candidate the share it was told to.
	Share
	// Incident: both tracks are over an absolute limit. That is not the candidate's fault.
	Incident
	// Suspicious: there is evidence against the candidate, though not enough.
	Suspicious
	// Unproven: nothing is wrong, but it is not yet proven that nothing is.
	Unproven
)

const (
	// quietTicks without requests are no longer a pause between them.
	quietTicks = 3
	// overTicks and overRequests are what it takes to be over an absolute limit, and beyondChance how likely a
	// track at its limit does as badly by luck at most.
	overTicks    = 2
	overRequests = 20
	beyondChance = 1e-5
	likely       = 0.05
)

// Finding is what the state says.
type Finding struct {
	Kind Kind
	// Metric that it is about, where it is about one: an index of the settings' metrics.
	Metric int
	// Evidence is e : 1 against the candidate: that of the engine which has more.
	Evidence float64
	// Certificate is the least of those that a step needs, as e : 1.
	Certificate float64
	// Says is the sentence of a guard, where the finding is a guard's.
	Says string
}

// Find judges by what was added so far.
func (s *State) Find(p *Settings) Finding {
	f := Finding{}
	f.Evidence, f.Metric = s.evidence(p, deciding)
	f.Certificate = s.certificate(p, deciding)
	if m, ok := s.over(p, deciding); ok {
		f.Kind, f.Metric = Catastrophe, m
		return f
	}
	guards := s.guarded(p)
	if f.of(Catastrophe, guards) {
		return f
	}
	if f.Evidence >= p.Alarm {
		f.Kind = Rollback
		return f
	}
	f.Kind = s.hold(p, &f)
	for _, kind := range []Kind{Incident, Blind, Suspicious} {
		if (f.Kind == Advance || f.Kind == Unproven) && f.of(kind, guards) {
			return f
		}
	}
	return f
}

// of makes the finding that of a guard, if one of them finds this.
func (f *Finding) of(kind Kind, guards []said) bool {
	for _, g := range guards {
		if g.kind == kind && !g.dryRun {
			f.Kind, f.Says = kind, g.says
			return true
		}
	}
	return false
}

// deciding are the metrics that are not in dry run.
func deciding(m *Metric) bool { return !m.DryRun }

// hold is why nothing advances; Advance if nothing speaks against it.
func (s *State) hold(p *Settings, f *Finding) Kind {
	step := &s.Steps[len(s.Steps)-1]
	both := step.Sums[0].outcome()
	switch {
	case s.Gap != "":
		return Blind
	case s.bothOver(p, deciding):
		return Incident
	case step.Ticks == 0:
		return Warming
	case s.Quiet >= quietTicks:
		return Quiet
	case s.misrouted():
		return Share
	case f.Evidence >= suspicion || s.worse(p, f):
		return Suspicious
	case both.nc < p.Requests || !s.soaked(p):
		return Unproven
	case !p.alone && (both.nb < p.Requests || f.Certificate < p.Proof):
		return Unproven
	}
	return Advance
}

// worse reports whether stable, which does not serve beside the candidate, would hardly have done as badly as
// this step by luck. No single tick convicts, but none of that kind may pass either: there is no certificate
// that would hold it.
func (s *State) worse(p *Settings, f *Finding) bool {
	if !p.alone {
		return false
	}
	for m := range p.Metrics {
		o := s.Steps[len(s.Steps)-1].Sums[m].outcome()
		if !p.Metrics[m].DryRun && p.Metrics[m].Weight > 0 && o.nc > 0 && tail(o.x, o.nc, clip(p.Metrics[m].ceiling)) < likely {
			f.Metric = m
			return true
		}
	}
	return false
}

// soaked reports whether the present step was judged for long enough.
func (s *State) soaked(p *Settings) bool {
	return s.Steps[len(s.Steps)-1].Ticks >= int((p.Soak+p.Interval-1)/p.Interval)
}

// evidence of the engine that has more of it, and the metric with the most.
func (s *State) evidence(p *Settings, of func(*Metric) bool) (float64, int) {
	var r, v, worst float64
	metric := 0
	for m := range p.Metrics {
		w := p.Metrics[m].Weight
		if w == 0 || !of(&p.Metrics[m]) {
			continue
		}
		inR, inV := w*s.R.worth(m), w*s.V.worth(m)
		r, v = r+inR, v+inV
		if most := math.Max(inR, inV); most > worst {
			worst, metric = most, m
		}
	}
	return math.Max(r, v), metric
}

// certificate that is worth least.
func (s *State) certificate(p *Settings, of func(*Metric) bool) float64 {
	least := math.Inf(1)
	for m := range p.Metrics {
		if !p.Metrics[m].certify || !of(&p.Metrics[m]) {
			continue
		}
		c := s.Certificates[m]
		least = math.Min(least, (math.Exp(c[0])+math.Exp(c[1])+math.Exp(c[2]))/3)
	}
	return least
}

// over is the metric by which the candidate alone is over its absolute limit.
func (s *State) over(p *Settings, of func(*Metric) bool) (int, bool) {
	for m := range p.Metrics {
		if !of(&p.Metrics[m]) {
			continue
		}
		alone := s.Over[m][overAlone]
		if alone.Ticks >= overTicks && alone.Of >= overRequests && alone.beyond(p.Metrics[m].Absolute, beyondChance) {
			return m, true
		}
	}
	return 0, false
}

// bothOver reports whether stable is over an absolute limit as well, which is no fault of the candidate.
func (s *State) bothOver(p *Settings, of func(*Metric) bool) bool {
	for m := range p.Metrics {
		if !of(&p.Metrics[m]) {
			continue
		}
		candidate, stable := s.Over[m][overCandidate], s.Over[m][overStable]
		if candidate.Ticks > 0 && stable.over(&p.Metrics[m]) {
			return true
		}
	}
	return false
}

// beyond reports whether a track whose rate is the limit does as badly as this run, or worse, with a probability
// below chance.
func (r Run) beyond(limit, chance float64) bool { return tail(r.Bad, r.Of, limit) < chance }

// tail bounds the probability of at least x bad of n at rate p: Chernoff's bound, 1 where x is not above the mean.
func tail(x, n, p float64) float64 {
	r := x / n
	if !(r > p) {
		return 1
	}
	return math.Exp(-n * divergence(r, p))
}

// divergence of Kullback and Leibler between Bernoulli rates, in nats.
func divergence(p, q float64) float64 {
	d := 0.
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}

// misrouted tests the share of requests against the weight: a mixture over all shares against the nearest share
// that is within the tolerance, at 1 %. It may be looked at after every tick.
func (s *State) misrouted() bool {
	stable, candidate := s.Routed[0], s.Routed[1]
	n := stable + candidate
	if n == 0 || s.Weight <= 0 || s.Weight >= 100 {
		return false
	}
	set := float64(s.Weight) / 100
	near := clip(math.Min(math.Max(candidate/n, set-offShare), set+offShare))
	const spread = 100
	a, b := spread*set, spread*(1-set)
	log := logBeta(a+candidate, b+stable) - logBeta(a, b) - candidate*math.Log(near) - stable*math.Log1p(-near)
	return log > math.Log(100)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
