// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"math/rand/v2"
)

// chance draws what happens in one simulated release.
type chance struct{ *rand.Rand }

func newChance(seed, release int) chance {
	return chance{rand.New(rand.NewPCG(uint64(seed), uint64(release)))} //nolint:gosec // simulated luck, not a secret
}

// poisson draws a number of independent events of a mean: by inversion while it is small, else by Hörmann's
// transformed rejection (Insurance: Mathematics and Economics 12, 1993).
func (c chance) poisson(mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean < 10 {
		n, product, limit := 0., c.Float64(), math.Exp(-mean)
		for product > limit {
			n++
			product *= c.Float64()
		}
		return n
	}
	log := math.Log(mean)
	b := 0.931 + 2.53*math.Sqrt(mean)
	a := -0.059 + 0.02483*b
	alpha := 1.1239 + 1.1328/(b-3.4)
	vr := 0.9277 - 3.6224/(b-2)
	for {
		u, v := c.Float64()-0.5, c.Float64()
		us := 0.5 - math.Abs(u)
		k := math.Floor((2*a/us+b)*u + mean + 0.43)
		if us >= 0.07 && v <= vr {
			return k
		}
		if k < 0 || us < 0.013 && v > us {
			continue
		}
		gamma, _ := math.Lgamma(k + 1)
		if math.Log(v)+math.Log(alpha)-math.Log(a/(us*us)+b) <= k*log-mean-gamma {
			return k
		}
	}
}

// binomial draws how many of n requests are bad, by the distances between them where they are rare.
func (c chance) binomial(n, p float64) float64 {
	if p <= 0 || n <= 0 {
		return 0
	}
	count, at, log := 0., 0., math.Log1p(-p)
	for {
		at += math.Floor(math.Log(1-c.Float64())/log) + 1
		if at > n {
			return count
		}
		count++
	}
}

// gamma draws a factor of mean 1 and a coefficient of variation, by Marsaglia and Tsang's method.
func (c chance) gamma(variation float64) float64 {
	if variation == 0 {
		return 1
	}
	shape := 1 / (variation * variation)
	d := shape - 1./3
	k := 1 / math.Sqrt(9*d)
	for {
		x := c.NormFloat64()
		v := (1 + k*x) * (1 + k*x) * (1 + k*x)
		if v <= 0 {
			continue
		}
		if math.Log(1-c.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v / shape
		}
	}
}
