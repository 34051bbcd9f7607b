// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Look is what the pods of both tracks were like at one moment.
type Look struct {
	At        time.Time `json:"at"`
	Stable    Pods      `json:"stable"`
	Candidate Pods      `json:"candidate"`
	// InPlace says that pods of stable are replaced by those of the candidate, batch by batch.
	InPlace bool `json:"inPlace,omitempty"`
	// Missed says why they could not be looked at; empty: they were.
	Missed string `json:"missed,omitempty"`
}

// Pods of one track.
type Pods struct {
	Number int `json:"number"`
	// Age is that of all of them together, in hours.
	Age float64 `json:"age"`
	// Restarts of their containers since they began, and Kills those of pods that ended last for want of memory:
	// Kubernetes tells only how a container ended last, so that is the most that they can be.
	Restarts int `json:"restarts,omitempty"`
	Kills    int `json:"kills,omitempty"`
	// Troubled are those that have restarted or are not ready any more, by name; at most [MaxTroubled].
	Troubled map[string]Pod `json:"troubled,omitempty"`
}

// MaxTroubled bounds the pods of a track that are told apart.
const MaxTroubled = 100

// Pod is one that is in trouble, or was.
type Pod struct {
	// Restarts of its containers since it began.
	Restarts int `json:"restarts,omitempty"`
	// Killed says that one of them ended last for want of memory.
	Killed bool `json:"killed,omitempty"`
	// Lost is when it stopped being ready after it had been, in seconds since 1970; 0: it has not.
	Lost int64 `json:"lost,omitempty"`
}

// Level is a number of each track at the end of a tick; nil where there was none.
type Level struct {
	Stable    *float64 `json:"stable,omitempty"`
	Candidate *float64 `json:"candidate,omitempty"`
	// Why there was none.
	Why string `json:"why,omitempty"`
}

// The guards that count what happens to pods.
const (
	restarts = iota
	kills
	losses
	happenings
)

// guard limits how often something happens to the candidate's pods.
type guard struct {
	// what happens to a track, after its name, with the times in the place of %d.
	what string
	// limit of the times in the window; 0: nobody watches.
	limit  int
	within time.Duration
	// ratio of the candidate's times per pod to stable's that is no fault of the candidate.
	ratio  float64
	dryRun bool
}

// limiter is a level and its limit.
type limiter struct {
	name   string
	limit  float64
	dryRun bool
}

func guards(g *plan.Guards) (out [happenings]guard, levels []limiter) {
	if g == nil {
		return out, nil
	}
	for i, c := range [happenings]struct {
		what  string
		times *plan.Times
	}{{"restarted %s", g.Restarts}, {"was killed %s for want of memory", g.OOMKills}, {"stopped being ready %s", g.Flapping}} {
		if t := c.times; t != nil {
			out[i] = guard{what: c.what, limit: t.Limit, within: t.Within.D(), ratio: float64(t.Tolerate), dryRun: t.DryRun}
		}
	}
	for _, s := range g.Saturation {
		levels = append(levels, limiter{name: s.Name, limit: s.Limit, dryRun: s.DryRun})
	}
	return out, levels
}

// Watched is what is remembered of the pods and the levels of both tracks. Its size does not grow with time.
type Watched struct {
	// At is when they were looked at last, Since when first.
	At    time.Time `json:"at,omitzero"`
	Since time.Time `json:"since,omitzero"`
	// Next is when they are looked at again.
	Next time.Time `json:"next,omitzero"`
	// Pods of stable and of the candidate at the last look.
	Pods [2]Pods `json:"pods,omitzero"`
	// Past is what stable's pods had gone through at the first look.
	Past Pods `json:"past,omitzero"`
	// Times are what happened lately, of each guard, to stable and to the candidate.
	Times [happenings][2]Tally `json:"times,omitzero"`
	// Misses are the looks in a row that failed, and Missed why the last one did.
	Misses int    `json:"misses,omitempty"`
	Missed string `json:"missed,omitempty"`
	// Levels are the runs of ticks over their limits.
	Levels []LevelRun `json:"levels,omitempty"`
	// Answers are what the checks have come to.
	Answers []AnswerRun `json:"answers,omitempty"`
	// Rules are what the rules have come to.
	Rules []RuleRun `json:"rules,omitempty"`
}

// LevelRun is how many ticks in a row stable and the candidate were over a limit, or the candidate had no level.
type LevelRun struct {
	Over    [2]int     `json:"over"`
	Unknown int        `json:"unknown,omitempty"`
	Last    [2]float64 `json:"last"`
	Why     string     `json:"why,omitempty"`
}

// tenths are the parts of a window that are forgotten one by one.
const tenths = 10

