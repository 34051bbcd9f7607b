// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide"
)

// Tick is what happened between two boundaries, one [Settings.Interval] apart.
type Tick struct {
	// End of it.
	End time.Time `json:"end"`
	// Stable and Candidate are the requests of the pods that are warm.
	Stable    decide.Counts `json:"stable"`
	Candidate decide.Counts `json:"candidate"`
	// StablePods and CandidatePods are how many those are; 0 where the source cannot tell pods apart.
	StablePods    int `json:"stablePods,omitempty"`
	CandidatePods int `json:"candidatePods,omitempty"`
	// Routed are the requests that the router sent to stable and to the candidate, young pods included; both
	// 0 where the source counts others as well.
	Routed [2]float64 `json:"routed,omitzero"`
	// Gap says why this tick is not to be trusted; empty: it is.
	Gap string `json:"gap,omitempty"`
	// Levels are those of the plan's guards, in its order.
	Levels []Level `json:"levels,omitempty"`
}

// State is everything that is remembered of the ticks of a release. Its size depends on the number of metrics,
// and a little on that of the steps; never on time. It is the same for one pod and for a thousand.
type State struct {
	// At is the end of the last tick that was used, Since when the present step began.
	At    time.Time `json:"at,omitzero"`
	Since time.Time `json:"since,omitzero"`
	// Weight of the present step.
	Weight int `json:"weight,omitempty"`
	// Fresh says that no tick of the present step was judged yet.
	Fresh bool   `json:"fresh,omitempty"`
	R     Engine `json:"r"`
	V     Engine `json:"v"`
	// Base is what is known of stable's rates: requests, timed requests, and bad requests of each metric.
	Base []float64 `json:"base"`
	// Block is what was counted since the last bet of V, in so many ticks.
	Block  []Sum `json:"block"`
	Blocks int   `json:"blocks,omitempty"`
	// Certificates are ln of what each of the three bets of a certificate is worth, by metric.
	Certificates [][3]float64 `json:"certificates"`
	// Steps are the sums of each step; the last is the present one.
	Steps []Step `json:"steps"`
	// Over are the ticks in a row in which an absolute limit was broken, by metric: by the candidate, by stable, and by the
	// candidate alone.
	Over [][3]Run `json:"over"`
	// Quiet is how many ticks in a row the candidate had no requests; Gap is why the last tick was not used.
	Quiet int    `json:"quiet,omitempty"`
	Gap   string `json:"gap,omitempty"`
	// Routed are the requests that the router sent to stable and to the candidate in this step.
	Routed [2]float64 `json:"routed,omitzero"`
	// Guard is what is remembered of the pods and the levels.
	Guard Watched `json:"guard,omitzero"`
}

// Sum of one metric: bad requests and requests, of the candidate and of stable. In JSON a list of four.
type Sum [4]float64

func (s Sum) outcome() outcome { return outcome{x: s[0], nc: s[1], y: s[2], nb: s[3]} }

func (s *Sum) add(o outcome) {
	for i, v := range [...]float64{o.x, o.nc, o.y, o.nb} {
		// Sums that are rounded stay short when they are written down.
		s[i] = math.Round((s[i]+v)*1e6) / 1e6
	}
}

// Step is what was counted in one step, by metric.
type Step struct {
	Ticks int   `json:"ticks"`
	Sums  []Sum `json:"sums"`
}

// Run of ticks in which a track was over an absolute limit: how many, and its requests in them.
type Run struct {
	Ticks int     `json:"ticks,omitempty"`
	Bad   float64 `json:"bad,omitempty"`
	Of    float64 `json:"of,omitempty"`
}

// maxSteps bounds the state of a release with many steps: the oldest are added up.
const maxSteps = 6

// longestGap is how much a watch that goes on at the same weight catches up with.
const longestGap = 15 * time.Minute

// Begin is the state at the beginning of a watch at a weight, from the state that the last one left. At the same
// weight the step goes on; a state that cannot have been made with these settings begins anew.
func Begin(p *Settings, s State, weight int, now time.Time) State {
	if !s.Sound(p) {
		s = fresh(p)
	}
	same := s.Weight == weight && len(s.Steps) > 0
	if !same || now.Sub(s.At) > longestGap {
		s.At = now.Add(time.Millisecond - 1).Truncate(time.Millisecond) // samples have no finer time
	}
	if same {
		return s
	}
	s.Weight, s.Since, s.Fresh = weight, now, true
	s.Blocks, s.Block = 0, make([]Sum, len(p.Metrics))
	s.Guard.Levels, s.Guard.Rules = nil, nil
	s.Over, s.Routed, s.Quiet, s.Gap = make([][3]Run, len(p.Metrics)), [2]float64{}, 0, ""
	if len(s.Steps) == maxSteps {
		s.Steps = append([]Step{s.Steps[0].join(s.Steps[1])}, s.Steps[2:]...)
	}
	s.Steps = append(s.Steps, Step{Sums: make([]Sum, len(p.Metrics))})
	return s
}

