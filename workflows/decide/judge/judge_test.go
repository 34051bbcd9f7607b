// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const tickLength = 10 * time.Second

func began() time.Time { return time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC) }

func counted(requests, errors float64) decide.Counts {
	return decide.Counts{Requests: requests, Errors: errors}
}

// served are requests of which so many failed and so many took longer than 100 ms.
func served(requests, errors, slow float64) decide.Counts {
	c := counted(requests, errors)
	c.Timed, c.Buckets = requests, []decide.Bucket{{UpTo: .05, Count: requests / 2}, {UpTo: .1, Count: requests - slow}}
	return c
}

func limits() plan.Analysis {
	tick := plan.Duration(tickLength)
	return plan.Analysis{
		Interval: tick, Block: 3 * tick, WarmUp: 2 * tick, Soak: 3 * tick, MinRequests: 100, FalseAlarms: 5, Misses: 5,
		Errors:  &plan.Errors{Tolerate: 1.25, Unacceptable: 2, Margin: new(.5), SLO: new(10.)},
		Latency: &plan.Latency{Tolerate: 1.25, Unacceptable: 2, Margin: new(1.), SLO: &plan.SLO{P99: plan.Duration(100 * time.Millisecond)}},
	}
}

// known is a history from which the dispersion is known, with 0.1 % failures and 1 % above 100 ms.
func known() History {
	return History{
		Pods: 4, Requests: 1e6, Timed: 1e6, Errors: Spread{Bad: 1000, Phi: 1},
		Slow: []Boundary{{UpTo: .1, Weight: 1, Limit: true, Spread: Spread{Bad: 2000, Phi: 1}}},
	}
}

func withoutLimit() History {
	h := known()
	h.Slow[0].Limit = false
	return h
}

// course feeds a step of 10 % with ticks until the finding is another than what it begins with.
type course struct {
	p Settings
	s State
	n int
}

func begin(a plan.Analysis, h History) *course {
	c := &course{p: New(a, h)}
	c.s = Begin(&c.p, State{}, 10, began())
	return c
}

// tick after the last one.
func (c *course) tick(stable, candidate decide.Counts) Tick {
	c.n++
	return Tick{
		End: began().Add(time.Duration(c.n) * tickLength), Stable: stable, Candidate: candidate, StablePods: 4, CandidatePods: 4,
		Routed: [2]float64{stable.Requests, candidate.Requests},
	}
}

func (c *course) add(ticks int, stable, candidate decide.Counts) Finding {
	for range ticks {
		c.s.Add(&c.p, c.tick(stable, candidate))
	}
	return c.s.Find(&c.p)
}

