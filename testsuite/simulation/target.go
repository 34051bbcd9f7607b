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
	return Scenario{Way: way, Ready: usual, Settle: 700 * time.Millisecond, Interval: 2 * time.Second}
}

// Targets are all pairs of an activity that a release uses, in a good end or in a bad one, and a kind of
// fault. It fails when an undisturbed release breaks a promise.
func Targets() ([]Target, error) {
	found := map[string]*Target{}
	took := map[string]time.Duration{}
	for _, name := range slices.Sorted(maps.Keys(ways())) {
		good, err := tried(Undisturbed(name), "an undisturbed", ways()[name].end())
		if err != nil {
			return nil, err
		}
		took[name] = good.Took
		back, disputed := Undisturbed(name), Undisturbed(name)
		back.People = []Deed{{At: good.Took * 2 / 3, Command: workflows.Abort}}
		disputed.People = []Deed{dispute(long(good.Took))}
		undone, err := tried(back, "an aborted", "")
		if err != nil {
			return nil, err
		}
		takenBack, err := tried(disputed, "an edited", "")
		if err != nil {
			return nil, err
		}
		note(found, name, good, func(*Target) map[string]bool { return map[string]bool{} })
		note(found, name, undone, func(t *Target) map[string]bool { return t.backwards })
		if takenBack.Uses[takeEditsBack] > 0 {
			takenBack.Uses = map[string]int{takeEditsBack: takenBack.Uses[takeEditsBack]}
			note(found, name, takenBack, func(t *Target) map[string]bool { return t.disputed })
		}
	}
	var out []Target
	for _, activity := range slices.Sorted(maps.Keys(found)) {
		for _, k := range Kinds() {
			t := *found[activity]
			t.Activity, t.Kind, t.Ways, t.took = activity, k, slices.Sorted(maps.Keys(t.uses)), took
			out = append(out, t)
		}
	}
	return out, nil
}

// takeEditsBack is the one activity that only an edit leads to.
const takeEditsBack = "TakeEditsBack"

// tried runs a scenario that must keep every promise, and end so; an empty end is any.
func tried(s Scenario, what string, end workflows.Phase) (Result, error) {
	r := Run(s)
	if len(r.Violations) > 0 || end != "" && r.Phases[0] != end {
		return r, fmt.Errorf("%s %s ended as %v: %s\n%s", what, s.Way, r.Phases, strings.Join(r.Violations, "\n"), r.Story)
	}
	return r, nil
}

// note keeps which activities a release has used that none of this plan has used before, and marks them.
func note(found map[string]*Target, way string, r Result, mark func(*Target) map[string]bool) {
	for activity, n := range r.Uses {
		t := found[activity]
		if t == nil {
			t = &Target{uses: map[string]int{}, backwards: map[string]bool{}, disputed: map[string]bool{}}
			found[activity] = t
		}
		if t.uses[way] == 0 {
			t.uses[way] = n
			mark(t)[way] = true
		}
	}
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