func (s Step) join(o Step) Step {
	out := Step{Ticks: s.Ticks + o.Ticks, Sums: make([]Sum, len(s.Sums))}
	for m := range s.Sums {
		out.Sums[m].add(s.Sums[m].outcome().add(o.Sums[m].outcome()))
	}
	return out
}

func fresh(p *Settings) State {
	n := len(p.Metrics)
	s := State{R: newEngine(n), V: newEngine(n), Base: make([]float64, n+2), Block: make([]Sum, n), Certificates: make([][3]float64, n), Over: make([][3]Run, n)}
	s.Base[0], s.Base[2] = p.Metrics[0].of, p.Metrics[0].bad
	for m := 1; m < n; m++ {
		s.Base[1], s.Base[2+m] = p.Metrics[m].of, p.Metrics[m].bad
	}
	return s
}

// Sound reports whether a state that was read from outside can be used with these settings.
func (s *State) Sound(p *Settings) bool {
	n := len(p.Metrics)
	if !s.R.sound(n) || !s.V.sound(n) || len(s.Base) != n+2 || len(s.Block) != n || len(s.Certificates) != n || len(s.Over) != n {
		return false
	}
	ok := s.Blocks >= 0 && len(s.Steps) <= maxSteps && s.Quiet >= 0
	for _, v := range s.Base {
		ok = ok && countable(v)
	}
	for _, c := range s.Certificates {
		for _, log := range c {
			ok = ok && log <= math.MaxInt32 && log >= floor
		}
	}
	for _, b := range s.Block {
		ok = ok && b.sound()
	}
	for _, step := range s.Steps {
		ok = ok && len(step.Sums) == n && step.Ticks >= 0
		for _, sum := range step.Sums {
			ok = ok && sum.sound()
		}
	}
	for _, runs := range s.Over {
		for _, run := range runs {
			ok = ok && run.Ticks >= 0 && countable(run.Bad) && countable(run.Of)
		}
	}
	return ok && countable(s.Routed[0]) && countable(s.Routed[1]) && s.Guard.sound(p)
}

func (s Sum) sound() bool {
	return countable(s[0]) && countable(s[1]) && countable(s[2]) && countable(s[3]) && s[0] <= s[1] && s[2] <= s[3]
}

// most is more requests than a release can have; what is above it is no count.
const most = 1e15

func countable(v float64) bool { return v >= 0 && v <= most }

// Missed notes that a tick could not be had, and why.
func (s *State) Missed(why string) { s.Gap = why }

// Add takes a tick into account. One that has been used already is not used again, one that is of no use is
// noted.
func (s *State) Add(p *Settings, t Tick) {
	if !t.End.After(s.At) {
		return
	}
	s.At = t.End
	warming := t.End.Add(-p.Interval).Before(s.Since.Add(p.WarmUp))
	if !warming { // whatever starts is busy for a while
		s.Guard.level(p, &t)
	}
	if t.Gap == "" {
		t.Gap = t.wrong()
	}
	if s.Gap = t.Gap; s.Gap != "" {
		return
	}
	if warming {
		s.watchLimit(&p.Metrics[0], 0, t.outcome(&p.Metrics[0])) // who fails everything is not warming up
		return
	}
	step := &s.Steps[len(s.Steps)-1]
	step.Ticks++
	if !p.alone {
		s.Routed[0], s.Routed[1] = s.Routed[0]+t.Routed[0], s.Routed[1]+t.Routed[1]
	}
	s.Quiet++
	if t.Candidate.Requests > 0 {
		s.Quiet = 0
	}
	s.R.begin(s.Fresh)
	s.Blocks++
	full := s.Blocks >= p.Block && !p.alone
	if full {
		s.V.begin(step.Ticks <= p.Block)
		s.Blocks = 0
	}
	s.Fresh = false
	for m := range p.Metrics {
		o := t.outcome(&p.Metrics[m])
		s.watchLimit(&p.Metrics[m], m, o)
		if p.alone {
			s.betAlone(&p.Metrics[m], m, o)
		} else {
			s.bet(p, m, o, &t)
		}
		step.Sums[m].add(o)
		s.Block[m].add(o)
		if full {
			s.betBlock(p, m, &t)
		}
	}
	s.learn(p, &t)
}

// InPlace is a tick of a service whose pods are replaced in place: all that is counted is the candidate's.
func (t Tick) InPlace() Tick {
	t.Candidate, t.CandidatePods, t.Stable, t.StablePods = t.Stable, t.StablePods, decide.Counts{}, 0
	levels := make([]Level, len(t.Levels))
	for i, l := range t.Levels {
		levels[i] = Level{Candidate: l.Stable, Why: l.Why}
	}
	t.Levels = levels
	return t
}

// wrong says what makes a tick's numbers impossible; empty: nothing does.
func (t *Tick) wrong() string {
	for _, c := range []*decide.Counts{&t.Stable, &t.Candidate} {
		if !countable(c.Requests) || !countable(c.Errors) || !countable(c.Timed) || c.Errors > c.Requests*(1+1e-9) {
			return "the source has counted what cannot be"
		}
		for _, b := range c.Buckets {
			if !countable(b.Count) {
				return "the source has counted what cannot be"
			}
		}
	}
	return ""
}

