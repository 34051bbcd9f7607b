// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"math/rand/v2"
	"time"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

// Scenario is everything that happens to one release, or to two.
type Scenario struct {
	Seed uint64 `json:"seed"`
	// Way is the name of a plan, see Ways.
	Way string `json:"way"`

	// Ready is how long pods take, Settle how long the router does.
	Ready  time.Duration `json:"ready"`
	Settle time.Duration `json:"settle"`
	// Interval between two looks at the metrics.
	Interval time.Duration `json:"interval"`
	// BadFromWeight and BadFrom make the candidate fail requests.
	BadFromWeight int           `json:"badFromWeight,omitempty"`
	BadFrom       time.Duration `json:"badFrom,omitempty"`

	Faults []Fault `json:"faults,omitempty"`
	Spells []Spell `json:"spells,omitempty"`
	Losses []Loss  `json:"losses,omitempty"`
	People []Deed  `json:"people,omitempty"`
	// Second is when another release of the same service begins; 0: none does.
	Second time.Duration `json:"second,omitempty"`
}

// Loss is a time in which pods are not ready: evicted, crash-looping, or, for long enough, never ready.
type Loss struct {
	Stable bool          `json:"stable,omitempty"`
	Pods   int32         `json:"pods"`
	From   time.Duration `json:"from"`
	For    time.Duration `json:"for"`
}

// Deed is what a person does at some time: says a command, or edits by hand.
type Deed struct {
	At time.Duration `json:"at"`
	// Command to the release; Cancel cancels its workflow in Temporal.
	Command string `json:"command,omitempty"`
	// Edit by hand; By is its number.
	Edit string `json:"edit,omitempty"`
	By   int    `json:"by,omitempty"`
	// Answer is what another person says to a release that asks what becomes of the edit; empty: nothing.
	Answer string `json:"answer,omitempty"`
}

// What people do beside the commands of a release.
const (
	Cancel     = "cancel"
	EditWeight = "weight"
	EditImage  = "image"
	// EditSize scales stable up, EditSmaller down.
	EditSize    = "size"
	EditSmaller = "smaller"
)

// usual is how long pods take where nothing is disturbed.
const usual = 2 * time.Second

// rare reports one in n.
func rare(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// pick is one of several.
func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// within is a time up to a limit, in steps of 50 ms.
func within(r *rand.Rand, limit time.Duration) time.Duration {
	const step = 50 * time.Millisecond
	return step + time.Duration(r.Int64N(int64(limit/step)))*step
}

// Generate makes a scenario of a seed. Pairs of an activity and a kind of fault take turns, so that every
// pair is met often; everything else is chance.
func Generate(seed uint64, all []Target) Scenario {
	r := rand.New(rand.NewPCG(seed, 0x51197a1)) //nolint:gosec // it must repeat
	t := all[seed%uint64(len(all))]
	s := Scenario{
		Seed: seed, Way: pick(r, t.Ways...),
		Ready: pick(r, time.Second, 2*time.Second, 3*time.Second), Settle: pick(r, 100*time.Millisecond, 700*time.Millisecond),
		Interval: pick(r, time.Second, 2*time.Second, 4*time.Second),
	}
	s.Faults = append(s.Faults, t.fault(r, s.Way))
	long := t.long(s.Way)
	if f := s.Faults[0]; f.Kind == Late && rare(r, 2) { // what arrives late does harm when the release has turned back
		s.People = append(s.People, Deed{At: within(r, long), Command: workflows.Abort})
	}
	if t.backwards[s.Way] {
		took := t.took[s.Way] // one that is faster than that would have ended before
		s.Ready = max(s.Ready, usual)
		s.People = append(s.People, Deed{At: took*2/3 + within(r, min(2*time.Second, took/6)), Command: workflows.Abort})
	}
	if t.disputed[s.Way] {
		s.People = append(s.People, dispute(long))
	}
	if r.IntN(3) < 2 { // mostly one fault alone, which is then met for sure
		return s
	}
	for rare(r, 3) && len(s.Faults) < 3 {
		s.Faults = append(s.Faults, pick(r, all...).fault(r, s.Way))
	}
	if rare(r, 2) {
		s.People = append(s.People, command(r, long))
	}
	if rare(r, 3) {
		s.Spells = append(s.Spells, spell(r, long))
	}
	if rare(r, 3) {
		s.Losses = append(s.Losses, losses(r, long))
	}
	if rare(r, 4) {
		s.People = append(s.People, edit(r, long))
	}
	switch {
	case rare(r, 4):
		s.BadFromWeight = pick(r, 10, 50, 100)
	case rare(r, 4): //nolint:gocritic // it draws anew
		s.BadFrom = within(r, long)
	case rare(r, 4) && s.Way != rolloutUndo:
		s.Second = within(r, long)
	}
	return s
}

func edit(r *rand.Rand, long time.Duration) Deed {
	return Deed{
		At: within(r, long), Edit: pick(r, EditWeight, EditImage, EditSize, EditSmaller), By: r.IntN(5),
		Answer: pick(r, "", workflows.EditsKeep, workflows.EditsTakeBack),
	}
}

func command(r *rand.Rand, long time.Duration) Deed {
	return Deed{At: within(r, long), Command: pick(r, workflows.Abort, workflows.Abort, workflows.Abort, workflows.Promote, workflows.Pause, Cancel)}
}

func spell(r *rand.Rand, long time.Duration) Spell {
	s := Spell{From: within(r, long), For: pick(r, 3*time.Second, 15*time.Second, time.Minute, 5*time.Minute)}
	if s.Metrics = rare(r, 2); s.Metrics {
		s.Weather = pick(r, Gone, Empty, Stale, NaN, Heavy)
	} else {
		s.Weather = pick(r, Gone, Half, Conflicts, Throttled, Heavy)
	}
	return s
}

func losses(r *rand.Rand, long time.Duration) Loss {
	return Loss{
		Stable: rare(r, 6), Pods: pick[int32](r, 1, world.Replicas), From: within(r, long),
		For: pick(r, 2*time.Second, 20*time.Second, time.Hour),
	}
}

// Target is an activity, the plans that use it, and a fault for it.
type Target struct {
	Activity string
	Kind     Kind
	Ways     []string
	// uses are how often a release of a plan runs it; took how long a good one takes. backwards are the plans
	// that use it on the way back alone.
	uses      map[string]int
	backwards map[string]bool
	// disputed are the plans that use it when somebody has changed something, and a person wants it back.
	disputed map[string]bool
	took     map[string]time.Duration
}

// dispute is an edit that is taken back.
func dispute(long time.Duration) Deed {
	return Deed{At: long / 3, Edit: EditSmaller, Answer: workflows.EditsTakeBack}
}

func (t Target) long(way string) time.Duration { return long(t.took[way]) }

// long is the time in which things happen to a release that takes so long.
func long(took time.Duration) time.Duration { return max(10*time.Second, took) }

func (t Target) fault(r *rand.Rand, way string) Fault {
	n := t.uses[way]
	f := Fault{Activity: t.Activity, Nth: 1 + r.IntN(max(1, n)), Kind: t.Kind}
	if rare(r, 8) {
		f.Call = r.IntN(3)
	}
	switch t.Kind {
	case Slow:
		f.For = pick(r, 300*time.Millisecond, 1500*time.Millisecond, 4*time.Second)
	case Late:
		f.For = pick(r, 2*time.Second, 8*time.Second, 25*time.Second)
	case Refused, Unheard, Silent, DiesBefore, DiesAfter:
	}
	return f
}
