// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows"
)

// Undisturbed is a scenario in which nothing goes wrong.
func Undisturbed(way string) Scenario {
	return Scenario{Way: way, Ready: 2 * time.Second, Settle: 700 * time.Millisecond, Interval: 2 * time.Second}
}

// Targets are all pairs of an activity that a release uses, in a good end or in a bad one, and a kind of
// fault. It fails when an undisturbed release breaks a promise.
func Targets() ([]Target, error) {
	uses, took := map[string]map[string]int{}, map[string]time.Duration{}
	backwards := map[string]map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(ways())) {
		good := Run(Undisturbed(name))
		if len(good.Violations) > 0 || good.Phases[0] != workflows.Promoted {
			return nil, fmt.Errorf("an undisturbed %s ended as %v: %s\n%s", name, good.Phases, strings.Join(good.Violations, "\n"), good.Story)
		}
		took[name] = good.Took
		s := Undisturbed(name)
		s.People = []Deed{{At: good.Took * 2 / 3, Command: workflows.Abort}}
		undone := Run(s)
		if len(undone.Violations) > 0 {
			return nil, fmt.Errorf("an aborted %s ended as %v: %s\n%s", name, undone.Phases, strings.Join(undone.Violations, "\n"), undone.Story)
		}
		for _, r := range []Result{good, undone} {
			for activity, n := range r.Uses {
				if uses[activity] == nil {
					uses[activity] = map[string]int{}
				}
				if uses[activity][name] == 0 { // on the way back only, if not in the good release
					uses[activity][name] = n
				}
			}
		}
		for activity := range undone.Uses {
			if backwards[activity] == nil {
				backwards[activity] = map[string]bool{}
			}
			backwards[activity][name] = good.Uses[activity] == 0
		}
	}
	var out []Target
	for _, activity := range slices.Sorted(maps.Keys(uses)) {
		for _, k := range Kinds() {
			out = append(out, Target{
				Activity: activity, Kind: k, Ways: slices.Sorted(maps.Keys(uses[activity])), uses: uses[activity], took: took, backwards: backwards[activity],
			})
		}
	}
	return out, nil
}

// Shrink takes away what a scenario does not need to fail.
func Shrink(s Scenario, fails func(Scenario) bool) Scenario {
	for again := true; again; {
		again = false
		for _, smaller := range simpler(s) {
			if fails(smaller) {
				s, again = smaller, true
				break
			}
		}
	}
	return s
}

// simpler are all scenarios that lack one thing.
func simpler(s Scenario) []Scenario {
	var out []Scenario
	add := func(change func(*Scenario)) {
		c := s
		change(&c)
		out = append(out, c)
	}
	for i := range s.Faults {
		add(func(c *Scenario) { c.Faults = slices.Delete(slices.Clone(s.Faults), i, i+1) })
	}
	for i := range s.Spells {
		add(func(c *Scenario) { c.Spells = slices.Delete(slices.Clone(s.Spells), i, i+1) })
	}
	for i := range s.Losses {
		add(func(c *Scenario) { c.Losses = slices.Delete(slices.Clone(s.Losses), i, i+1) })
	}
	for i := range s.People {
		add(func(c *Scenario) { c.People = slices.Delete(slices.Clone(s.People), i, i+1) })
	}
	if s.Second > 0 {
		add(func(c *Scenario) { c.Second = 0 })
	}
	if s.BadFromWeight > 0 {
		add(func(c *Scenario) { c.BadFromWeight = 0 })
	}
	if s.BadFrom > 0 {
		add(func(c *Scenario) { c.BadFrom = 0 })
	}
	return out
}