// outcome of a tick for one metric. A track whose histogram lacks the boundary says nothing about it.
func (t *Tick) outcome(m *Metric) outcome {
	var o outcome
	o.x, o.nc = m.count(&t.Candidate)
	o.y, o.nb = m.count(&t.Stable)
	return o
}

// count is how many requests of a track were bad, of how many.
func (m *Metric) count(c *decide.Counts) (bad, of float64) {
	if m.UpTo == 0 {
		return math.Min(c.Errors, c.Requests), c.Requests
	}
	slow, ok := c.Slower(m.UpTo)
	if !ok {
		return 0, 0
	}
	return math.Min(slow, c.Timed), c.Timed
}

// expected is stable's rate by all ticks before this one; false while there is too little to say.
func (s *State) expected(p *Settings, m int) (float64, bool) {
	of := s.Base[min(m, 1)]
	return (s.Base[2+m] + .5) / (of + 1), of >= 20
}

// learn what this tick says about stable, for the ticks after it.
func (s *State) learn(p *Settings, t *Tick) {
	for i := range s.Base {
		s.Base[i] *= fading
	}
	s.Base[0] += t.Stable.Requests
	s.Base[1] += t.Stable.Timed
	for m := range p.Metrics {
		o := t.outcome(&p.Metrics[m])
		s.Base[2+m] += o.y
	}
}

// bet moves R, and the certificate of a metric that has one.
func (s *State) bet(p *Settings, m int, o outcome, t *Tick) {
	metric := &p.Metrics[m]
	if !o.both() {
		return
	}
	null := metric.against(t.StablePods, t.CandidatePods)
	base, known := s.expected(p, m)
	if metric.Weight > 0 && p.R {
		s.betR(metric, m, o, null, base, known)
	}
	if !metric.certify || !known {
		return
	}
	bad := metric.unacceptable
	bad.ratio = math.Max(bad.ratio, null.ratio)
	best := math.Log(p.Proof) + reserve
	for k, times := range [...]float64{.8, 1, 1.15} {
		log := &s.Certificates[m][k]
		*log = math.Max(math.Min(*log+projected(o, bad, base*times, base)/metric.Phi, best), floor)
	}
}

// betR counts failures where they are rare, and requests where they are not.
func (s *State) betR(metric *Metric, m int, o outcome, null limit, base float64, known bool) {
	rare := metric.UpTo == 0 && base < oftenRate
	if !rare && !known || rare && o.x+o.y == 0 {
		return
	}
	for j, psi := range odds() {
		var ln float64
		if rare {
			ln = conditional(o, null.ratio, null.ratio*psi)
		} else {
			c := clip(math.Min(null.rate(base), .999))
			odds := psi * c / (1 - c)
			ln = projected(o, null, odds/(1+odds), base)
		}
		s.R.win(m, j, ln/metric.Phi)
	}
}

// betBlock moves V by the block that has just ended.
func (s *State) betBlock(p *Settings, m int, t *Tick) {
	o := s.Block[m].outcome()
	s.Block[m] = Sum{}
	if p.Metrics[m].Weight == 0 || !o.both() || o.x+o.y == 0 {
		return
	}
	null := p.Metrics[m].against(t.StablePods, t.CandidatePods)
	for j, psi := range odds() {
		s.V.win(m, j, blockBet(o, null.ratio, null.ratio*psi))
	}
}

// betAlone moves R where stable does not serve beside the candidate.
func (s *State) betAlone(metric *Metric, m int, o outcome) {
	if metric.Weight == 0 || o.nc == 0 || metric.ceiling >= 1 {
		return
	}
	for j, psi := range odds() {
		s.R.win(m, j, alone(o.x, o.nc, metric.ceiling, psi)/metric.Phi)
	}
}

// watchLimit counts the ticks in a row in which a track is over the absolute limit. A tick in which stable was over it
// too, and the one after that, are not the candidate's alone: an incident may end a little later on one track than on
// the other.
func (s *State) watchLimit(metric *Metric, m int, o outcome) {
	if metric.Absolute == 0 {
		return
	}
	candidate, stable, alone := &s.Over[m][overCandidate], &s.Over[m][overStable], &s.Over[m][overAlone]
	before := stable.over(metric)
	candidate.add(metric, o.x, o.nc)
	stable.add(metric, o.y, o.nb)
	if before || stable.over(metric) {
		*alone = Run{}
		return
	}
	alone.add(metric, o.x, o.nc)
}

// Whose runs there are for each metric.
const (
	overCandidate = iota
	overStable
	overAlone
)

// add goes on with a run, or ends it. No requests say nothing.
func (r *Run) add(metric *Metric, bad, of float64) {
	switch {
	case of == 0:
	case bad > metric.Absolute*of:
		r.Ticks, r.Bad, r.Of = r.Ticks+1, r.Bad+bad, r.Of+of
	default:
		*r = Run{}
	}
}

// over reports whether a run is more than bad luck.
func (r *Run) over(metric *Metric) bool { return r.Ticks > 0 && r.beyond(metric.Absolute, likely) }
