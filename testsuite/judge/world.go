// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

const (
	tickSeconds = 10
	interval    = tickSeconds * time.Second
	stablePods  = 20
)

// world is what a kind of release meets.
type world struct {
	// rate of all requests per second, errors the share of them that stable fails, times how many times as many the
	// candidate fails.
	rate, errors, times float64
	// onset is when the candidate turns bad, in seconds.
	onset float64
	// latency of the candidate.
	latency latency
	// incident multiplies the errors of both tracks by 30 in minutes 20 to 30; stable's are seen skew seconds later.
	incident bool
	skew     float64
	// burst is how many requests fail together, over so many ticks.
	burst, over int
	// pods is the coefficient of variation of the pods' error rates.
	pods float64
	// cold candidates are 1.5 times slower for the first 90 s of each step.
	cold bool
	// bernoulli arrivals are a fixed number of requests per tick.
	bernoulli bool
}

// latency is how the latency of a track differs from stable's: lognormal, median 60 ms, p99 300 ms.
type latency int

// The latencies.
const (
	sameLatency latency = iota
	// slowTail stretches what is above p90 so that p99 is 1.5 times as long.
	slowTail
	// slowAll makes every request 1.5 times as long.
	slowAll
)

// buckets are the default ones of Prometheus' client libraries.
func buckets() [11]float64 { return [...]float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10} }

// slower is the share of requests that take longer than some seconds.
func (l latency) slower(t float64) float64 {
	const median, p99, quantile99, quantile90 = .06, .3, 2.3263, 1.2816
	sigma := math.Log(p99/median) / quantile99
	p90 := median * math.Exp(quantile90*sigma)
	switch {
	case l == slowAll:
		t /= 1.5
	case l == slowTail && t > p90:
		t = p90 + (t-p90)*(p99-p90)/(1.5*p99-p90)
	}
	return 0.5 * math.Erfc(math.Log(t/median)/sigma/math.Sqrt2)
}

// shares of the requests by bucket; the last is above all boundaries.
func (l latency) shares() [12]float64 {
	var out [12]float64
	above := 1.
	for i, b := range buckets() {
		s := l.slower(b)
		out[i], above = above-s, s
	}
	out[11] = above
	return out
}

// release is one simulated release under way.
type release struct {
	world
	chance
	now float64
	// stableFactor is how bad stable's pods are in the mean, candidateFactors how bad each of the candidate's.
	stableFactor     float64
	candidateFactors [stablePods]float64
	// late are failures of bursts that are still to come, by track and tick.
	late   [3][3]float64
	shares [3][12]float64
}

func (w world) begin(seed, n int) *release {
	r := &release{world: w, chance: newChance(seed, n)}
	for range stablePods {
		r.stableFactor += r.gamma(w.pods) / stablePods
	}
	for i := range r.candidateFactors {
		r.candidateFactors[i] = r.gamma(w.pods)
	}
	for l := range r.shares {
		r.shares[l] = latency(l).shares()
	}
	return r
}

// candidatePods is how many the candidate has for its share.
func candidatePods(share float64) int {
	return min(max(1, int(math.Round(stablePods*share/(1-share)))), stablePods)
}

// tick lets ten seconds pass. since is how long the step has lasted.
func (r *release) tick(weight int, since float64) judge.Tick {
	share := float64(weight) / 100
	pods := candidatePods(share)
	factor := 0.
	for _, f := range r.candidateFactors[:pods] {
		factor += f / float64(pods)
	}
	stable, candidate := r.errors*r.stableFactor*r.fault(r.now-r.skew), r.errors*factor*r.fault(r.now)
	slow := sameLatency
	if r.now >= r.onset {
		candidate *= r.times
		slow = r.latency
	}
	if r.cold && since < 90 {
		slow = slowAll
	}
	r.now += tickSeconds
	t := judge.Tick{
		End: start().Add(time.Duration(r.now) * time.Second), StablePods: stablePods, CandidatePods: pods,
		Stable: r.counts(0, r.rate*(1-share)*tickSeconds, stable, sameLatency), Candidate: r.counts(1, r.rate*share*tickSeconds, candidate, slow),
	}
	t.Routed = [2]float64{t.Stable.Requests, t.Candidate.Requests}
	return t
}

// start of all releases.
func start() time.Time { return time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC) }

// fault multiplies the errors of a track at a moment.
func (r *release) fault(at float64) float64 {
	if r.incident && at >= 1200 && at < 1800 {
		return 30
	}
	return 1
}

// counts of one track in one tick.
func (r *release) counts(track int, mean, errors float64, l latency) decide.Counts {
	errors = math.Min(errors, 1)
	var c decide.Counts
	switch {
	case r.bernoulli:
		c.Requests = math.Round(mean)
		c.Errors = r.binomial(c.Requests, errors)
	case r.burst > 1:
		c.Errors = r.clustered(track, mean*errors)
		c.Requests = c.Errors + r.poisson(mean*(1-errors))
	default:
		c.Errors = r.poisson(mean * errors)
		c.Requests = c.Errors + r.poisson(mean*(1-errors))
	}
	all := buckets()
	c.Buckets = make([]decide.Bucket, 0, len(all))
	for i, share := range r.shares[l] {
		c.Timed += r.poisson(mean * share)
		if i < len(all) { // the last share is of what no bucket holds
			c.Buckets = append(c.Buckets, decide.Bucket{UpTo: all[i], Count: c.Timed}) //nolint:gosec // it is below the length
		}
	}
	return c
}

// clustered draws failures that come in bursts, in one tick or over several.
func (r *release) clustered(track int, mean float64) float64 {
	late := &r.late[track]
	now := late[0]
	*late = [3]float64{late[1], late[2], 0}
	for range int(r.poisson(mean / float64(r.burst))) {
		for range r.burst {
			switch in := r.IntN(max(r.over, 1)); in {
			case 0:
				now++
			default:
				late[in-1]++
			}
		}
	}
	return now
}

// history is what six hours of stable look like, in twelve windows.
func (r *release) history(p99 float64) judge.History {
	const windows, seconds = 12, 1800.
	var all []judge.Window
	var total decide.Counts
	quiet := *r
	var factors [stablePods]float64
	for pod := range factors {
		factors[pod] = r.gamma(r.pods)
	}
	for range windows {
		w := judge.Window{}
		for pod := range stablePods {
			factor := factors[pod]
			quiet.over, quiet.late = 1, [3][3]float64{}
			c := quiet.counts(0, r.rate*seconds/stablePods, r.errors*factor, sameLatency)
			w[fmt.Sprintf("pod-%02d", pod)] = c
			total = total.Add(c)
		}
		all = append(all, w)
	}
	return judge.Survey(all, total, p99)
}
