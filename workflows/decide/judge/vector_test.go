// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The known answers are those of an independent implementation in another language.
const exact = 1e-9

func TestTheConditionalFactorHasItsKnownAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		o              outcome
		theta0, theta1 float64
		want           float64
	}{
		"null of equals":             {outcome{x: 3, nc: 5, y: 7, nb: 95}, 1, 5, 3.005098169363},
		"null with a tolerance":      {outcome{x: 3, nc: 5, y: 7, nb: 95}, 1.25, 6.25, 2.621600115614},
		"only stable has bad ones":   {outcome{x: 0, nc: 50, y: 10, nb: 50}, 1, 2, -4.054651081082},
		"nothing was bad: no change": {outcome{nc: 50, nb: 50}, 1, 2, 0},
	} {
		t.Run(name, func(t *testing.T) { require.InDelta(t, tt.want, conditional(tt.o, tt.theta0, tt.theta1), exact) })
	}
}

func TestTheProjectionHasItsKnownAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		s      float64
		null   limit
		pc, pb float64
		want   float64
	}{
		"without tolerance it is the mean": {.05, limit{ratio: 1}, .02, .005, .05*.02 + .95*.005},
		"a ratio":                          {.05, limit{ratio: 1.25}, .02, .005, 0.005679923401194},
		"a ratio and a margin":             {.25, limit{1.25, .001}, .02, .005, 0.007803606958150},
	} {
		t.Run(name, func(t *testing.T) { require.InDelta(t, tt.want, projection(tt.s, tt.null, tt.pc, tt.pb), 1e-13) })
	}
	require.InDelta(t, 8.712365565581, projected(outcome{12, 300, 30, 5700}, limit{ratio: 1.25}, .02, .005), exact)
	require.InDelta(t, 5.404917538120, projected(outcome{0, 900, 9, 8100}, limit{2, .005}, .001, .001), exact, "a certificate")
}

// ticks of the known answers; the sixth begins a step.
func vectorTicks() []outcome {
	return []outcome{{1, 25, 0, 475}, {0, 24, 1, 476}, {2, 26, 0, 474}, {0, 25, 0, 475}, {1, 25, 1, 475}, {1, 50, 0, 450}, {2, 51, 1, 449}, {1, 49, 0, 451}}
}

func TestTheEnginesHaveTheirKnownAnswers(t *testing.T) {
	tempered := func(phi float64) func(outcome, float64, float64) float64 {
		return func(o outcome, theta0, theta1 float64) float64 { return conditional(o, theta0, theta1) / phi }
	}
	for name, tt := range map[string]struct {
		factor func(o outcome, theta0, theta1 float64) float64
		want   []float64
	}{
		"R":           {tempered(1), []float64{2.605910957, 2.085790339, 8.672476839, 8.672476839, 25.577447058, 90.056896501, 436.349352090, 1721.230574928}},
		"R, tempered": {tempered(3), []float64{1.363846323, 1.280243899, 2.691333084, 2.691333084, 3.780867077, 5.664420314, 10.829036857, 17.085485253}},
		"V":           {blockBet, []float64{2.605910957, 2.085790339, 6.528078746, 6.528078746, 17.031771742, 65.477635418, 201.261939245, 884.292001012}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(1)
			for i, o := range vectorTicks() {
				e.begin(i == 5)
				for j, psi := range odds() {
					if o.x+o.y > 0 {
						e.win(0, j, tt.factor(o, 1.25, 1.25*psi))
					}
				}
				require.InEpsilon(t, tt.want[i], e.worth(0), exact, "tick %d", i+1)
			}
		})
	}
}

// TestOnTheBoundaryAnAlarmIsAsRareAsItsExactProbability follows every course of 400 bad requests, one after the
// other, with its probability.
func TestOnTheBoundaryAnAlarmIsAsRareAsItsExactProbability(t *testing.T) {
	for _, tt := range []struct{ share, theta, threshold, want float64 }{
		{.05, 1.25, 20, .028493},
		{.25, 1.25, 20, .038651},
		{.5, 1.25, 20, .040357},
		{.05, 1, 20, .008458},
		{.05, 1.25, 40, .015292},
		{.25, 1.25, 40, .019996},
		{.5, 1.25, 40, .021215},
		{.5, 1, 40, .004171},
	} {
		require.InDelta(t, tt.want, crossing(tt.share, tt.theta, 1.25, tt.threshold), 1e-6)
	}
}

