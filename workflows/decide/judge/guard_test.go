// SPDX-License-Identifier: Apache-2.0

package judge

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// watched are limits with every guard.
func watched() plan.Analysis {
	a := limits()
	a.Guards = &plan.Guards{
		Flapping:   &plan.Times{},
		Saturation: []plan.Saturation{{Name: "memory", Limit: .9}},
	}
	return a.Complete()
}

// fine are pods of some age, in hours each, to which nothing has happened.
func fine(number int, age float64) Pods { return Pods{Number: number, Age: float64(number) * age} }

// with are pods of which the first ones have restarted so often each.
func (p Pods) with(pods, restarts int, killed bool) Pods {
	p.Troubled = map[string]Pod{}
	for i := range pods {
		p.Troubled[fmt.Sprintf("pod-%d", i)] = Pod{Restarts: restarts, Killed: killed}
		p.Restarts += restarts
		if killed {
			p.Kills += restarts
		}
	}
	return p
}

func (p Pods) lost(pods int, at int64) Pods {
	p.Troubled = map[string]Pod{}
	for i := range pods {
		p.Troubled[fmt.Sprintf("pod-%d", i)] = Pod{Lost: at}
	}
	return p
}

// look after so many minutes.
func (c *course) look(minutes float64, stable, candidate Pods) {
	c.s.Look(&c.p, Look{At: began().Add(time.Duration(minutes * float64(time.Minute))), Stable: stable, Candidate: candidate})
}

// good feeds requests by which a candidate would pass.
func good(a plan.Analysis) *course {
	c := begin(a, known())
	c.add(30, served(900, 1, 9), served(100, 0, 1))
	return c
}

