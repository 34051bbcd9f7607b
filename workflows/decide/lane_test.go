// SPDX-License-Identifier: Apache-2.0

package decide_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// noon is the moment of every decision here.
func noon() time.Time { return time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC) }

// ago is a moment before it.
func ago(d time.Duration) time.Time { return noon().Add(-d) }

// job is one whose image is named by its ID, by a plan that cools down for ten minutes.
func job(id string) decide.Job {
	return decide.Job{ID: id, Image: "image-" + id, By: "alice", CoolDown: plan.Duration(10 * time.Minute)}
}

func hotfix(id string) decide.Job   { j := job(id); j.Hotfix = true; return j }
func rollback(id string) decide.Job { j := job(id); j.Rollback = true; return j }
func overriding(j decide.Job) decide.Job {
	j.Override = "we know"
	return j
}

// event is a job that was triggered by what happened before.
func event(id string, before time.Duration) decide.Job {
	j := job(id)
	j.Event, j.EventFrom = ago(before), "ci"
	return j
}

// again is a job of the image of another one.
func again(j decide.Job, of string) decide.Job { j.Image = "image-" + of; return j }

func ids(jobs []decide.Job) []string {
	var out []string
	for _, j := range jobs {
		out = append(out, j.ID)
	}
	return out
}

func barred(id string, at time.Time) decide.Quarantined {
	return decide.Quarantined{Image: "image-" + id, Release: id, Why: "step 1 failed", At: at}
}

// afterUndo is a lane in which a release was taken back.
func afterUndo(id string, since time.Duration) decide.Queue {
	q := barred(id, ago(since))
	return decide.Queue{Quarantine: []decide.Quarantined{q}, Undone: &q}
}