func TestWhatIsSeenBecomesAVerdictWithItsReason(t *testing.T) {
	tests := map[string]struct {
		analysis          func(*plan.Analysis)
		history           History
		ticks             int
		stable, candidate decide.Counts
		want              Kind
		reason            string
	}{
		"nothing yet":               {nil, known(), 0, served(900, 1, 9), served(100, 0, 1), Warming, "warming up: the first 20s"},
		"the warm-up is not judged": {nil, known(), 2, served(900, 1, 9), served(100, 5, 50), Warming, "warming up"},
		"but who fails everything is taken back in it": {
			nil, known(), 2, served(900, 1, 9), served(100, 100, 1), Catastrophe, "candidate failed 200 of 200 requests (100.00 %) in 20s, over the absolute limit of 10.00 %, which stable keeps",
		},
		"as good as stable, but not for long": {nil, known(), 3, served(900, 1, 9), served(100, 0, 1), Unproven, "judged for 10s of at least 30s"},
		"as good as stable": {
			nil, known(), 30, served(900, 1, 9), served(100, 0, 1), Advance, "candidate failed 0 of 2,800 requests (0.00 %), stable 28 of 25,200 requests (0.11 %)",
		},
		"too few requests": {nil, known(), 9, served(90, 0, 0), served(10, 0, 0), Unproven, "candidate answered 70 of the 100 requests a verdict needs"},
		"not proven yet": {
			nil, known(), 9, served(540, 1, 5), served(60, 0, 0), Unproven, "Not yet proven to be acceptable",
		},
		"three per cent against a thousandth": {
			nil, known(), 8, served(900, 1, 9), served(100, 3, 1), Rollback, "candidate failed 18 of 600 requests (3.00 %), stable 6 of 5,400 requests (0.11 %): 27x, " +
				"95 % interval 6.11x to over 50x, tolerance 1.25x. Evidence 6,208:1, limit 40:1: a release as good as stable gets this far in at most 1 of 20",
		},
		"a little evidence": {nil, known(), 5, served(900, 0, 9), served(100, 1, 1), Suspicious, "is short of the limit of 40:1, but too much to go on"},
		"twice as slow": {
			nil, withoutLimit(), 12, served(900, 1, 4), served(100, 0, 5), Rollback, "candidate was slower than 100ms in 50 of 1,000 requests (5.00 %), stable 40 of 9,000",
		},
		"everything fails": {
			nil, known(), 4, served(900, 1, 9), served(100, 100, 1), Catastrophe,
			"candidate failed 400 of 400 requests (100.00 %) in 40s, over the absolute limit of 10.00 %, which stable keeps (2 of 1,800 requests (0.11 %))",
		},
		"one bad tick is no catastrophe": {nil, known(), 1, served(900, 1, 9), served(100, 100, 1), Warming, ""},
		"slower than its p99 may be": {
			nil, known(), 4, served(900, 1, 2), served(100, 0, 40), Catastrophe, "candidate was slower than 100ms in 80 of 200 requests (40.00 %) in 20s, over the absolute limit of 1.00 %",
		},
		"both fail": {
			nil, known(), 9, served(900, 270, 9), served(100, 30, 1), Incident,
			"this looks like an incident outside of the release: 30.00 % of stable's requests fail, and 30.00 % of the candidate's; the limit is 10.00 %",
		},
		"the candidate fails more in an incident": {
			nil, known(), 20, served(900, 180, 9), served(100, 60, 1), Rollback, "candidate failed",
		},
		"no requests to the candidate": {nil, known(), 9, served(900, 1, 9), decide.Counts{}, Quiet, "the candidate has had no requests for 7 ticks of 10s"},
		"no requests at all":           {nil, known(), 9, decide.Counts{}, decide.Counts{}, Quiet, "no requests"},
		"another share than was set": {
			nil, known(), 9, served(900, 1, 9), served(900, 1, 9), Share, "the router sends 50.0 % of requests to the candidate, not 10 %",
		},
		"without a history V decides": {
			nil, History{}, 30, counted(900, 1), counted(100, 3), Rollback, "tolerance 1.5x",
		},
		"few failures are no catastrophe": {
			func(a *plan.Analysis) { a.Errors.SLO = new(1.) }, known(), 4, served(200, 0, 1), served(20, 1, 0), Unproven, "",
		},
		"stricter plans ask for more evidence": {
			func(a *plan.Analysis) { a.FalseAlarms = .1 }, known(), 6, served(900, 1, 9), served(100, 3, 1), Suspicious, "limit of 2,000:1",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := limits()
			if tt.analysis != nil {
				tt.analysis(&a)
			}
			c := begin(a, tt.history)
			f := c.add(tt.ticks, tt.stable, tt.candidate)
			v := c.s.Verdict(&c.p, f)
			require.Equal(t, tt.want, f.Kind, v.Reason)
			require.Contains(t, v.Reason, tt.reason)
			require.NotEmpty(t, v.Reason)
			require.Equal(t, f.Outcome(), v.Outcome)
		})
	}
}

func TestAtTheEndsOfTheWeightNoShareIsWrong(t *testing.T) {
	for weight, want := range map[int]Kind{0: Advance, 10: Share, 100: Advance} {
		c := begin(limits(), known())
		c.s = Begin(&c.p, State{}, weight, began())
		require.Equal(t, want, c.add(30, served(900, 1, 9), served(900, 1, 9)).Kind, "weight %d: testers come at any", weight)
	}
}