func TestWhatHappensToPodsBecomesAVerdict(t *testing.T) {
	type look struct {
		minutes           float64
		stable, candidate Pods
	}
	old, young := fine(10, 240), fine(2, .1)
	for name, c := range map[string]struct {
		looks  []look
		want   Kind
		reason string
	}{
		"nothing": {[]look{{1, old, young}, {2, old, young}}, Advance, "Proven to be acceptable"},
		"restarts below the limit": {
			[]look{{1, old, young}, {2, old, young.with(1, 2, false)}}, Advance, "Proven to be acceptable",
		},
		"as many restarts as the limit": {
			[]look{{1, old, young}, {2, old, young.with(1, 2, false)}, {3, old, young.with(1, 3, false)}},
			Catastrophe, "candidate restarted 3 times in 10m (2 pods), stable 0 times (10 pods); the limit is 3",
		},
		"restarts of several pods count together": {
			[]look{{1, old, young}, {2, old, young.with(2, 2, false)}}, Catastrophe, "candidate restarted 4 times in 10m (2 pods)",
		},
		"what was before the first look counts for nobody": {
			[]look{{1, old, young.with(1, 9, true)}, {2, old, young.with(1, 9, true)}}, Advance, "Proven to be acceptable",
		},
		"a pod that was not there counts whole": {
			[]look{{1, old, young}, {2, old, Pods{Number: 2, Age: .1, Troubled: map[string]Pod{"new": {Restarts: 3}}}}}, Catastrophe, "candidate restarted 3 times",
		},
		"restarts that are long ago": {
			[]look{{1, old, young}, {2, old, young.with(1, 2, false)}, {15, old, young.with(1, 3, false)}}, Advance, "Proven to be acceptable",
		},
		"stable's pods restart as well": {
			[]look{{1, old, young}, {2, old.with(10, 2, false), young.with(1, 3, false)}},
			Incident, "this looks like an incident outside of the release: candidate restarted 3 times in 10m (2 pods), stable 20 times (10 pods); the limit is 3, but up to 2x of stable's per pod is no fault of the candidate",
		},
		"stable's pods restart, but far less": {
			[]look{{1, old, young}, {2, old.with(1, 1, false), young.with(1, 3, false)}}, Catastrophe, "stable once (10 pods)",
		},
		"stable's pods have always restarted often": {
			[]look{{1, old.with(10, 14400, false), young}, {4, old.with(10, 14400, false), young.with(1, 3, false)}},
			Suspicious, "By what stable's pods have gone through, that may be luck",
		},
		"one kill for want of memory": {
			[]look{{1, old, young}, {2, old, young.with(1, 1, true)}}, Catastrophe, "candidate was killed once for want of memory in 30m (2 pods), stable 0 times (10 pods); the limit is 1",
		},
		"one kill where stable is as young": {
			[]look{{1, fine(2, .02), young}, {5, fine(2, .1), young.with(1, 1, true)}}, Suspicious, "candidate was killed once",
		},
		"one kill after the other where stable is as young": {
			[]look{{1, fine(2, .02), young}, {5, fine(2, .1), young.with(1, 6, true)}}, Catastrophe, "candidate restarted 6 times",
		},
		"a restart for another reason is no kill": {
			[]look{{1, old, young}, {2, old, young.with(1, 1, false)}}, Advance, "Proven",
		},
		"no stable at all": {
			[]look{{1, Pods{}, young}, {2, Pods{}, young.with(1, 3, false)}}, Catastrophe, "stable 0 times (0 pods)",
		},
		"pods that are replaced in place, until no old one is left": {
			[]look{{1, old, young}, {2, fine(5, 240), fine(7, .1)}, {3, Pods{}, fine(12, .1).with(1, 3, false)}},
			Catastrophe, "candidate restarted 3 times in 10m (12 pods), stable 0 times (0 pods)",
		},
		"old pods that have restarted before they were replaced": {
			[]look{{1, old, young}, {2, old.with(10, 1, false), young}, {3, Pods{}, fine(12, .1).with(1, 3, false)}},
			Incident, "candidate restarted 3 times in 10m (12 pods), stable 10 times (0 pods)",
		},
		"pods that stop being ready": {
			[]look{{1, old, young}, {2, old, young.lost(1, 1)}, {3, old, young.lost(1, 1)}, {4, old, young.lost(2, 2)}, {5, old, young.lost(2, 3)}},
			Catastrophe, "candidate stopped being ready 5 times in 10m (2 pods), stable 0 times (10 pods); the limit is 5",
		},
		"pods that stay unready are lost once": {
			[]look{{1, old, young}, {2, old, young.lost(2, 1)}, {3, old, young.lost(2, 1)}, {4, old, young.lost(2, 1)}}, Advance, "Proven",
		},
		"all pods stop being ready": {
			[]look{{1, old, young}, {2, old.lost(10, 1), young.lost(2, 1)}, {3, old.lost(10, 2), young.lost(2, 2)}, {4, old.lost(10, 3), young.lost(2, 3)}},
			Incident, "candidate stopped being ready 6 times in 10m (2 pods), stable 30 times (10 pods)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := watched()
			a.Guards.Saturation = nil
			course := good(a)
			for _, l := range c.looks {
				course.look(l.minutes, l.stable, l.candidate)
			}
			f := course.s.Find(&course.p)
			require.Equal(t, c.want, f.Kind, course.s.Explain(&course.p, f))
			require.Contains(t, course.s.Verdict(&course.p, f).Reason, c.reason)
		})
	}
}

func TestWhatNewPodsWentThroughBeforeTheirBatchWasCompleteCountsForNobody(t *testing.T) {
	a := watched()
	a.Guards.Saturation = nil
	started := func(pods, more int) Pods { return fine(pods, .1).with(pods, 1+more, true) } // each once while it became ready
	look := func(c *course, minutes float64, inPlace bool, candidate Pods) Kind {
		c.s.Look(&c.p, Look{
			At: began().Add(time.Duration(minutes * float64(time.Minute))), Stable: fine(10-candidate.Number, 240), Candidate: candidate, InPlace: inPlace,
		})
		return c.s.Find(&c.p).Kind
	}
	c := good(a)
	require.Equal(t, Advance, look(c, 1, true, started(1, 0)))
	require.Equal(t, Advance, look(c, 2, true, started(1, 0)))
	require.Equal(t, Advance, look(c, 3, true, started(5, 0)), "the next batch")
	require.Equal(t, Advance, look(c, 4, true, started(10, 0)), "and the last one")
	require.Equal(t, Catastrophe, look(c, 5, true, started(10, 1)), "what comes then counts")

	c = good(a)
	require.Equal(t, Advance, look(c, 1, false, started(1, 0)))
	require.Equal(t, Catastrophe, look(c, 3, false, started(5, 0)), "a track that grows is watched while it does")
}

