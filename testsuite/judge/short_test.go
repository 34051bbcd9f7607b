// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// short is the part of the bench that runs with the unit tests: seconds, not minutes.
const short = 0.02

func TestAPartOfTheBenchMeetsEveryPromise(t *testing.T) {
	untimed := func(s section) bool { return !s.timed }
	require.NoError(t, run(t.Output(), short, filepath.Join(t.TempDir(), "report.json"), untimed))
}

func TestThePictureOfTheDocsIsDrawnFromARelease(t *testing.T) {
	want, err := os.ReadFile("../../docs/analysis.svg")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), picture()), "run make picture")
}

func TestAMissedPromiseFailsTheBench(t *testing.T) {
	r := &report{w: io.Discard, part: 1}
	r.atMost("what is kept", 1, 1, 0)
	r.atLeast("what is missed", 0.98, 0.99, 0)
	require.ErrorContains(t, r.finish(""), "1 promised figures are missed")
}

func TestChanceDrawsWhatItIsAskedFor(t *testing.T) {
	c := newChance(1, 1)
	const n = 100_000
	for name, tt := range map[string]struct {
		draw           func() float64
		mean, variance float64
	}{
		"few independent events":  {func() float64 { return c.poisson(.3) }, .3, .3},
		"many independent events": {func() float64 { return c.poisson(80) }, 80, 80},
		"bad ones of a fixed number": {
			func() float64 { return c.binomial(500, .02) }, 10, 9.8,
		},
		"pods that differ": {func() float64 { return c.gamma(.6) }, 1, .36},
	} {
		t.Run(name, func(t *testing.T) {
			sum, squares := 0., 0.
			for range n {
				v := tt.draw()
				sum, squares = sum+v, squares+v*v
			}
			mean := sum / n
			require.InDelta(t, tt.mean, mean, 5*math.Sqrt(tt.variance/n))
			require.InEpsilon(t, tt.variance, squares/n-mean*mean, .05)
		})
	}
}

// TestKayentasTestIsTheOneOfItsOwnUnitTest has the numbers of Kayenta's unit tests and of R's wilcox.test.
func TestKayentasTestIsTheOneOfItsOwnUnitTest(t *testing.T) {
	low, estimate := shift([]float64{10, 20, 30, 40}, []float64{1, 2, 3, 4}, 1.96)
	require.InDelta(t, 22.5, estimate, 1e-9)
	require.InDelta(t, 6, low, 1e-3)
}

func TestTheLatencyOfTheWorldHasItsQuantiles(t *testing.T) {
	require.InDelta(t, .5, sameLatency.slower(.06), 1e-9)
	require.InDelta(t, .01, sameLatency.slower(.3), 1e-4)
	require.InDelta(t, .01, slowTail.slower(.45), 1e-4)
	require.InDelta(t, .01, slowAll.slower(.45), 1e-4)
	require.InDelta(t, .1, slowTail.slower(.06*math.Exp(1.2816*math.Log(5)/2.3263)), 1e-4)
}
