// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The weights of the metrics in the evidence of an engine: errors and latency, and of the latency boundaries
// among themselves as [History] has them.
const (
	errorWeight   = 0.6
	latencyWeight = 0.4
)

const (
	// suspicion is the evidence from which on nothing advances, though it is not enough to roll back.
	suspicion = 5
	// leastPods and leastEvents are what the dispersion of stable's pods can be known from. With fewer, V
	// decides alone, with blocks of twice the length and no tolerance below aloneRatio.
	leastPods   = 4
	leastEvents = 50
	aloneRatio  = 1.5
	// oftenRate is the error rate from which on requests, and not failures alone, are what is likely.
	oftenRate = 0.05
	// memory and fading bound how much the past says about stable's rate: so many requests of history, and
	// what one tick leaves of it.
	memory = 20_000
	fading = 0.98
	// reserve is how far above its threshold a certificate can be, as ln: what was good for hours is no
	// credit for what is bad now.
	reserve = 3
	// offShare is how far the share of requests may be from the weight that was set, 0 to 1.
	offShare = 0.02
	// tailShare is the share of requests that a p99 lets be slower than it.
	tailShare = 0.01
)

// Settings are how a release is judged: the plan's limits and what was known of stable before it. They are
// made anew wherever they are needed and never stored.
type Settings struct {
	// Interval is the length of a tick.
	Interval time.Duration
	// WarmUp of a step is not judged, Soak is judged at least.
	WarmUp, Soak time.Duration
	// Block is the number of ticks of a block of V.
	Block int
	// R says that the first engine decides too; WhyNot says why it does not.
	R      bool
	WhyNot string
	// Alarm is the evidence that rolls back, Proof that which passes a step.
	Alarm, Proof float64
	// Requests that each track must have had before anything passes.
	Requests float64
	// Metrics that are judged: failures first, then the boundaries of the latency.
	Metrics []Metric
	guards  [happenings]guard
	levels  []limiter
	checks  []plan.Inquiry
	rules   []plan.Rule
	// alone says that stable does not serve beside the candidate.
	alone bool
	// reference is what stable did before, where it does not.
	reference decide.Counts
}

// Metric is one way to be bad.
type Metric struct {
	// UpTo is the boundary in seconds that a bad request exceeds; 0: a bad request has failed.
	UpTo float64
	// Weight in the evidence of an engine; 0: only the absolute limit counts.
	Weight float64
	// DryRun says that it decides nothing. Its weight is that among the metrics of its name.
	DryRun bool
	// tolerated and unacceptable are what the engines and the certificate bet against.
	tolerated, unacceptable limit
	// certify says that a step needs a certificate for it.
	certify bool
	// slo says that its boundary is the one of the absolute limit.
	slo bool
	// Absolute is the share of bad requests that no candidate may have while stable has not, 0 to 1; 0: none.
	Absolute float64
	// Phi is the dispersion by which evidence is divided, at least 1; tau how far pods differ by themselves.
	Phi, tau float64
	// ceiling is the rate that the engines bet against where stable does not serve beside the candidate.
	ceiling float64
	// bad and of are the bad requests of history, of so many.
	bad, of float64
}

// New makes the settings of a plan. What it leaves out has its default.
func New(a plan.Analysis, h History) Settings {
	a = a.Complete()
	p := Settings{
		Interval: a.Interval.D(), WarmUp: a.WarmUp.D(), Soak: a.Soak.D(), Block: max(1, int(a.Block/a.Interval)),
		Alarm: 2 / (a.FalseAlarms / 100), Proof: 1 / (a.Misses / 100), Requests: float64(a.MinRequests),
	}
	p.R, p.WhyNot = h.disperses()
	if !p.R {
		p.Block *= 2
	}
	p.guards, p.levels = guards(a.Guards)
	if a.Guards != nil {
		p.checks, p.rules = a.Guards.Checks, a.Guards.Rules
	}
	e := a.Errors
	weights := [2]float64{1, 1}
	if a.Latency != nil && len(h.Slow) > 0 && !e.DryRun && !a.Latency.DryRun {
		weights = [2]float64{errorWeight, latencyWeight}
	}
	p.Metrics = append(p.Metrics, p.metric(Metric{
		Weight: weights[0], DryRun: e.DryRun, Absolute: *e.SLO / 100, certify: true,
		tolerated: limit{ratio: float64(e.Tolerate)}, unacceptable: limit{float64(e.Unacceptable), *e.Margin / 100},
	}, h.Errors, h.Requests))
	for i, b := range h.Slow {
		if a.Latency == nil {
			break
		}
		m := Metric{
			UpTo: b.UpTo, Weight: weights[1] * b.Weight, DryRun: a.Latency.DryRun, certify: i == h.tail(),
			tolerated:    limit{ratio: float64(a.Latency.Tolerate)},
			unacceptable: limit{float64(a.Latency.Unacceptable), *a.Latency.Margin / 100},
		}
		if b.Limit {
			m.Absolute, m.slo = tailShare, true
		}
		p.Metrics = append(p.Metrics, p.metric(m, b.Spread, h.Timed))
	}
	return p
}

// Rules of the plan, to be asked at the end of each tick.
func (p *Settings) Rules() []plan.Rule { return p.rules }

// Boundaries of the latency that are judged, in seconds.
func (p *Settings) Boundaries() []float64 {
	var out []float64
	for _, m := range p.Metrics {
		if m.UpTo > 0 {
			out = append(out, m.UpTo)
		}
	}
	return out
}

// metric completes one by what history says.
func (p *Settings) metric(m Metric, s Spread, of float64) Metric {
	m.Phi, m.tau = math.Max(1, s.Phi), s.Tau
	if !p.R {
		m.Phi = 1
		m.tolerated.ratio = math.Max(m.tolerated.ratio, aloneRatio)
		m.unacceptable.ratio = math.Max(m.unacceptable.ratio, m.tolerated.ratio)
	}
	m.bad, m.of = s.Bad, of
	if of > memory {
		m.bad, m.of = s.Bad*memory/of, memory
	}
	return m
}

// against is the null of the engines with so many pods on each side: pods that differ by themselves make a
// candidate of few pods look different.
func (m *Metric) against(stable, candidate int) limit {
	l := m.tolerated
	if m.tau > 0 && stable > 0 && candidate > 0 {
		l.ratio = math.Max(l.ratio, math.Exp(2.33*m.tau*math.Sqrt(1/float64(stable)+1/float64(candidate))))
	}
	return l
}

// Against are the settings where stable does not serve beside the candidate and is known by what it did before.
// Then an incident cannot be told from a bad candidate, so only what is unacceptable counts: the engines bet
// against ratio x the upper end of what stable's rate may be + margin. Without a reference the margin alone is
// left. An absolute limit that stable did not keep is not asked of the candidate.
func (p Settings) Against(reference decide.Counts) Settings {
	p.alone, p.reference, p.Metrics = true, reference, slices.Clone(p.Metrics)
	for i := range p.Metrics {
		m := &p.Metrics[i]
		bad, of := m.count(&reference)
		upper := 0.
		if of > 0 {
			upper = atMost(bad) / of
			if bad > m.Absolute*of {
				m.Absolute = 0
			}
		}
		m.ceiling = m.unacceptable.rate(upper)
	}
	return p
}

// atMost is the upper end of what the mean of a Poisson count may be, at 95 %: Wilson and Hilferty's
// approximation of the quantile of chi-squared.
func atMost(count float64) float64 {
	n := count + 1
	return n * math.Pow(1-1/(9*n)+1.645/(3*math.Sqrt(n)), 3)
}