func TestBadInputIsHeldAndNeverJudged(t *testing.T) {
	good, candidate := served(900, 1, 9), served(100, 0, 1)
	tests := map[string]struct {
		spoil func(*Tick)
		want  Kind
	}{
		"not a number":                     {func(t *Tick) { t.Candidate.Errors = math.NaN() }, Blind},
		"infinite":                         {func(t *Tick) { t.Stable.Requests = math.Inf(1) }, Blind},
		"negative":                         {func(t *Tick) { t.Candidate.Requests = -1 }, Blind},
		"huge":                             {func(t *Tick) { t.Candidate.Requests = 1e300 }, Blind},
		"more failures than requests":      {func(t *Tick) { t.Candidate.Errors = 200 }, Blind},
		"a bucket that is no number":       {func(t *Tick) { t.Candidate.Buckets = []decide.Bucket{{UpTo: .1, Count: math.NaN()}} }, Blind},
		"a gap":                            {func(t *Tick) { t.Gap = "Prometheus has missed scrapes" }, Blind},
		"a tick from before":               {func(t *Tick) { t.End = began() }, Advance},
		"a tick that was used already":     {func(t *Tick) { t.End = t.End.Add(-tickLength) }, Advance},
		"histograms that differ":           {func(t *Tick) { t.Candidate.Buckets = []decide.Bucket{{UpTo: .25, Count: 100}} }, Advance},
		"more slow ones than there can be": {func(t *Tick) { t.Candidate.Buckets[1].Count = 1e9 }, Advance},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := begin(limits(), known())
			require.Equal(t, Advance, c.add(30, good, candidate).Kind)
			before := c.s.R.worth(0)
			bad := c.tick(good, served(100, 0, 1))
			tt.spoil(&bad)
			c.s.Add(&c.p, bad)
			require.Equal(t, tt.want, c.s.Find(&c.p).Kind)
			if tt.want == Blind {
				require.InDelta(t, before, c.s.R.worth(0), 0, "it has moved no evidence")
				require.NotEmpty(t, c.s.Explain(&c.p, c.s.Find(&c.p)))
			}
			require.Equal(t, Advance, c.add(1, good, candidate).Kind, "the next good tick heals it")
		})
	}
}

func TestATrackWithoutTheBoundaryIsNeverProven(t *testing.T) {
	c := begin(limits(), known())
	other := served(100, 0, 1)
	other.Buckets = []decide.Bucket{{UpTo: .25, Count: 100}}
	f := c.add(60, served(900, 1, 9), other)
	require.Equal(t, Unproven, f.Kind)
	require.Contains(t, c.s.Explain(&c.p, f), "no boundary of 100ms in common")
}

func TestOnePodWithoutHistorySaysWhyRIsOff(t *testing.T) {
	p := New(limits(), History{Pods: 1, Requests: 1e5, Errors: Spread{Bad: 500}})
	require.False(t, p.R)
	require.Contains(t, p.WhyNot, "1 pods of stable")
	require.Equal(t, 6, p.Block)
	p = New(limits(), History{Pods: 9, Requests: 1e5, Errors: Spread{Bad: 5}})
	require.Contains(t, p.WhyNot, "5 failed requests")
}

func TestEvidenceGoesOnFromStepToStepAndATickBeginsWithTheStep(t *testing.T) {
	c := begin(limits(), known())
	c.add(5, served(900, 0, 9), served(100, 1, 1))
	before := c.s.R.worth(0)
	c.s = Begin(&c.p, c.s, 25, began().Add(63*time.Second))
	require.InDelta(t, before, c.s.R.worth(0), 0)
	require.Equal(t, began().Add(63*time.Second), c.s.At)
	require.Equal(t, Warming, c.s.Find(&c.p).Kind)
	c.n = 7
	c.add(1, served(750, 0, 7), served(250, 250, 2))
	require.Zero(t, c.s.Steps[1].Ticks, "the warm-up begins anew")

	again := Begin(&c.p, c.s, 25, began().Add(2*time.Minute))
	require.Equal(t, c.s.At, again.At, "at the same weight nothing is left out")
	again = Begin(&c.p, c.s, 25, began().Add(2*time.Hour))
	require.Equal(t, began().Add(2*time.Hour), again.At, "but a long pause is")
	require.Len(t, again.Steps, 2)
}

func TestManyStepsDoNotMakeTheStateGrow(t *testing.T) {
	c := begin(limits(), known())
	var sizes []int
	for weight := 11; weight < 60; weight++ {
		c.add(5, served(900, 1, 9), served(100, 0, 1))
		c.s = Begin(&c.p, c.s, weight, began().Add(time.Duration(c.n)*tickLength))
		text, err := json.Marshal(c.s)
		require.NoError(t, err)
		sizes = append(sizes, len(text))
	}
	require.Less(t, sizes[len(sizes)-1], 2048)
	require.Len(t, c.s.Steps, maxSteps)
}

