// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

type section struct {
	name string
	run  func(*report)
	// timed sections measure this machine as well, so they say little beside other work.
	timed bool
}

func sections() []section {
	return []section{
		{name: "good releases", run: goodReleases},
		{name: "releases that no rule may blame", run: blameless},
		{name: "detection", run: detection},
		{name: "whole releases", run: wholeReleases},
		{name: "planner and interval", run: planning},
		{name: "size", run: size},
		{name: "processor time", run: cost, timed: true},
	}
}

func rates() [3]float64 { return [...]float64{5, 50, 500} }

// deviation is the standard error of a share of n.
func deviation(p float64, n int) float64 { return math.Sqrt(math.Max(p*(1-p), 1e-9) / float64(n)) }

// percent of a share, for a table.
func percent(share float64) string { return fmt.Sprintf("%.2f", 100*share) }

// goodReleases is the promise to leave good releases alone.
func goodReleases(r *report) {
	n := r.n(10_000)
	w := world{rate: 50, errors: .001, times: 1}
	all := each(n, func(i int) ending { return w.begin(1, i).scheduled(analysis(), false, 100)[0] })
	s := sum(all, false)
	r.keep("good releases", "50 requests/s, 0.1 %", s)
	r.say("%d good releases at 50 requests/s and 0.1 %% errors: %s %% rolled back.\n", n, percent(s.Rolled))
	r.atMost("good releases rolled back", s.Rolled, .01, deviation(.01, n))
}

// blameless are the settings in which nothing is wrong with the candidate.
func blameless(r *report) {
	n := r.n(400)
	r.say("Rolled back, in percent, of %d releases at each of 5, 50 and 500 requests/s; the worst of the three.\n\n", n)
	r.say("| setting | judge |")
	for _, name := range names() {
		r.say(" %s |", name)
	}
	r.say("\n| --- | --- | --- | --- | --- | --- |\n")
	for i, tt := range []struct {
		name  string
		world world
		most  float64
	}{
		{"independent errors, 0.1 %", world{errors: .001, times: 1}, .01},
		{"independent errors, 0.5 %", world{errors: .005, times: 1}, .01},
		{"independent errors, 1 %", world{errors: .01, times: 1}, .01},
		{"a fixed number of requests per tick", world{errors: .005, times: 1, bernoulli: true}, .01},
		{"exactly the tolerated ratio", world{errors: .005, times: 1.25}, .05},
		{"incident on both tracks", world{errors: .001, times: 1, incident: true}, .05},
		{"incident, seen 5 s later on stable", world{errors: .001, times: 1, incident: true, skew: 5}, .05},
		{"incident, seen 10 s later on stable", world{errors: .001, times: 1, incident: true, skew: 10}, .05},
		{"bursts of 8 in one tick", world{errors: .002, times: 1, burst: 8, over: 1}, .05},
		{"bursts of 8 over 30 s", world{errors: .002, times: 1, burst: 8, over: 3}, .05},
		{"pods that differ by 30 %", world{errors: .005, times: 1, pods: .3}, .05},
		{"pods that differ by 60 %", world{errors: .005, times: 1, pods: .6}, .05},
		{"cold pods, with the warm-up left out", world{errors: .001, times: 1, cold: true}, .01},
	} {
		worst := make([]float64, 1+len(names()))
		for k, rate := range rates() {
			w := tt.world
			w.rate = rate
			all := each(n, func(j int) []ending { return w.begin(100+10*i+k, j).scheduled(analysis(), true, 100) })
			for rule := range worst {
				s := row(all, rule)
				worst[rule] = math.Max(worst[rule], s.Rolled)
				if rule == 0 {
					r.keep("blameless", fmt.Sprintf("%s, %g requests/s", tt.name, rate), s)
				}
			}
		}
		r.say("| %s |", tt.name)
		for _, share := range worst {
			r.say(" %s |", percent(share))
		}
		r.say("\n")
		r.atMost("rolled back: "+tt.name, worst[0], tt.most, deviation(tt.most, n))
	}
}

