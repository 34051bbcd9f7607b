// SPDX-License-Identifier: Apache-2.0

package judge

import "math"

// alternatives is how many sizes of a regression are bet on at once.
const alternatives = 6

// odds are the alternatives, as multiples of the tolerated ratio.
func odds() [alternatives]float64 { return [...]float64{1.5, 2, 3, 5, 10, 25} }

// stakes are how much is bet on each, from much on what is likely to little on a catastrophe, whose evidence
// comes fast. They sum to 1.
func stakes() [alternatives]float64 { return [...]float64{.12, .20, .25, .23, .14, .06} }

// How bets are started anew over time, so that a fault with late onset is not diluted: of what has not been
// started yet, atFirst begins with the first tick, atStep with the first tick of each step, and atTick with every other
// one. It is a Shiryaev-Roberts mixture (Shin, Ramdas & Rinaldo, NEJSDS 2024).
const (
	atFirst = 0.75
	atStep  = 0.15
	atTick  = 1. / 720
)

// perTick caps what one tick or block can win: no single one convicts.
const perTick = 5

// floor of a logarithm in a state: JSON has no infinity.
const floor = -700

// Engine is the state of one engine over all metrics.
type Engine struct {
	// Rest is what has not been started yet, 1 to 0.
	Rest float64 `json:"rest"`
	// Bets is how many ticks or blocks there have been.
	Bets int `json:"bets"`
	// Log is ln of what each bet is worth now, by metric and alternative.
	Log [][alternatives]float64 `json:"log"`
}

func newEngine(metrics int) Engine {
	e := Engine{Rest: 1, Log: make([][alternatives]float64, metrics)}
	for m := range e.Log {
		for j := range e.Log[m] {
			e.Log[m][j] = floor
		}
	}
	return e
}

// begin starts the bets of this tick or block. fresh says that it is the first of a step.
func (e *Engine) begin(fresh bool) {
	of := atTick
	switch {
	case e.Bets == 0:
		of = atFirst
	case fresh:
		of = atStep
	}
	begun := e.Rest * of
	e.Rest -= begun
	e.Bets++
	for j, stake := range stakes() {
		start := math.Log(begun * stake)
		for m := range e.Log {
			e.Log[m][j] = addLog(e.Log[m][j], start)
		}
	}
}

// win multiplies the bet on an alternative by e^ln, capped.
func (e *Engine) win(metric, alternative int, ln float64) {
	log := &e.Log[metric][alternative]
	*log = math.Max(*log+math.Min(ln, math.Log(perTick)), floor)
}

// worth is what one unit, bet on a metric from the beginning, is worth now: its evidence, as e : 1.
func (e *Engine) worth(metric int) float64 {
	sum := e.Rest
	for _, log := range e.Log[metric] {
		sum += math.Exp(math.Min(log, 600))
	}
	return sum
}

// sound reports whether a decoded state can be one of this engine.
func (e *Engine) sound(metrics int) bool {
	if len(e.Log) != metrics || e.Bets < 0 || !(e.Rest >= 0 && e.Rest <= 1) {
		return false
	}
	for m := range e.Log {
		for _, log := range e.Log[m] {
			if math.IsNaN(log) || log < floor || log > 1e6 {
				return false
			}
		}
	}
	return true
}