func TestAloneTheCandidateIsJudgedByWhatStableDid(t *testing.T) {
	reference := served(10_000, 10, 100)
	tests := map[string]struct {
		reference, candidate decide.Counts
		ticks                int
		want                 Kind
	}{
		"as good":                          {reference, served(1000, 1, 10), 20, Advance},
		"within what is acceptable":        {reference, served(1000, 6, 10), 60, Advance},
		"beyond it":                        {reference, served(1000, 30, 10), 20, Rollback},
		"fewer requests than it takes":     {reference, served(1, 0, 0), 20, Unproven},
		"beyond it in all there is to see": {reference, served(1000, 30, 10), 3, Suspicious},
		"over the absolute limit":          {reference, served(1000, 200, 10), 4, Catastrophe},
		"over a limit that stable was too": {served(10_000, 2000, 100), served(1000, 220, 10), 20, Advance},
		"without a reference the margin is left": {
			decide.Counts{}, served(1000, 30, 10), 20, Rollback,
		},
		"no requests": {reference, decide.Counts{}, 9, Quiet},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := New(limits(), known()).Against(tt.reference)
			c := &course{p: p}
			c.s = Begin(&c.p, State{}, 100, began())
			f := c.add(tt.ticks, decide.Counts{}, tt.candidate)
			require.Equal(t, tt.want, f.Kind, c.s.Explain(&c.p, f))
		})
	}
}

// luck is one tick of a release, drawn.
func luck(r *rand.Rand) (stable, candidate decide.Counts) {
	draw := func(n float64) decide.Counts {
		return served(n, math.Floor(r.Float64()*n/100), math.Floor(r.Float64()*n/50))
	}
	return draw(float64(r.IntN(900))), draw(float64(r.IntN(100)))
}

func TestTheSameTicksGiveTheSameBitsAlsoAfterACrash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		crash := rapid.IntRange(0, 99).Draw(t, "crash")
		run := func(crash int) string {
			r := rand.New(rand.NewPCG(seed, 1))
			c := begin(limits(), known())
			for i := range 100 {
				stable, candidate := luck(r)
				c.s.Add(&c.p, c.tick(stable, candidate))
				if i != crash {
					continue
				}
				text, err := json.Marshal(c.s)
				require.NoError(t, err)
				c.s = State{}
				require.NoError(t, json.Unmarshal(text, &c.s))
				require.True(t, c.s.Sound(&c.p))
			}
			text, err := json.Marshal(c.s)
			require.NoError(t, err)
			return string(text)
		}
		require.Empty(t, cmp.Diff(run(-1), run(crash)))
	})
}

func TestATickCostsNoMemory(t *testing.T) {
	c := begin(limits(), known())
	stable, candidate := served(900, 3, 9), served(100, 1, 1)
	require.Zero(t, testing.AllocsPerRun(1000, func() { c.add(1, stable, candidate) }))
}

func TestMoreFailuresNeverMakeLessEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fewer := float64(rapid.IntRange(0, 40).Draw(t, "failures"))
		more := fewer + float64(rapid.IntRange(1, 40).Draw(t, "more"))
		one, other := begin(limits(), known()), begin(limits(), known())
		a := one.add(10, served(900, 2, 9), served(100, fewer, 1)).Evidence
		b := other.add(10, served(900, 2, 9), served(100, more, 1)).Evidence
		if b < a*(1-1e-9) {
			t.Fatalf("%g failures: %g, %g failures: %g", fewer, a, more, b)
		}
	})
}

func TestNoFactorWinsOnAverageInTwoHundredThousandDraws(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	log := func(from, to float64) float64 { return math.Exp(math.Log(from) + r.Float64()*math.Log(to/from)) }
	worst := math.Inf(-1)
	for range 200_000 {
		o := outcome{nc: log(1, 1e4), nb: log(1, 1e4)}
		null := limit{log(1, 5), r.Float64() * .05}
		p, pb := log(1e-5, .15), log(1e-5, .15)
		c := math.Min(null.rate(p), .99)
		if r.IntN(2) == 0 {
			worst = math.Max(worst, expectation(o, null, math.Min(null.rate(pb)*log(1, 20), .99), pb, p, c*r.Float64()))
		} else {
			worst = math.Max(worst, expectation(o, null, null.rate(pb)*log(.01, 1), pb, p, c+(1-c)*r.Float64()))
		}
		worst = math.Max(worst, expectation(o, null, math.Min(null.rate(pb)*log(.1, 10), .99), pb, p, c))
	}
	require.False(t, math.IsNaN(worst))
	require.LessOrEqual(t, worst, 1e-9)
}