// detection is how soon bad releases are caught.
func detection(r *report) {
	n := r.n(300)
	r.say("%d releases each. Times in seconds from the end of the warm-up; requests in units of what no rule can do without.\n\n", n)
	r.say("| release | requests/s | limit, s | caught, %% | median, s | p90, s | candidate's errors | requests |")
	for _, name := range names() {
		r.say(" %s: %%, median |", name)
	}
	r.say("\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i, tt := range []struct {
		name  string
		world world
		p1    float64
		times float64
	}{
		{"errors 0.1 to 0.5 %", world{errors: .001, times: 5}, .005, 2},
		{"errors 0.1 to 1 %", world{errors: .001, times: 10}, .01, 2},
		{"errors 0.5 to 5 %", world{errors: .005, times: 10}, .05, 2},
		{"errors 1 to 2 %", world{errors: .01, times: 2}, .02, 0},
		{"latency tail x 1.5", world{errors: .001, times: 1, latency: slowTail}, 0, 5},
		{"all latency x 1.5", world{errors: .001, times: 1, latency: slowAll}, 0, 0},
	} {
		for k, rate := range rates() {
			w := tt.world
			w.rate = rate
			all := each(n, func(j int) []ending { return w.begin(500+10*i+k, j).scheduled(analysis(), true, 100) })
			requests := judge.Limit(.05, w.errors, tt.p1)
			if tt.p1 == 0 {
				requests = latencyLimit(w.latency)
			}
			limit := requests / (rate * .05)
			s := row(all, 0)
			name := fmt.Sprintf("%s, %g requests/s", tt.name, rate)
			r.keep("detection", name, s)
			r.say("| %s | %g | %.0f | %.1f | %.0f | %.0f | %.1f | %.1f |", tt.name, rate, limit, 100*s.Rolled, s.Median, s.Ninety, s.Failed, s.Requests/requests)
			for rule := range names() {
				o := row(all, 1+rule)
				r.say(" %.0f, %.0f |", 100*o.Rolled, o.Median)
			}
			r.say("\n")
			if rate < 50 || tt.times == 0 {
				continue
			}
			median := s.Median
			if median < 0 {
				median = math.Inf(1)
			}
			r.atMost("seconds to detection, median: "+name, median, tt.times*limit+4*tickSeconds, tt.times*limit*.8/math.Sqrt(float64(n)))
			if limit >= 100 && tt.p1 > 0 {
				r.atMost("candidate's requests in limits: "+name, s.Requests/requests, 2, 1.2/math.Sqrt(float64(n)))
			}
		}
	}
	late(r)
}

// row sums up how the releases ended under one rule.
func row(all [][]ending, rule int) summary {
	one := make([]ending, len(all))
	for j := range all {
		one[j] = all[j][rule]
	}
	return sum(one, false)
}

// latencyLimit is the limit of the boundary that shows most.
func latencyLimit(l latency) float64 {
	least := math.Inf(1)
	for _, b := range buckets() {
		if p0, p1 := sameLatency.slower(b), l.slower(b); p0 > 1e-4 && p1 > p0 {
			least = math.Min(least, judge.Limit(.05, p0, p1))
		}
	}
	return least
}

// late are faults that begin in minute 35.
func late(r *report) {
	n := r.n(300)
	for k, rate := range []float64{50, 500} {
		w := world{rate: rate, errors: .001, times: 5, onset: 2100}
		all := each(n, func(j int) []ending { return w.begin(600+k, j).scheduled(analysis(), true, 100) })
		s := row(all, 0)
		before := 0.
		for _, e := range all {
			if e[0].rolled && e[0].at < w.onset {
				before++
			}
		}
		name := fmt.Sprintf("errors 0.1 to 0.5 %% from minute 35, %g requests/s", rate)
		r.keep("detection", name, s)
		r.say("\n%s: caught %.1f %%, median %.0f s after the onset, %.1f %% before it.\n", name, 100*s.Rolled, s.Median-w.onset, 100*before/float64(n))
		r.atLeast("caught: "+name, s.Rolled, .99, deviation(.99, n))
	}
}

// wholeReleases advance as the judge lets them.
func wholeReleases(r *report) {
	n := r.n(600)
	r.say("%d releases each, at most an hour. Excess errors are those that users would not have had from stable.\n\n", n)
	r.say("| release | requests/s | promoted, %% | rolled back, %% | median, s | excess errors | Flagger: promoted, %% | excess errors |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	for i, tt := range []struct {
		name  string
		world world
		good  bool
	}{
		{"good, 0.1 %", world{errors: .001, times: 1}, true},
		{"good, 0.5 %", world{errors: .005, times: 1}, true},
		{"good, 1 %", world{errors: .01, times: 1}, true},
		{"good, incident on both", world{errors: .001, times: 1, incident: true}, true},
		{"bad, 0.1 to 0.5 %", world{errors: .001, times: 5}, false},
		{"bad, 0.1 to 1 %", world{errors: .001, times: 10}, false},
		{"bad, 0.5 to 5 %", world{errors: .005, times: 10}, false},
		{"bad, 1 to 2 %", world{errors: .01, times: 2}, false},
		{"bad, latency tail x 1.5", world{errors: .001, times: 1, latency: slowTail}, false},
	} {
		for k, rate := range rates() {
			w := tt.world
			w.rate = rate
			s := sum(each(n, func(j int) ending { return w.begin(700+10*i+k, j).adaptive(analysis()) }), tt.good)
			f := sum(each(n, func(j int) ending { return w.begin(700+10*i+k, j).flaggerSteps() }), tt.good)
			name := fmt.Sprintf("%s, %g requests/s", tt.name, rate)
			r.keep("whole releases", name, s)
			r.say("| %s | %g | %.1f | %.1f | %.0f | %.1f | %.1f | %.1f |\n", tt.name, rate, 100*s.Promoted, 100*s.Rolled, s.Median, s.Surplus, 100*f.Promoted, f.Surplus)
			switch {
			case rate < 50:
			case tt.good && !w.incident:
				r.atLeast("promoted: "+name, s.Promoted, .99, deviation(.99, n))
				r.atMost("seconds to promotion, median: "+name, s.Median, 700, 0)
			case tt.world.times == 5:
				r.atMost("promoted: "+name, s.Promoted, .02, deviation(.02, n))
				r.atMost("excess errors of users, mean: "+name, s.Surplus, 12, 12/math.Sqrt(float64(n)))
			}
		}
	}
}

