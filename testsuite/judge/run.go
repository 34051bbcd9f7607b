// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The plan of all releases: 5, 10, 25 and 50 %, an hour at most.
const (
	stepSeconds = 900
	hour        = 3600
)

func weights() [4]int { return [...]int{5, 10, 25, 50} }

// analysis is the default plan, without its warm-up: times count from its end. Latency is judged too.
func analysis() plan.Analysis {
	return plan.Analysis{
		Interval: plan.Duration(interval), Block: 3 * plan.Duration(interval), Soak: 12 * plan.Duration(interval), MinRequests: 100,
		FalseAlarms: 5, Misses: 5,
		Errors:  &plan.Errors{Tolerate: 1.25, Unacceptable: 2, Margin: new(.5), SLO: new(10.)},
		Latency: &plan.Latency{Tolerate: 1.25, Unacceptable: 2, Margin: new(1.)},
	}
}

// ending is how one simulated release ended under one rule.
type ending struct {
	// at is when it was rolled back, or promoted, in seconds.
	at       float64
	rolled   bool
	promoted bool
	// requests to the candidate by then, failed those of them that failed, excess how many more that is than stable would have.
	requests, failed, excess float64
}

// count adds what the candidate did.
func (e *ending) count(t judge.Tick, errors float64) {
	e.requests += t.Candidate.Requests
	e.failed += t.Candidate.Errors
	e.excess += t.Candidate.Errors - t.Candidate.Requests*errors
}

// judged is the judge, driven as a watch drives it.
type judged struct {
	settings judge.Settings
	state    judge.State
	weight   int
}

func (r *release) judge(a plan.Analysis) *judged {
	j := &judged{settings: judge.New(a, r.history(0))}
	j.settings.WarmUp = 0
	return j
}

func (j *judged) look(t judge.Tick, weight int) judge.Finding {
	if weight != j.weight {
		j.weight = weight
		j.state = judge.Begin(&j.settings, j.state, weight, t.End.Add(-interval))
	}
	j.state.Add(&j.settings, t)
	return j.state.Find(&j.settings)
}

// scheduled runs an hour of steps of a quarter each, whatever the judge thinks of advancing: only rolling back ends it.
// The other rules see the same requests, if they are asked for. limit is the highest weight.
func (r *release) scheduled(a plan.Analysis, others bool, limit int) []ending {
	rules := []rule(nil)
	if others {
		rules = rulesOf()
	}
	out := make([]ending, 1+len(rules))
	j := r.judge(a)
	var m minute
	for r.now < hour && slices.ContainsFunc(out, func(e ending) bool { return !e.rolled }) {
		step := int(r.now) / stepSeconds
		weight := min(weights()[step], limit)
		t := r.tick(weight, r.now-float64(step*stepSeconds))
		for i := range out {
			if !out[i].rolled {
				out[i].count(t, r.errors)
			}
		}
		warming := r.cold && int(t.End.Sub(start()).Seconds())%stepSeconds <= 120 && int(t.End.Sub(start()).Seconds())%stepSeconds > 0
		if !out[0].rolled && !warming {
			f := j.look(t, weight)
			out[0].end(r.now, f.Outcome() == decide.Fail)
		}
		if len(rules) == 0 {
			if out[0].rolled {
				break
			}
			continue
		}
		m.stable, m.candidate = m.stable.Add(r.baseline(t, weight)), m.candidate.Add(t.Candidate)
		if int(r.now)%60 != 0 {
			continue
		}
		for i, one := range rules {
			if !out[1+i].rolled {
				out[1+i].end(r.now, one.look(m, int(r.now)/60))
			}
		}
		m = minute{}
	}
	return out
}

func (e *ending) end(at float64, rolled bool) {
	if rolled {
		e.rolled, e.at = true, at
	}
}

// adaptive runs a whole release: a step lasts until the judge lets it advance.
func (r *release) adaptive(a plan.Analysis) ending {
	var e ending
	j := r.judge(a)
	steps := weights()
	step, began := 0, 0.
	for r.now < hour {
		t := r.tick(weights()[step], r.now-began)
		e.count(t, r.errors)
		switch j.look(t, steps[step]).Outcome() {
		case decide.Fail:
			e.end(r.now, true)
			return e
		case decide.Pass:
			step, began = step+1, r.now
			if step == len(steps) {
				e.promoted, e.at = true, r.now
				return e
			}
		case decide.Unknown:
		}
	}
	return e
}

// flaggerSteps runs a whole release by Flagger as documented: 5 % more per minute up to 50 %.
func (r *release) flaggerSteps() ending {
	var e ending
	f := &flagger{threshold: 5}
	weight := 5
	for n := 1; n <= 60; n++ {
		var m minute
		for range 6 {
			t := r.tick(weight, 0)
			e.count(t, r.errors)
			m.candidate = m.candidate.Add(t.Candidate)
		}
		failed := f.failed
		if f.look(m, n) {
			e.end(r.now, true)
			return e
		}
		if f.failed > failed {
			continue
		}
		if weight += 5; weight > 50 {
			e.promoted, e.at = true, r.now
			return e
		}
	}
	return e
}

// each runs n releases of a world on all processors, in any order: the results are in theirs.
func each[T any](n int, run func(i int) T) []T {
	out := make([]T, n)
	var wait sync.WaitGroup
	next := make(chan int)
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for i := range next {
				out[i] = run(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wait.Wait()
	return out
}

// summary of many endings.
type summary struct {
	N                         int     `json:"n"`
	Rolled                    float64 `json:"rolledBack"`
	Promoted                  float64 `json:"promoted"`
	Median                    float64 `json:"medianSeconds"`
	Ninety                    float64 `json:"p90Seconds"`
	Requests, Failed, Surplus float64
}

// sum sums up; times are of those that were rolled back, or promoted, if that is asked for.
func sum(all []ending, promoted bool) summary {
	s := summary{N: len(all)}
	var at []float64
	for _, e := range all {
		switch {
		case e.rolled:
			s.Rolled++
		case e.promoted:
			s.Promoted++
		}
		if e.rolled && !promoted || e.promoted && promoted {
			at = append(at, e.at)
		} else {
			at = append(at, math.Inf(1))
		}
		s.Requests, s.Failed, s.Surplus = s.Requests+e.requests, s.Failed+e.failed, s.Surplus+e.excess
	}
	n := float64(len(all))
	s.Rolled, s.Promoted, s.Requests, s.Failed, s.Surplus = s.Rolled/n, s.Promoted/n, s.Requests/n, s.Failed/n, s.Surplus/n
	slices.Sort(at)
	s.Median, s.Ninety = finite(at[len(at)/2]), finite(at[len(at)*9/10])
	return s
}

// finite keeps JSON readable: -1 stands for never.
func finite(v float64) float64 {
	if math.IsInf(v, 0) {
		return -1
	}
	return v
}