// Tally counts in a window that moves on: how often in each tenth of it, the last one first.
type Tally struct {
	// Tenth is the number of the last one since 1970.
	Tenth int64       `json:"tenth,omitempty"`
	N     [tenths]int `json:"n,omitzero"`
}

// move on to a moment.
func (t *Tally) move(at time.Time, window time.Duration) {
	now := at.UnixNano() / int64(max(window/tenths, 1))
	for i := min(now-t.Tenth, tenths); i > 0; i-- {
		copy(t.N[1:], t.N[:tenths-1])
		t.N[0] = 0
	}
	t.Tenth = max(now, t.Tenth)
}

func (t *Tally) sum() int {
	n := 0
	for _, v := range t.N {
		n += v
	}
	return n
}

// Look takes into account what the pods were like. What had happened to them before the first look counts for
// nobody; a pod that was not there at the last one counts whole. Where pods are replaced in place, a look that finds
// more of the candidate's than the last one is the first after a batch.
func (s *State) Look(p *Settings, l Look) {
	w := &s.Guard
	if !l.At.After(w.At) {
		return
	}
	if w.Missed = l.Missed; w.Missed != "" {
		w.Misses++
		return
	}
	w.Misses = 0
	first := w.At.IsZero()
	starts := first || l.InPlace && l.Candidate.Number > w.Pods[1].Number
	if first {
		w.Since, w.Past = l.At, Pods{Number: l.Stable.Number, Age: l.Stable.Age, Restarts: l.Stable.Restarts, Kills: l.Stable.Kills}
	}
	w.At = l.At
	for side, now := range [2]*Pods{&l.Stable, &l.Candidate} {
		before := w.Pods[side].Troubled
		w.Pods[side] = *now
		var n [happenings]int
		for name, pod := range now.Troubled {
			was := before[name]
			again := max(pod.Restarts-was.Restarts, 0)
			n[restarts] += again
			if pod.Killed {
				n[kills] += again
			}
			if pod.Lost != 0 && pod.Lost != was.Lost {
				n[losses]++
			}
		}
		for i := range n {
			tally := &w.Times[i][side]
			tally.move(l.At, p.guards[i].within)
			if !starts {
				tally.N[0] += n[i]
			}
		}
	}
}

// level takes into account the levels at the end of a tick.
func (w *Watched) level(p *Settings, t *Tick) {
	if len(p.levels) == 0 {
		return
	}
	if len(w.Levels) != len(p.levels) {
		w.Levels = make([]LevelRun, len(p.levels))
	}
	for i := range w.Levels {
		run := &w.Levels[i]
		var now Level
		if i < len(t.Levels) {
			now = t.Levels[i]
		}
		if now.Candidate == nil {
			run.Unknown, run.Why = run.Unknown+1, now.Why
			continue
		}
		run.Unknown, run.Why = 0, ""
		for side, v := range [2]*float64{now.Stable, now.Candidate} {
			if v == nil || *v <= p.levels[i].limit {
				run.Over[side] = 0
			} else {
				run.Over[side]++
			}
			run.Last[side] = 0
			if v != nil {
				run.Last[side] = *v
			}
		}
	}
}

const (
	// blindLooks and blindTicks without an answer are no longer a pause between two.
	blindLooks = 3
	blindTicks = 3
	// hardly is how likely stable's pods would have gone through as much, at most, when the candidate is blamed.
	hardly = 0.01
)

// said is what a guard finds: Advance where it finds nothing.
type said struct {
	kind   Kind
	says   string
	dryRun bool
}

// guarded are the findings of all guards that find something.
func (s *State) guarded(p *Settings) []said {
	var out []said
	add := func(kind Kind, dryRun bool, format string, args ...any) {
		out = append(out, said{kind, fmt.Sprintf(format, args...), dryRun})
	}
	for i := range p.guards {
		if kind, says := s.happened(&p.guards[i], i); kind != Advance {
			add(kind, p.guards[i].dryRun, "%s", says)
		}
	}
	for i := range min(len(p.levels), len(s.Guard.Levels)) {
		if kind, says := s.Guard.Levels[i].found(&p.levels[i]); kind != Advance {
			add(kind, p.levels[i].dryRun, "%s", says)
		}
	}
	for i := range min(len(p.checks), len(s.Guard.Answers)) {
		if kind, says := s.Guard.Answers[i].found(&p.checks[i]); kind != Advance {
			add(kind, p.checks[i].DryRun, "%s", says)
		}
	}
	for i := range min(len(p.rules), len(s.Guard.Rules)) {
		if kind, says := s.Guard.Rules[i].found(&p.rules[i]); kind != Advance {
			add(kind, p.rules[i].DryRun, "%s", says)
		}
	}
	if s.Guard.Misses >= blindLooks {
		add(Blind, false, "the pods could not be looked at %d times: %s", s.Guard.Misses, s.Guard.Missed)
	}
	return out
}