// planning compares the planner with what is measured at a constant 5 %, and the interval with the truth.
func planning(r *report) {
	n := r.n(400)
	r.say("| release | requests/s | planned median, s | measured | off by, %% |\n| --- | --- | --- | --- | --- |\n")
	a := analysis()
	a.Latency = nil
	for i, tt := range []struct{ rate, p0, p1 float64 }{{50, .001, .005}, {500, .001, .005}, {50, .001, .01}, {50, .005, .05}, {50, .01, .02}} {
		w := world{rate: tt.rate, errors: tt.p0, times: tt.p1 / tt.p0}
		s := sum(each(n, func(j int) ending { return w.begin(900+i, j).scheduled(a, false, 5)[0] }), false)
		settings := judge.New(a, w.begin(900, 0).history(0))
		settings.Metrics[0].Phi = 1
		planned := settings.Detection(judge.Traffic{Rate: tt.rate, Share: .05, Errors: tt.p0}, tt.p1, judge.Half).Seconds()
		off := math.Abs(planned/s.Median - 1)
		name := fmt.Sprintf("errors %g to %g %%, %g requests/s", 100*tt.p0, 100*tt.p1, tt.rate)
		r.say("| %s | %g | %.0f | %.0f | %.0f |\n", name, tt.rate, planned, s.Median, 100*off)
		r.atMost("planner off by: "+name, off, .2, .8/math.Sqrt(float64(n)))
	}
	coverage(r)
}

// coverage of the interval: over all ticks of an hour at once.
func coverage(r *report) {
	n := r.n(400)
	r.say("\n")
	for k, tt := range []world{{rate: 50, errors: .001, times: 1}, {rate: 500, errors: .001, times: 1}, {rate: 50, errors: .005, times: 3}} {
		a := analysis()
		a.Latency, a.FalseAlarms = nil, .1 // what is rolled back is followed no longer
		covered := 0.
		for _, ok := range each(n, func(j int) bool { return tt.begin(950+k, j).covers(a) }) {
			if ok {
				covered++
			}
		}
		share := covered / float64(n)
		r.say("The interval holds a ratio of %g at %g requests/s and %g %% errors over a whole hour in %.1f %% of releases.\n", tt.times, tt.rate, 100*tt.errors, 100*share)
		r.atLeast(fmt.Sprintf("coverage of the interval, ratio %g, %g requests/s", tt.times, tt.rate), share, .95-2*deviation(.95, n), deviation(.95, n))
	}
}

// covers reports whether the interval holds the true ratio at every tick of an hour.
func (r *release) covers(a plan.Analysis) bool {
	j := r.judge(a)
	for r.now < hour {
		weight := weights()[int(r.now)/stepSeconds]
		j.look(r.tick(weight, 0), weight)
		if i, ok := j.state.Ratio(&j.settings, 0); ok && (i.Low > r.times*1.025 || i.High < r.times/1.025) {
			return false
		}
	}
	return true
}

// looks is a judge in the middle of a release, and a function that shows it its i-th tick.
func looks() (*judged, func(i int)) {
	rel := world{rate: 50, errors: .005, times: 1.2}.begin(1, 1)
	j := rel.judge(analysis())
	ticks := make([]judge.Tick, 1000)
	for i := range ticks {
		ticks[i] = rel.tick(10, 0)
	}
	j.look(ticks[0], 10)
	at := ticks[0].End
	return j, func(i int) {
		t := ticks[i%len(ticks)]
		at = at.Add(interval)
		t.End = at
		j.look(t, 10)
	}
}

// size is what one release takes, however long it lasts.
func size(r *report) {
	j, look := looks()
	i := 0
	allocations := testing.AllocsPerRun(20_000, func() { i++; look(i) })
	state, err := json.Marshal(j.state)
	if err != nil {
		panic(err) // a state is plain numbers
	}
	r.say("The state of one release, written down: %d bytes. One tick: %g allocations.\n", len(state), allocations)
	r.atMost("bytes of state", float64(len(state)), 2048, 0)
	r.atMost("allocations per tick", allocations, 0, 0)
}

// cost of one tick of one release, and of a thousand releases at once.
func cost(r *report) {
	j, look := looks()
	const n = 20_000
	before := processorTime()
	for i := range n {
		look(i)
	}
	perTick := (processorTime() - before) / n
	r.say("One tick of one release, failures and %d boundaries of the latency: %s of processor time.\n", len(j.settings.Metrics)-1, perTick)
	r.atMost("microseconds per tick", float64(perTick)/1000, 50, 0)
	if err := thousand(r); err != nil {
		panic(err) // the answers are canned
	}
}

// processorTime of this process: other work on the machine does not count.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // every Unix has it
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
