// SPDX-License-Identifier: Apache-2.0

package judge

import "math"

// tiny keeps probabilities away from 0 and 1.
const tiny = 1e-12

// outcome of one tick or block for one metric: x of nc requests to the candidate and y of nb requests to
// stable were bad. All are at least 0, x <= nc and y <= nb; interpolation makes fractions.
type outcome struct{ x, nc, y, nb float64 }

// share of the requests that went to the candidate, 0 to 1.
func (o outcome) share() float64 { return o.nc / (o.nc + o.nb) }

// both tracks had requests: without, nothing can be compared.
func (o outcome) both() bool { return o.nc > 0 && o.nb > 0 }

func (o outcome) add(p outcome) outcome {
	return outcome{o.x + p.x, o.nc + p.nc, o.y + p.y, o.nb + p.nb}
}

// part of all bad requests that is the candidate's, where it has the share s of the requests and is theta
// times as bad as stable.
func part(s, theta float64) float64 { return s * theta / (1 - s + s*theta) }

// conditional is ln of the likelihood ratio of theta1 against theta0 for how the bad requests are split between
// the tracks, given how many there are. Its expectation is at most 1 for every common rate whenever the
// candidate is at most theta0 times as bad: exactly for Poisson arrivals, and for Bernoulli requests by
// ln(1+u) <= u. See docs/analysis-method.md, T1; Lindon & Malek, NeurIPS 2022, for the conditional form.
func conditional(o outcome, theta0, theta1 float64) float64 {
	s := o.share()
	scale := math.Log((1 - s + s*theta0) / (1 - s + s*theta1))
	return o.x*(math.Log(theta1/theta0)+scale) + o.y*scale
}

// limit is a null hypothesis: the candidate's rate is at most (for the engines) or at least (for a certificate)
// ratio x stable's + margin.
type limit struct {
	ratio float64
	// margin is a share, 0 to 1.
	margin float64
}

// rate is the limit where stable's rate is p.
func (l limit) rate(p float64) float64 { return l.ratio*p + l.margin }

// projection is stable's rate p* on the boundary of the null for which the alternative pc, pb gains least: the
// root of the strictly decreasing
//
//	g(p) = s ratio [pc/(ratio p+margin) - (1-pc)/(1-ratio p-margin)] + (1-s) [pb/p - (1-pb)/(1-p)].
//
// For ratio 1 and margin 0 it is s pc + (1-s) pb (Turner, Ly & Grünwald, JSPI 2024). Newton's method, kept in
// its bracket by bisection, to 1e-13 of p.
func projection(s float64, l limit, pc, pb float64) float64 {
	lo, hi := tiny, math.Min(1, (1-l.margin)/l.ratio)*(1-tiny)
	p := math.Min(math.Max((s*pc+(1-s)*pb)/(s*l.ratio+1-s), lo), hi)
	for range 200 {
		c := l.rate(p)
		g := s*l.ratio*(pc/c-(1-pc)/(1-c)) + (1-s)*(pb/p-(1-pb)/(1-p))
		if g > 0 {
			lo = p
		} else {
			hi = p
		}
		slope := -s*l.ratio*l.ratio*(pc/(c*c)+(1-pc)/((1-c)*(1-c))) - (1-s)*(pb/(p*p)+(1-pb)/((1-p)*(1-p)))
		next := p - g/slope
		if !(next > lo && next < hi) {
			next = middle(lo, hi)
		}
		if math.Abs(next-p) <= 1e-13*p {
			return next
		}
		p = next
	}
	return p
}

// middle of a bracket; geometric while it spans orders of magnitude.
func middle(lo, hi float64) float64 {
	if hi > 4*lo {
		return math.Sqrt(lo * hi)
	}
	return (lo + hi) / 2
}

// projected is ln of the likelihood ratio of the rates pc, pb against the point of the null that they gain least
// on. Its expectation is at most 1 everywhere in the null, in both directions. See docs/analysis-method.md, T4.
func projected(o outcome, l limit, pc, pb float64) float64 {
	pc, pb = clip(pc), clip(pb)
	p := projection(o.share(), l, pc, pb)
	c := clip(l.rate(p))
	return bernoulli(o.x, o.nc, pc, c) + bernoulli(o.y, o.nb, pb, p)
}

// bernoulli is ln of the likelihood ratio of rate p against rate q for x of n.
func bernoulli(x, n, p, q float64) float64 {
	return x*math.Log(p/q) + (n-x)*(math.Log1p(-p)-math.Log1p(-q))
}

// blockBet is ln of a bet of the same stake on the candidate's part of the bad requests of a block, x/(x+y),
// however they cluster within it: it needs only that the expected part is at most q0. Nothing was bad: no bet.
// See docs/analysis-method.md, T6; Waudby-Smith & Ramdas, 2010.09686, for betting.
func blockBet(o outcome, theta0, theta1 float64) float64 {
	q0, q1 := part(o.share(), theta0), part(o.share(), theta1)
	stake := (q1 - q0) / (1 - q0)
	return math.Log(1 - stake + stake*(o.x/(o.x+o.y))/q0)
}

// alone is ln of a bet on x of n where stable does not serve beside the candidate: against "the rate is at most
// limit", for the alternative of psi times the limit. ln(1+u) <= u makes its expectation at most 1.
func alone(x, n, limit, psi float64) float64 { return x*math.Log(psi) - n*limit*(psi-1) }

func clip(p float64) float64 { return math.Min(math.Max(p, tiny), 1-tiny) }

// addLog is ln(e^a + e^b).
func addLog(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	return a + math.Log1p(math.Exp(b-a))
}