// happened judges how often something has happened to the candidate's pods: it is the candidate's fault where it is
// at least the limit, more than the tolerated multiple of what happens to stable's meanwhile, and more than luck
// explains by what stable's pods have gone through until now.
func (s *State) happened(g *guard, kind int) (Kind, string) {
	w := &s.Guard
	stable, candidate := w.Times[kind][0].sum(), w.Times[kind][1].sum()
	if g.limit == 0 || candidate < g.limit {
		return Advance, ""
	}
	of := [2]int{max(w.Pods[0].Number, 1), max(w.Pods[1].Number, 1)}
	text := fmt.Sprintf("candidate "+g.what+" in %s (%s), stable %s (%s); the limit is %d",
		often(candidate), span(g.within), ofPods(of[1]), often(stable), ofPods(w.Pods[0].Number), g.limit)
	if stable > 0 && float64(candidate)/float64(of[1]) <= g.ratio*float64(stable)/float64(of[0]) {
		return Incident, fmt.Sprintf("this looks like an incident outside of the release: %s, but up to %s of stable's per pod is no fault of the candidate", text, times(g.ratio))
	}
	expected, known := w.expected(kind, g, stable)
	if known && atLeast(candidate, expected) >= hardly {
		return Suspicious, fmt.Sprintf("%s. By what stable's pods have gone through, that may be luck", text)
	}
	return Catastrophe, text
}

// expected is how often it would have happened to the candidate's pods since they are watched, in the window at most,
// if they were like stable's in all of their time before, and in that window, in which it has happened to stable's so
// often. False where nothing is known of stable's before.
func (w *Watched) expected(kind int, g *guard, stable int) (float64, bool) {
	before := float64(w.Past.Restarts)
	switch kind {
	case kills:
		before = float64(w.Past.Kills)
	case losses:
		return 0, false // Kubernetes keeps no account of them
	}
	if w.Past.Age <= 0 {
		return 0, false
	}
	watched := min(w.At.Sub(w.Since), g.within).Hours()
	rate := (before + float64(stable) + .5) / (w.Past.Age + watched*float64(w.Pods[0].Number))
	return rate * watched * float64(max(w.Pods[1].Number, 1)), true
}

// atLeast is the probability that a Poisson count of a mean is n or more.
func atLeast(n int, mean float64) float64 {
	below, term := 0., math.Exp(-mean)
	for k := range n {
		below += term
		term *= mean / float64(k+1)
	}
	return math.Max(0, 1-below)
}

// found judges a level.
func (r *LevelRun) found(l *limiter) (Kind, string) {
	switch {
	case r.Unknown >= blindTicks:
		return Blind, fmt.Sprintf("%s of the candidate was not known for %d ticks: %s", l.name, r.Unknown, r.Why)
	case r.Over[1] == 0 || r.Unknown > 0:
		return Advance, ""
	case r.Over[0] > 0:
		return Incident, fmt.Sprintf("this looks like an incident outside of the release: %s is %s on stable and %s on the candidate, both over the limit of %s",
			l.name, level(r.Last[0]), level(r.Last[1]), level(l.limit))
	case r.Over[1] < overTicks:
		return Suspicious, fmt.Sprintf("%s of the candidate is %s, over the limit of %s, in the last tick", l.name, level(r.Last[1]), level(l.limit))
	}
	return Catastrophe, fmt.Sprintf("%s of the candidate is %s, over the limit of %s for %d ticks; stable has %s", l.name, level(r.Last[1]), level(l.limit), r.Over[1], level(r.Last[0]))
}

// sound reports whether what was read from outside can be used.
func (w *Watched) sound(p *Settings) bool {
	ok := w.Misses >= 0 && (len(w.Answers) == 0 || len(w.Answers) == len(p.checks)) && (len(w.Levels) == 0 || len(w.Levels) == len(p.levels)) && w.Past.sound()
	for _, sides := range w.Times {
		for _, t := range sides {
			for _, n := range t.N {
				ok = ok && n >= 0 && n <= most
			}
		}
	}
	for _, pods := range w.Pods {
		ok = ok && pods.sound()
	}
	ok = ok && (len(w.Rules) == 0 || len(w.Rules) == len(p.rules))
	for _, r := range w.Rules {
		ok = ok && r.Met >= 0 && r.Unsure >= 0
	}
	for _, r := range w.Answers {
		ok = ok && r.Failed >= 0 && r.Silent >= 0
	}
	return ok
}

func (p *Pods) sound() bool {
	return p.Number >= 0 && countable(p.Age) && p.Restarts >= 0 && p.Kills >= 0 && len(p.Troubled) <= MaxTroubled
}

func often(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func ofPods(n int) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// level writes a number as people say it, whatever its size.
func level(v float64) string { return fmt.Sprintf("%.4g", v) }