func TestPodsThatCannotBeLookedAtHold(t *testing.T) {
	a := watched()
	a.Guards.Saturation = nil
	c := good(a)
	for n := 1; n <= 3; n++ {
		c.s.Look(&c.p, Look{At: began().Add(time.Duration(n) * time.Minute), Missed: "no answer"})
		require.Equal(t, n == 3, c.s.Find(&c.p).Kind == Blind)
	}
	require.Contains(t, c.s.Verdict(&c.p, c.s.Find(&c.p)).Reason, "the pods could not be looked at 3 times: no answer")
	c.look(4, fine(2, 1), fine(2, 1))
	require.Equal(t, Advance, c.s.Find(&c.p).Kind)
}

func TestLevelsBecomeAVerdict(t *testing.T) {
	none := Level{Why: "gives no number"}
	at := func(stable, candidate float64) Level { return Level{Stable: &stable, Candidate: &candidate} }
	for name, c := range map[string]struct {
		levels []Level
		want   Kind
		reason string
	}{
		"below its limit":     {[]Level{at(.5, .9), at(.5, .9), at(.5, .9)}, Advance, "Proven"},
		"over it in one tick": {[]Level{at(.5, .9), at(.5, .95)}, Suspicious, "memory of the candidate is 0.95, over the limit of 0.9, in the last tick"},
		"over it in two":      {[]Level{at(.5, .91), at(.5, .95)}, Catastrophe, "memory of the candidate is 0.95, over the limit of 0.9 for 2 ticks; stable has 0.5"},
		"over it and back":    {[]Level{at(.5, .91), at(.5, .5), at(.5, .95)}, Suspicious, "in the last tick"},
		"both over it":        {[]Level{at(.95, .95), at(.97, .96)}, Incident, "this looks like an incident outside of the release: memory is 0.97 on stable and 0.96 on the candidate, both over the limit of 0.9"},
		"no stable":           {[]Level{{Candidate: new(.95)}, {Candidate: new(.95)}}, Catastrophe, "over the limit"},
		"no number twice":     {[]Level{at(.5, .5), none, none}, Advance, "Proven"},
		"no number":           {[]Level{none, none, none}, Blind, "memory of the candidate was not known for 3 ticks: gives no number"},
		"no number over it":   {[]Level{at(.5, .95), none}, Advance, "Proven"},
	} {
		t.Run(name, func(t *testing.T) {
			course := good(watched())
			course.s.Guard.Levels = nil
			for _, l := range c.levels {
				tick := course.tick(served(900, 1, 9), served(100, 0, 1))
				tick.Levels = []Level{l}
				course.s.Add(&course.p, tick)
			}
			f := course.s.Find(&course.p)
			require.Equal(t, c.want, f.Kind, course.s.Explain(&course.p, f))
			require.Contains(t, course.s.Verdict(&course.p, f).Reason, c.reason)
		})
	}
}

func TestAnswersOfOtherSystemsBecomeAVerdict(t *testing.T) {
	passed, failed, silent := Answer{Passed: true, Says: "answered 200"}, Answer{Says: "answered 503, not 200"}, Answer{Silent: true, Says: "no route to host"}
	for name, c := range map[string]struct {
		answers []Answer
		dryRun  bool
		want    Kind
		reason  string
	}{
		"good answers":          {[]Answer{passed, passed}, false, Advance, "Proven"},
		"one bad answer":        {[]Answer{passed, failed}, false, Suspicious, "check orders failed: answered 503, not 200"},
		"two bad answers":       {[]Answer{failed, failed}, false, Catastrophe, "check orders failed 2 times in a row: answered 503, not 200"},
		"a good one in between": {[]Answer{failed, passed, failed}, false, Suspicious, "check orders failed"},
		"silence is no failure": {[]Answer{silent, silent}, false, Advance, "Proven"},
		"silence that lasts":    {[]Answer{silent, silent, silent}, false, Blind, "check orders got no answer 3 times in a row: no route to host"},
		"silence after failure": {[]Answer{failed, silent, failed}, false, Catastrophe, "failed 2 times in a row"},
		"in dry run":            {[]Answer{failed, failed}, true, Advance, "In dry run, deciding nothing: would have rolled back, since check orders failed 2 times"},
	} {
		t.Run(name, func(t *testing.T) {
			a := watched()
			a.Guards.Saturation, a.Guards.Checks = nil, []plan.Inquiry{{Name: "orders", Failures: 2, DryRun: c.dryRun}}
			course := good(a)
			for n, answer := range c.answers {
				heard := Answers{At: began().Add(time.Duration(n+1) * time.Minute), All: map[int]Answer{0: answer, 7: failed}}
				course.s.Hear(&course.p, heard)
				course.s.Hear(&course.p, heard) // a worker that died has written it twice
			}
			f := course.s.Find(&course.p)
			require.Equal(t, c.want, f.Kind, course.s.Explain(&course.p, f))
			require.Contains(t, course.s.Verdict(&course.p, f).Reason, c.reason)
		})
	}
}

