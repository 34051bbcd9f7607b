// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// moment is what the judge knows after one tick.
type moment struct {
	at, evidence float64
	ratio        judge.Interval
	known        bool
}

// followed is one release of the world, tick by tick, until it is rolled back.
func (w world) followed(seed int) []moment {
	r := w.begin(seed, 0)
	a := analysis()
	a.Latency = nil
	j := r.judge(a)
	var out []moment
	for r.now < hour {
		f := j.look(r.tick(5, 0), 5)
		m := moment{at: r.now, evidence: f.Evidence}
		m.ratio, m.known = j.state.Ratio(&j.settings, 0)
		if out = append(out, m); f.Outcome() == decide.Fail {
			break
		}
	}
	return out
}

// The layout of the picture, in pixels.
const (
	wide, high0 = 760., 560.
	left, right = 90., 30.
	upperTop    = 50.
	upperEnd    = 270.
	lowerTop    = 320.
	lowerEnd    = 510.
)

// scale maps a value of a logarithmic axis to a height.
func scale(v, low, most, top, end float64) float64 {
	v = math.Min(math.Max(v, low), most)
	return end - (end-top)*math.Log(v/low)/math.Log(most/low)
}

// picture draws the interval of the ratio and the evidence of a release that fails five times as many requests.
func picture() string {
	all := world{rate: 50, errors: .001, times: 5}.followed(3)
	last := all[len(all)-1].at
	x := func(at float64) float64 { return left + (wide-left-right)*at/last }
	ratio := func(v float64) float64 { return scale(v, 1./50, 50, upperTop, upperEnd) }
	evidence := func(v float64) float64 { return scale(v, .1, 1000, lowerTop, lowerEnd) }
	var band, back, curve []string
	for _, m := range all {
		curve = append(curve, fmt.Sprintf("%.1f,%.1f", x(m.at), evidence(m.evidence)))
		if m.known {
			band = append(band, fmt.Sprintf("%.1f,%.1f", x(m.at), ratio(m.ratio.High)))
			back = append(back, fmt.Sprintf("%.1f,%.1f", x(m.at), ratio(m.ratio.Low)))
		}
	}
	for _, b := range slices.Backward(back) {
		band = append(band, b)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="13">`+"\n", wide, high0)
	b.WriteString(`<rect width="100%" height="100%" fill="#fff"/>` + "\n")
	label := func(x, y float64, anchor, text string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s" fill="#333">%s</text>`+"\n", x, y, anchor, text)
	}
	line := func(y float64, colour, dashes string) {
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-dasharray="%s"/>`+"\n", left, wide-right, y, y, colour, dashes)
	}
	label(left, 30, "start", "How many times as many requests as stable does the candidate fail? Band: 95 %, at every moment")
	fmt.Fprintf(&b, `<polygon points="%s" fill="#9ecae1" fill-opacity="0.6"/>`+"\n", strings.Join(band, " "))
	for _, v := range []float64{.02, .1, 1, 10, 50} {
		line(ratio(v), "#ddd", "")
		label(left-10, ratio(v)+4, "end", fmt.Sprintf("%gx", v))
	}
	line(ratio(1.25), "#e6550d", "6 4")
	label(wide-right, ratio(1.25)+16, "end", "tolerated: 1.25x")
	line(ratio(5), "#31a354", "2 4")
	label(wide-right, ratio(5)-6, "end", "the truth: 5x")
	label(left, lowerTop-14, "start", "Evidence against the candidate")
	for _, v := range []float64{.1, 1, 10, 100, 1000} {
		line(evidence(v), "#ddd", "")
		label(left-10, evidence(v)+4, "end", fmt.Sprintf("%g:1", v))
	}
	line(evidence(40), "#e6550d", "6 4")
	label(left+6, evidence(40)-6, "start", "rolled back: 40:1")
	line(evidence(5), "#fdae6b", "6 4")
	label(left+6, evidence(5)-6, "start", "nothing advances: 5:1")
	fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="#08519c" stroke-width="2"/>`+"\n", strings.Join(curve, " "))
	for at := 0.; at <= last; at += 60 * math.Ceil(last/600) {
		label(x(at), lowerEnd+22, "middle", fmt.Sprintf("%.0f min", at/60))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