func TestTheWorstOfAHistoryIsItsBoundaries(t *testing.T) {
	total := decide.Counts{Requests: 1000, Timed: 1000}
	for i, below := range []float64{100, 760, 951, 991, 1000} {
		total.Buckets = append(total.Buckets, decide.Bucket{UpTo: float64(i + 1), Count: below})
	}
	h := Survey(nil, total, 4.5)
	var got []Boundary
	for _, b := range h.Slow {
		b.Spread, b.Weight = Spread{}, math.Round(b.Weight*1e9)/1e9
		got = append(got, b)
	}
	require.Empty(t, cmp.Diff([]Boundary{{UpTo: 2, Weight: .3}, {UpTo: 3, Weight: .3}, {UpTo: 4, Weight: .4}, {UpTo: 5, Limit: true}}, got))
	require.Equal(t, 1, h.tail(), "5 % are above it")

	fast := decide.Counts{Requests: 10, Timed: 10, Buckets: []decide.Bucket{{UpTo: .005, Count: 10}, {UpTo: .01, Count: 10}}}
	require.Len(t, Survey(nil, fast, 0).Slow, 1, "where nobody is slow, the lowest boundary is watched")
	require.Empty(t, Survey(nil, decide.Counts{}, 0).Slow)
}

func TestPodsThatDifferWidenTheTolerance(t *testing.T) {
	m := Metric{tolerated: limit{ratio: 1.25}, tau: .6}
	require.InDelta(t, math.Exp(2.33*.6*math.Sqrt(1./20+1)), m.against(20, 1).ratio, 1e-12)
	require.InDelta(t, 1.25, (&Metric{tolerated: limit{ratio: 1.25}, tau: .01}).against(20, 20).ratio, 0)
}

func TestThePlannerSaysNeverWhereNothingCanBeSeen(t *testing.T) {
	p := New(limits(), known())
	traffic := Traffic{Rate: 50, Share: .05, Errors: .001}
	require.Equal(t, longest, p.Detection(traffic, .00125, Half), "what is tolerated is never caught")
	require.Less(t, p.Detection(traffic, .01, Half), p.Detection(traffic, .005, Half))
	require.Less(t, p.Detection(traffic, .005, Half), p.Detection(traffic, .005, NineTenths))
	smallest := p.Smallest(traffic, 15*time.Minute)
	require.InDelta(t, 15*60, p.Detection(traffic, smallest, FourFifths).Seconds(), 1)
	require.InDelta(t, 1, p.Smallest(Traffic{Rate: .01, Share: .05, Errors: .001}, time.Minute), 0)
	require.Greater(t, p.Proving(traffic), 2*time.Minute)
	require.Equal(t, longest, p.Proving(Traffic{}))
}

// FuzzState reads anything as a state: what is not sound begins anew, and what is can be judged on.
func FuzzState(f *testing.F) {
	c := begin(limits(), known())
	c.add(20, served(900, 1, 9), served(100, 1, 1))
	text, err := json.Marshal(c.s)
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"r":{"rest":2,"log":[[1]]},"base":[-1]}`))
	f.Add([]byte(`{"weight":10,"steps":[{"sums":[]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s State
		if json.Unmarshal(text, &s) != nil {
			return
		}
		c := begin(limits(), known())
		c.s = Begin(&c.p, s, 10, began())
		c.n = 100_000
		finding := c.add(3, served(900, 1, 9), served(100, 1, 1))
		require.NotEmpty(t, c.s.Verdict(&c.p, finding).Reason)
		if _, err := json.Marshal(c.s); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAnIncidentThatEndsOnStableFirstIsNotTheCandidates(t *testing.T) {
	c := begin(limits(), known())
	c.add(5, served(900, 2, 9), served(100, 0, 1))
	during := c.add(6, served(900, 200, 9), served(100, 22, 1))
	require.Equal(t, Incident, during.Kind, c.s.Explain(&c.p, during))
	after := c.add(1, served(900, 1, 9), served(100, 22, 1))
	require.NotEqual(t, Catastrophe, after.Kind, c.s.Explain(&c.p, after))
	after = c.add(1, served(900, 1, 9), served(100, 0, 1))
	require.NotEqual(t, Catastrophe, after.Kind, c.s.Explain(&c.p, after))

	still := c.add(1, served(900, 200, 9), served(100, 60, 1)) // it comes again
	require.NotEqual(t, Catastrophe, still.Kind, c.s.Explain(&c.p, still))
	alone := c.add(3, served(900, 1, 9), served(100, 60, 1)) // and stays with the candidate
	require.Equal(t, Catastrophe, alone.Kind, c.s.Explain(&c.p, alone))
	require.Contains(t, c.s.Verdict(&c.p, alone).Reason, "candidate failed 120 of 200 requests (60.00 %) in 20s, over the absolute limit of 10.00 %, which stable keeps")
}