func TestAdmit(t *testing.T) {
	type answer struct {
		Refused, Same    string
		Waiting, Dropped []string
		YieldTo          string
		YieldsAnyway     bool
	}
	busy := decide.Queue{Running: new(job("a")), Waiting: []decide.Job{job("b"), job("c")}}
	withHotfix := decide.Queue{Running: new(job("a")), Waiting: []decide.Job{hotfix("h"), job("b")}}
	inAHurry := hotfix("z")
	inAHurry.Image = "image-c"
	full := decide.Queue{Running: new(job("a"))}
	serving := decide.Queue{Serves: new(job("a")), NewestEvent: decide.Newest{At: ago(time.Hour), From: "ci"}}
	push := event("z", 2*time.Hour)
	push.EventFrom = "registry"
	for i := range 20 {
		full.Waiting = append(full.Waiting, job(fmt.Sprint("w", i)))
	}
	tests := map[string]struct {
		queue decide.Queue
		job   decide.Job
		newer string
		want  answer
	}{
		"an empty lane takes everything":                     {decide.Queue{}, job("z"), plan.NewerCoalesce, answer{Waiting: []string{"z"}}},
		"coalesce keeps the newest of those that wait":       {busy, job("z"), plan.NewerCoalesce, answer{Waiting: []string{"z"}, Dropped: []string{"b", "c"}}},
		"queue gives each its turn":                          {busy, job("z"), plan.NewerQueue, answer{Waiting: []string{"b", "c", "z"}}},
		"supersede asks what runs to make room":              {busy, job("z"), plan.NewerSupersede, answer{Waiting: []string{"z"}, Dropped: []string{"b", "c"}, YieldTo: "z"}},
		"a hotfix ends what runs":                            {busy, hotfix("z"), plan.NewerQueue, answer{Waiting: []string{"z", "b", "c"}, YieldTo: "z", YieldsAnyway: true}},
		"a hotfix drops what may lack it":                    {busy, hotfix("z"), plan.NewerCoalesce, answer{Waiting: []string{"z"}, Dropped: []string{"b", "c"}, YieldTo: "z", YieldsAnyway: true}},
		"a hotfix waits behind one before it":                {withHotfix, hotfix("z"), plan.NewerQueue, answer{Waiting: []string{"h", "z", "b"}, YieldTo: "z", YieldsAnyway: true}},
		"nothing coalesces a hotfix away":                    {withHotfix, job("z"), plan.NewerCoalesce, answer{Waiting: []string{"h", "z"}, Dropped: []string{"b"}}},
		"nothing newer ends a hotfix":                        {decide.Queue{Running: new(hotfix("a"))}, job("z"), plan.NewerSupersede, answer{Waiting: []string{"z"}}},
		"a rollback is finished, whatever comes":             {decide.Queue{Running: new(rollback("a"))}, hotfix("z"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"a rollback ends nothing, but goes first":            {busy, rollback("z"), plan.NewerQueue, answer{Waiting: []string{"z", "b", "c"}}},
		"the release that runs is not started again":         {busy, job("a"), plan.NewerQueue, answer{Same: "a"}},
		"the release that waits is not added again":          {busy, job("c"), plan.NewerCoalesce, answer{Same: "c"}},
		"the same image in a hurry takes its own place":      {busy, inAHurry, plan.NewerQueue, answer{Waiting: []string{"z", "b"}, Dropped: []string{"c"}, YieldTo: "z", YieldsAnyway: true}},
		"a full queue refuses":                               {full, job("z"), plan.NewerQueue, answer{Refused: "20 releases wait already"}},
		"a full queue has room for a hotfix":                 {full, hotfix("z"), plan.NewerQueue, answer{Waiting: append([]string{"z"}, ids(full.Waiting)...), YieldTo: "z", YieldsAnyway: true}},
		"an image that was taken back is refused":            {afterUndo("z", time.Hour), job("z"), plan.NewerQueue, answer{Refused: "image-z is in quarantine: release z of it was taken back on 2030-01-01 11:00:00 UTC (step 1 failed)"}},
		"as a hotfix too":                                    {afterUndo("z", time.Hour), hotfix("z"), plan.NewerQueue, answer{Refused: "--override REASON"}},
		"and as a rollback":                                  {afterUndo("z", time.Hour), rollback("z"), plan.NewerQueue, answer{Refused: "is in quarantine"}},
		"unless somebody says why":                           {afterUndo("z", time.Hour), overriding(job("z")), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"a fix right after an undo is refused":               {afterUndo("a", 9*time.Minute), job("z"), plan.NewerQueue, answer{Refused: "wait until 2030-01-01 12:01:00 UTC"}},
		"a hotfix right after an undo is refused as well":    {afterUndo("a", 9*time.Minute), hotfix("z"), plan.NewerQueue, answer{Refused: "a fix in a hurry is the next outage"}},
		"unless somebody says why the fix is good":           {afterUndo("a", 9*time.Minute), overriding(hotfix("z")), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"a rollback right after an undo is what people need": {afterUndo("a", 9*time.Minute), rollback("z"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"an event that asks for what serves changes nothing": {serving, event("a", 0), plan.NewerQueue, answer{Same: "a"}},
		"a person who asks for what serves means it":         {serving, again(job("z"), "a"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"an event asks for what served before":               {serving, again(event("z", 0), "b"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"an event asks for what serves while another one runs": {
			decide.Queue{Running: new(job("b")), Serves: new(job("a"))}, again(event("z", 0), "a"), plan.NewerQueue, answer{Waiting: []string{"z"}},
		},
		"an event that a newer one has overtaken is refused": {serving, event("z", time.Hour+time.Second), plan.NewerQueue, answer{Refused: "the event of 2030-01-01 10:59:59 UTC comes after the newer one of 2030-01-01 11:00:00 UTC"}},
		"an event of the same moment is not older":           {serving, event("z", time.Hour), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"an event of another kind has times of its own":      {serving, push, plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"a person may go back behind an event":               {serving, job("z"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
		"a cool-down ends":                                   {afterUndo("a", 10*time.Minute), job("z"), plan.NewerQueue, answer{Waiting: []string{"z"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a := decide.Admit(tt.queue, tt.job, plan.Lane{Newer: tt.newer, MaxQueue: 20}, noon())
			if tt.want.Refused != "" {
				require.Contains(t, a.Refusal, tt.want.Refused)
				require.Nil(t, a.Waiting)
				return
			}
			got := answer{Refused: a.Refusal, Waiting: ids(a.Waiting)}
			for _, d := range a.Dropped {
				got.Dropped = append(got.Dropped, d.Job.ID)
				require.Equal(t, "superseded by z of "+tt.job.Image+", which alice asked for", d.Why)
			}
			if a.Same != nil {
				got.Same = a.Same.ID
			}
			if a.Yield != nil {
				got.YieldTo, got.YieldsAnyway = a.Yield.To, a.Yield.Anyway
			}
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

func TestTheNewestEventIsKept(t *testing.T) {
	newest := func(j decide.Job) time.Time {
		return decide.Admit(decide.Queue{NewestEvent: decide.Newest{At: ago(time.Hour)}}, j, plan.Lane{MaxQueue: 1}, noon()).NewestEvent.At
	}
	require.Equal(t, ago(time.Minute), newest(event("z", time.Minute)))
	require.Equal(t, ago(time.Hour), newest(job("z")))
}

func TestWhatIsPromotedServesUntilSomethingElseIs(t *testing.T) {
	learn := func(q decide.Queue, j decide.Job, f decide.Fate) decide.Queue {
		q.Running = &j
		return decide.Learn(q, decide.End{Fate: f, Replaced: "old", At: noon()})
	}
	q := learn(decide.Queue{}, job("a"), decide.Promoted)
	require.Equal(t, "a", q.Serves.ID)
	require.Equal(t, "a", learn(q, job("b"), decide.TakenBack).Serves.ID)
	require.Equal(t, "a", learn(q, job("b"), decide.Left).Serves.ID)
	require.Equal(t, "r", learn(q, rollback("r"), decide.Promoted).Serves.ID)
}

func TestNext(t *testing.T) {
	freeze := decide.Hold{Kind: decide.Freeze, Scope: "production", Until: noon().Add(time.Hour), Reason: "fair", By: "bob"}
	line := decide.Hold{Kind: decide.Stop, Scope: "production", Reason: "outage", By: "bob"}
	exempt := job("b")
	exempt.OverrideFreeze = "the customer waits"
	cooling := afterUndo("a", 4*time.Minute)
	cooling.Waiting = []decide.Job{job("b"), job("c")}
	barredHead := afterUndo("b", time.Hour)
	barredHead.Waiting = []decide.Job{job("b")}
	tests := map[string]struct {
		queue decide.Queue
		holds map[string]decide.Hold
		want  decide.Move
	}{
		"an idle lane waits for nothing":       {decide.Queue{}, nil, decide.Move{}},
		"one at a time":                        {decide.Queue{Running: new(job("a")), Waiting: []decide.Job{job("b")}}, nil, decide.Move{Why: "a runs"}},
		"the first starts":                     {decide.Queue{Waiting: []decide.Job{job("b"), job("c")}}, nil, decide.Move{Start: "b"}},
		"a freeze holds until its end":         {decide.Queue{Waiting: []decide.Job{job("b")}}, map[string]decide.Hold{"b": freeze}, decide.Move{Until: freeze.Until, Why: "frozen until 2030-01-01T13:00:00Z (fair, by bob)"}},
		"a stopped line holds until a person":  {decide.Queue{Waiting: []decide.Job{job("b")}}, map[string]decide.Hold{"b": line}, decide.Move{Why: "the line of production is stopped (outage, by bob)"}},
		"an override starts in a freeze":       {decide.Queue{Waiting: []decide.Job{exempt}}, map[string]decide.Hold{"b": freeze}, decide.Move{Start: "b"}},
		"a rollback starts in a stopped line":  {decide.Queue{Waiting: []decide.Job{rollback("b")}}, map[string]decide.Hold{"b": line}, decide.Move{Start: "b"}},
		"who is not held overtakes who is":     {decide.Queue{Waiting: []decide.Job{job("b"), job("c")}}, map[string]decide.Hold{"b": freeze}, decide.Move{Start: "c"}},
		"those that wait cool down":            {cooling, nil, decide.Move{Until: noon().Add(6 * time.Minute), Why: "cooling down until 2030-01-01 12:06:00 UTC, since release a was taken back"}},
		"what was taken back meanwhile is out": {barredHead, nil, decide.Move{Drop: &decide.Dropped{Job: job("b"), Why: "its image is in quarantine since release b was taken back: step 1 failed"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, cmp.Diff(tt.want, decide.Next(tt.queue, tt.holds, noon())))
		})
	}
}

func TestLearn(t *testing.T) {
	old := decide.Queue{Running: new(job("a")), Quarantine: []decide.Quarantined{barred("a", ago(time.Hour)), barred("x", ago(time.Hour))}}
	back := old
	back.Running = new(rollback("a"))
	tests := map[string]struct {
		queue decide.Queue
		end   decide.End
		// barred are the images in quarantine afterwards, cools whether a cool-down begins.
		barred []string
		cools  bool
	}{
		"what was taken back is barred":            {old, decide.End{Fate: decide.TakenBack, At: noon()}, []string{"image-x", "image-a"}, true},
		"what was promoted is barred no longer":    {old, decide.End{Fate: decide.Promoted, At: noon()}, []string{"image-x"}, false},
		"what made room says nothing of its image": {old, decide.End{Fate: decide.Left, At: noon()}, []string{"image-a", "image-x"}, false},
		"what an undo brings back again is not":    {back, decide.End{Fate: decide.Promoted, Replaced: "image-a", At: noon()}, []string{"image-x"}, false},
		"what a rollback has left is barred":       {back, decide.End{Fate: decide.Promoted, Replaced: "image-bad", At: noon()}, []string{"image-x", "image-bad"}, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			q := decide.Learn(tt.queue, tt.end)
			var got []string
			for _, o := range q.Quarantine {
				got = append(got, o.Image)
			}
			require.Equal(t, tt.barred, got)
			require.Nil(t, q.Running)
			require.Equal(t, tt.cools, q.Undone != nil && q.Undone.At.Equal(noon()))
		})
	}
	t.Run("the newest fifty are remembered", func(t *testing.T) {
		var q decide.Queue
		for i := range 60 {
			q.Running = new(job(fmt.Sprint(i)))
			q = decide.Learn(q, decide.End{Fate: decide.TakenBack, At: noon()})
		}
		require.Len(t, q.Quarantine, 50)
		require.Equal(t, "image-59", q.Quarantine[49].Image)
	})
}

func TestHeldIsTheLongestThatNobodyHasLifted(t *testing.T) {
	freeze := func(hours int) decide.Hold {
		return decide.Hold{Kind: decide.Freeze, Until: noon().Add(time.Duration(hours) * time.Hour), Reason: fmt.Sprint(hours)}
	}
	line := decide.Hold{Kind: decide.Stop, Reason: "outage"}
	tests := map[string]struct {
		holds, lifted []decide.Hold
		want          decide.Hold
		held          bool
	}{
		"nothing":                            {},
		"over":                               {holds: []decide.Hold{freeze(0), freeze(-1)}},
		"the longest":                        {holds: []decide.Hold{freeze(1), freeze(3), freeze(2)}, want: freeze(3), held: true},
		"a stop is longest":                  {holds: []decide.Hold{freeze(1), line, freeze(3)}, want: line, held: true},
		"lifted":                             {holds: []decide.Hold{freeze(1)}, lifted: []decide.Hold{freeze(1)}},
		"a later one holds again":            {holds: []decide.Hold{freeze(1), freeze(2)}, lifted: []decide.Hold{freeze(1)}, want: freeze(2), held: true},
		"a lifted stop leaves what is under": {holds: []decide.Hold{line, freeze(1)}, lifted: []decide.Hold{line}, want: freeze(1), held: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, held := decide.Held(tt.holds, tt.lifted, noon())
			require.Equal(t, tt.held, held)
			require.Empty(t, cmp.Diff(tt.want, got))
		})
	}
}

// anyJob is one of few images, so that the same comes again.
func anyJob(t *rapid.T, id string) decide.Job {
	j := decide.Job{ID: id, Image: rapid.SampledFrom([]string{"p", "q", "r", "s"}).Draw(t, "image"), By: "alice", CoolDown: plan.Duration(10 * time.Minute)}
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		j.Hotfix = true
	case 1:
		j.Rollback = true
	case 2:
		j.Override = "we know"
	case 3:
		j.OverrideFreeze = "we know"
	}
	return j
}

func TestALaneLosesNothingAndStartsNothingThatItMayNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q decide.Queue
		now := noon()
		for i := range rapid.IntRange(1, 40).Draw(t, "turns") {
			now = now.Add(time.Duration(rapid.IntRange(0, 15).Draw(t, "minutes")) * time.Minute)
			if rapid.Bool().Draw(t, "comes") {
				j := anyJob(t, fmt.Sprint(i))
				newer := rapid.SampledFrom([]string{plan.NewerCoalesce, plan.NewerQueue, plan.NewerSupersede}).Draw(t, "newer")
				a := decide.Admit(q, j, plan.Lane{Newer: newer, MaxQueue: 3}, now)
				accounted(t, q, j, a)
				if a.Refusal == "" && a.Same == nil {
					q.Waiting = a.Waiting
				}
			}
			if q.Running != nil && rapid.Bool().Draw(t, "ends") {
				q = decide.Learn(q, decide.End{
					Fate: rapid.SampledFrom([]decide.Fate{decide.Promoted, decide.TakenBack, decide.Left}).Draw(t, "fate"), Replaced: "old", At: now,
				})
			}
			var holds map[string]decide.Hold
			if rapid.Bool().Draw(t, "frozen") {
				holds = map[string]decide.Hold{}
				for _, w := range q.Waiting {
					holds[w.ID] = decide.Hold{Kind: decide.Freeze, Until: now.Add(time.Hour)}
				}
			}
			q = step(t, q, holds, now)
		}
	})
}

// accounted checks that everybody is somewhere, once.
func accounted(t *rapid.T, q decide.Queue, j decide.Job, a decide.Admission) {
	if a.Refusal != "" || a.Same != nil {
		return
	}
	want := append(ids(q.Waiting), j.ID)
	got := ids(a.Waiting)
	for _, d := range a.Dropped {
		got = append(got, d.Job.ID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Fatalf("came %v, left %v", want, got)
	}
	if len(a.Waiting) > 3+5 {
		t.Fatalf("%d wait", len(a.Waiting))
	}
}

// step takes the next move and checks that it was allowed.
func step(t *rapid.T, q decide.Queue, holds map[string]decide.Hold, now time.Time) decide.Queue {
	m := decide.Next(q, holds, now)
	id := m.Start
	if m.Drop != nil {
		id = m.Drop.Job.ID
	}
	i := slices.IndexFunc(q.Waiting, func(j decide.Job) bool { return j.ID == id })
	if i < 0 {
		if q.Running == nil && len(q.Waiting) > 0 && m.Why == "" {
			t.Fatalf("%v wait for nothing", ids(q.Waiting))
		}
		return q
	}
	j := q.Waiting[i]
	if m.Start != "" {
		if q.Running != nil {
			t.Fatalf("%s started beside %s", j.ID, q.Running.ID)
		}
		if _, held := holds[j.ID]; held && !j.Rollback && j.OverrideFreeze == "" {
			t.Fatalf("%s started in a freeze", j.ID)
		}
		inQuarantine := slices.ContainsFunc(q.Quarantine, func(o decide.Quarantined) bool { return o.Image == j.Image })
		if inQuarantine && j.Override == "" {
			t.Fatalf("%s started from quarantine", j.ID)
		}
		if u := q.Undone; u != nil && !j.Rollback && j.Override == "" && now.Sub(u.At) < 10*time.Minute {
			t.Fatalf("%s started in the cool-down", j.ID)
		}
		q.Running = &j
	}
	q.Waiting = slices.Delete(slices.Clone(q.Waiting), i, i+1)
	return q
}
