// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"math"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// Answer of a condition.
type Answer struct {
	// Met says that it is true.
	Met bool
	// Unsure says why there is no answer; empty: there is one.
	Unsure string
	// Saw are the numbers that it was asked with.
	Saw string
}

// Ask gives the answer by numbers, and by the reasons why others are not known; both by name.
func (r *Rule) Ask(known map[string]float64, unknown map[string]string) Answer {
	out := Answer{Saw: r.saw(known)}
	v, _, err := r.program.Eval(sight{known, unknown})
	met, ok := v.(types.Bool)
	switch {
	case err != nil:
		out.Unsure = err.Error()
	case !ok:
		out.Unsure = "it gives neither true nor false"
	default:
		out.Met = bool(met)
	}
	return out
}

// saw names the numbers as a person would, in the order of the text.
func (r *Rule) saw(known map[string]float64) string {
	var all []string
	for _, name := range r.uses {
		if v, ok := known[name]; ok {
			all = append(all, name+" = "+strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64))
		}
	}
	return strings.Join(all, ", ")
}

// sight gives CEL the numbers.
type sight struct {
	known   map[string]float64
	unknown map[string]string
}

// ResolveName implements cel.Activation.
func (s sight) ResolveName(name string) (any, bool) {
	v, ok := s.known[name]
	switch {
	case ok && !math.IsNaN(v) && !math.IsInf(v, 0):
		return v, true
	case s.unknown[name] != "":
		return types.NewErr("%s is not known: %s", name, s.unknown[name]), true
	}
	return types.NewErr("%s is not known", name), true
}

// Parent implements cel.Activation.
func (sight) Parent() cel.Activation { return nil }