// crossing is the probability that the mixture, started at once and not capped, ever reaches the threshold.
func crossing(s, theta, theta0, threshold float64) float64 {
	q := part(s, theta)
	alive, crossed := map[int]float64{0: 1}, 0.
	for n := 1; n <= 400; n++ {
		next := map[int]float64{}
		for x, p := range alive {
			next[x+1] += p * q
			next[x] += p * (1 - q)
		}
		alive = map[int]float64{}
		for x, p := range next {
			worth := 0.
			for j, psi := range odds() {
				o := outcome{x: float64(x), y: float64(n - x), nc: s * 1e6, nb: (1 - s) * 1e6}
				worth += stakes()[j] * math.Exp(conditional(o, theta0, theta0*psi))
			}
			if worth >= threshold {
				crossed += p
			} else {
				alive[x] = p
			}
		}
	}
	return crossed
}

func TestDispersionHasItsKnownAnswers(t *testing.T) {
	for want, counts := range map[float64][]float64{8: {0, 0, 8, 0}, 1. / 6: {3, 5, 4, 4}} {
		w, names := Window{}, []string{"a", "b", "c", "d"}
		for i, pod := range names {
			w[pod] = counted(1000, counts[i])
		}
		got, bad := dispersion(w, names, Metric{})
		require.InDelta(t, want, got, exact)
		require.Positive(t, bad)
	}
}

func TestThePlannersBoundIsTheLimitOfWald(t *testing.T) {
	for want, tt := range map[float64][2]float64{1251.7: {.001, .005}, 374.7: {.001, .01}, 74.0: {.005, .05}, 1256.5: {.01, .02}} {
		require.InDelta(t, want, Limit(.05, tt[0], tt[1]), .05)
	}
}

// expectation is ln E[f] of the projected factor, exactly, where the true rates are p and c.
func expectation(o outcome, null limit, pc, pb, p, c float64) float64 {
	star := projection(o.share(), null, pc, pb)
	bound := null.rate(star)
	a := c*pc/bound + (1-c)*(1-pc)/(1-bound)
	b := p*pb/star + (1-p)*(1-pb)/(1-star)
	return o.nc*math.Log(a) + o.nb*math.Log(b)
}

func TestNoFactorWinsOnAverageWhereTheCandidateKeepsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outcome{nc: rapid.Float64Range(1, 1e4).Draw(t, "nc"), nb: rapid.Float64Range(1, 1e4).Draw(t, "nb")}
		null := limit{rapid.Float64Range(1, 4).Draw(t, "ratio"), rapid.Float64Range(0, .05).Draw(t, "margin")}
		p := math.Exp(rapid.Float64Range(-9, math.Log(.2)).Draw(t, "p"))
		bound := math.Min(null.rate(p), .99)
		pb := math.Exp(rapid.Float64Range(-9, math.Log(.2)).Draw(t, "pb"))
		worse := math.Min(null.rate(pb)*rapid.Float64Range(1, 8).Draw(t, "times"), .99)
		if e := expectation(o, null, worse, pb, p, bound*rapid.Float64Range(0, 1).Draw(t, "within")); e > 1e-9 {
			t.Fatalf("ln E[f] = %g", e)
		}
		better := null.rate(pb) * rapid.Float64Range(.05, 1).Draw(t, "better")
		above := bound + (1-bound)*rapid.Float64Range(0, 1).Draw(t, "above")
		if e := expectation(o, null, better, pb, p, above); e > 1e-9 {
			t.Fatalf("certificate: ln E[f] = %g", e)
		}
	})
}

func TestNoBetOnAnyClusteringWinsOnAverage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := outcome{nc: rapid.Float64Range(1, 1e4).Draw(t, "nc"), nb: rapid.Float64Range(1, 1e4).Draw(t, "nb")}
		theta0 := rapid.Float64Range(1, 4).Draw(t, "theta0")
		theta1 := theta0 * rapid.Float64Range(1, 25).Draw(t, "psi")
		// All bad requests of the block fail together, on one side or the other.
		q0 := part(o.share(), theta0)
		all, none := o, o
		all.x, none.y = 1, 1
		if e := q0*math.Exp(blockBet(all, theta0, theta1)) + (1-q0)*math.Exp(blockBet(none, theta0, theta1)); e > 1+1e-9 {
			t.Fatalf("E[f] = %g", e)
		}
	})
}