func TestADryRunIsJudgedAndDecidesNothing(t *testing.T) {
	kill := func(c *course) {
		c.look(1, fine(10, 240), fine(2, .1))
		c.look(2, fine(10, 240), fine(2, .1).with(1, 1, true))
	}
	for name, c := range map[string]struct {
		change func(*plan.Analysis)
		errors float64
		slow   float64
		then   func(*course)
		want   Kind
		says   string
	}{
		"failures that would roll back": {
			func(a *plan.Analysis) { a.Errors.DryRun = true }, 3, .1, nil, Advance,
			"In dry run, deciding nothing: errors would have rolled back: candidate failed 84 of 2,800 requests (3.00 %)",
		},
		"a catastrophe": {
			func(a *plan.Analysis) { a.Errors.DryRun = true }, 50, .1, nil, Advance, "errors would have rolled back, since candidate failed 1,500 of 3,000 requests",
		},
		"failures that are fine": {
			func(a *plan.Analysis) { a.Errors.DryRun = true }, 0, .1, nil, Advance, "errors would have passed: candidate failed 0 of 2,800 requests",
		},
		"slowness": {
			func(a *plan.Analysis) { a.Latency.DryRun = true }, 0, 40, nil, Advance, "latency would have rolled back",
		},
		"slowness beside failures that decide": {
			func(a *plan.Analysis) { a.Latency.DryRun = true }, 3, 40, nil, Rollback, "latency would have rolled back",
		},
		"everything": {
			func(a *plan.Analysis) { a.Errors.DryRun, a.Latency.DryRun = true, true }, 3, 40, nil, Advance, "No metric decides: all are in dry run. In dry run, deciding nothing: errors would have rolled back",
		},
		"a guard": {
			func(a *plan.Analysis) { a.Guards.OOMKills.DryRun = true }, 0, .1, kill, Advance,
			"In dry run, deciding nothing: would have rolled back, since candidate was killed once for want of memory",
		},
		"a guard that decides": {func(*plan.Analysis) {}, 0, .1, kill, Catastrophe, "candidate was killed once"},
	} {
		t.Run(name, func(t *testing.T) {
			a := watched()
			a.Guards.Saturation = nil
			c.change(&a)
			course := begin(a, withoutLimit())
			course.add(30, served(900, 1, 1), served(100, c.errors, c.slow))
			if c.then != nil {
				c.then(course)
			}
			f := course.s.Find(&course.p)
			require.Equal(t, c.want, f.Kind, course.s.Explain(&course.p, f))
			require.Contains(t, course.s.Verdict(&course.p, f).Reason, c.says)
		})
	}
}

func TestWhatIsRememberedOfPodsDoesNotGrow(t *testing.T) {
	c := good(watched())
	size := func() int {
		text, err := json.Marshal(c.s.Guard)
		require.NoError(t, err)
		return len(text)
	}
	for n := 1; n < 100; n++ {
		c.look(float64(n), fine(10, 240), fine(2, 1).with(2, n, true))
	}
	before := size()
	for n := 100; n < 10_000; n++ {
		c.look(float64(n), fine(10, 240), fine(2, 1).with(2, n, true))
	}
	require.Less(t, size(), before+50)
}

// TestAGuardBlamesNobodyForWhatBothTracksGoThrough: pods that restart at a rate, on both tracks and before, are no fault
// of the candidate, whatever the rate and the number of pods.
func TestAGuardBlamesNobodyForWhatBothTracksGoThrough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pods, each := rapid.IntRange(1, 20).Draw(t, "pods"), rapid.IntRange(0, 5).Draw(t, "restarts per pod and minute")
		c := good(watched())
		c.s.Guard.Levels, c.p.levels = nil, nil
		for n := 1; n <= 20; n++ {
			c.look(float64(n), fine(pods, 240).with(pods, each*n, true), fine(pods, .1).with(pods, each*n, true))
			require.NotEqual(t, decide.Fail, c.s.Find(&c.p).Outcome())
		}
	})
}
