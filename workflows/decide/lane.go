// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// urgentRoom is how many hotfixes and rollbacks may wait beyond a full queue.
const urgentRoom = 5

// maxQuarantine is how many digests a lane remembers.
const maxQuarantine = 50

// Job is a release that a lane was given.
type Job struct {
	ID    string `json:"id"`
	Image string `json:"image"`
	// Plan is a hash of everything but the image: the same image by the same plan is the same release.
	Plan  string    `json:"plan,omitempty"`
	By    string    `json:"by"`
	Since time.Time `json:"since"`
	// Hotfix goes before everything else and ends what runs; a Rollback goes before everything that waits.
	Hotfix   bool `json:"hotfix,omitempty"`
	Rollback bool `json:"rollback,omitempty"`
	// Override says why quarantine and cool-down do not count, OverrideFreeze why freezes and stops do
	// not. Empty: they count.
	Override       string `json:"override,omitempty"`
	OverrideFreeze string `json:"overrideFreeze,omitempty"`
	// CoolDown of its plan.
	CoolDown plan.Duration `json:"coolDown,omitempty"`
	// Event is when what triggered it began; zero for what a person asks for. EventFrom is the kind of it: the
	// times of two kinds are not compared, since one may be of a beginning and the other of an end.
	Event     time.Time `json:"event,omitzero"`
	EventFrom string    `json:"eventFrom,omitempty"`
}

func (j Job) urgent() bool { return j.Hotfix || j.Rollback }

// Quarantined is an image that was taken back, and how.
type Quarantined struct {
	Image   string    `json:"image"`
	Release string    `json:"release"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// Queue is what a lane knows, as far as decisions need it.
type Queue struct {
	Running *Job  `json:"running,omitempty"`
	Waiting []Job `json:"waiting"`
	// Quarantine is bounded; newest last.
	Quarantine []Quarantined `json:"quarantine"`
	// Undone is the newest undo or rollback; a cool-down counts from it.
	Undone *Quarantined `json:"undone,omitempty"`
	// Serves is what was promoted last. NewestEvent is that of all that has come in, by its kind.
	Serves      *Job   `json:"serves,omitempty"`
	NewestEvent Newest `json:"newestEvent,omitzero"`
}

// Newest is the event that began last, and its kind.
type Newest struct {
	At   time.Time `json:"at,omitzero"`
	From string    `json:"from,omitempty"`
}

// Yield tells the release that runs to make room for another one.
type Yield struct {
	// To is the ID of the other release, By who asked for it.
	To string `json:"to"`
	By string `json:"by"`
	// Anyway is true for a hotfix; else a release that has passed a gate goes on.
	Anyway bool `json:"anyway,omitempty"`
}

// Dropped is a job that never ran, and why.
type Dropped struct {
	Job Job
	Why string
}

// Admission is the answer to a job that wants to enter a lane.
type Admission struct {
	// Refusal says why not; empty: it enters.
	Refusal string
	// Same is the job that is this very release already, running or waiting: nothing enters.
	Same *Job
	// Serves is true where Same is what serves now.
	Serves bool
	// Waiting is the new queue, Dropped what is no longer in it, Yield what the release that runs is told.
	Waiting []Job
	Dropped []Dropped
	Yield   *Yield
	// NewestEvent is that of all that has come in.
	NewestEvent Newest
}

// Admit decides about a job that comes to a lane, by the plan that it brings.
func Admit(q Queue, j Job, l plan.Lane, now time.Time) Admission {
	if same := q.find(j); same != nil {
		return Admission{Same: same}
	}
	if q.serves(j) {
		return Admission{Same: q.Serves, Serves: true}
	}
	if why := q.outdated(j); why != "" {
		return Admission{Refusal: why}
	}
	if why := q.refuse(j, now); why != "" {
		return Admission{Refusal: why}
	}
	a := Admission{Waiting: slices.Clone(q.Waiting), NewestEvent: q.NewestEvent}
	if j.Event.After(q.NewestEvent.At) {
		a.NewestEvent = Newest{At: j.Event, From: j.EventFrom}
	}
	if l.Newer != plan.NewerQueue || j.urgent() {
		a.coalesce(j, l.Newer == plan.NewerQueue)
	}
	room := l.MaxQueue
	if j.urgent() {
		room += urgentRoom
	}
	if len(a.Waiting) >= room {
		return Admission{Refusal: fmt.Sprintf("%d releases wait already, and the plan lets no more; wait, or abort some", len(a.Waiting))}
	}
	a.Waiting = slices.Insert(a.Waiting, place(a.Waiting, j), j)
	if r := q.Running; r != nil && !r.Rollback && (j.Hotfix || l.Newer == plan.NewerSupersede && !j.urgent() && !r.urgent()) {
		a.Yield = &Yield{To: j.ID, By: j.By, Anyway: j.Hotfix}
	}
	return a
}

// find looks for the same release. A hotfix is not the same as one that only waits: it is in a hurry.
func (q Queue) find(j Job) *Job {
	same := func(o Job) bool {
		return o.ID == j.ID || o.Image == j.Image && o.Plan == j.Plan && o.Rollback == j.Rollback
	}
	if q.Running != nil && same(*q.Running) {
		return q.Running
	}
	for i, o := range q.Waiting {
		if same(o) && o.Hotfix == j.Hotfix {
			return &q.Waiting[i]
		}
	}
	return nil
}

// serves reports whether an event asks for what serves already. A person who asks for that means it.
func (q Queue) serves(j Job) bool {
	return !j.Event.IsZero() && q.Serves != nil && q.Running == nil && len(q.Waiting) == 0 &&
		q.Serves.Image == j.Image && q.Serves.Plan == j.Plan
}

// outdated says why an event comes too late: a newer one of its kind has been here, and nothing goes back by
// itself.
func (q Queue) outdated(j Job) string {
	if j.Event.IsZero() || j.EventFrom != q.NewestEvent.From || !j.Event.Before(q.NewestEvent.At) {
		return ""
	}
	return fmt.Sprintf("the event of %s comes after the newer one of %s, which has been taken; release the image by hand if it is wanted all the same",
		stamp(j.Event), stamp(q.NewestEvent.At))
}

// refuse says why a job needs an override that it does not have.
func (q Queue) refuse(j Job, now time.Time) string {
	if j.Override != "" {
		return ""
	}
	if was, ok := q.quarantined(j.Image); ok {
		return fmt.Sprintf("%s is in quarantine: release %s of it was taken back on %s (%s). Release a fixed image, or say why this one is good now: --override REASON",
			j.Image, was.Release, stamp(was.At), was.Why)
	}
	if until := q.coolUntil(j); now.Before(until) {
		return fmt.Sprintf("release %s was taken back on %s (%s), and a fix in a hurry is the next outage: wait until %s, or say why this one is good: --override REASON",
			q.Undone.Release, stamp(q.Undone.At), q.Undone.Why, stamp(until))
	}
	return ""
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

func (q Queue) quarantined(image string) (Quarantined, bool) {
	i := slices.IndexFunc(q.Quarantine, func(o Quarantined) bool { return o.Image == image })
	if i < 0 {
		return Quarantined{}, false
	}
	return q.Quarantine[i], true
}

// coolUntil is when the cool-down ends for a job; the zero time where there is none.
func (q Queue) coolUntil(j Job) time.Time {
	if q.Undone == nil || j.Rollback || j.Override != "" {
		return time.Time{}
	}
	return q.Undone.At.Add(j.CoolDown.D())
}

// coalesce drops what a newer job makes needless: everything that is not urgent, or where each has its
// turn only what is the same image.
func (a *Admission) coalesce(j Job, onlySame bool) {
	kept := a.Waiting[:0:0]
	for _, o := range a.Waiting {
		if o.urgent() && o.Image != j.Image || onlySame && o.Image != j.Image {
			kept = append(kept, o)
			continue
		}
		a.Dropped = append(a.Dropped, Dropped{Job: o, Why: fmt.Sprintf("superseded by %s of %s, which %s asked for", j.ID, j.Image, j.By)})
	}
	a.Waiting = kept
}

// place is where a job enters: an urgent one behind the urgent ones that wait already.
func place(waiting []Job, j Job) int {
	if !j.urgent() {
		return len(waiting)
	}
	for i, o := range waiting {
		if !o.urgent() {
			return i
		}
	}
	return len(waiting)
}

// Move is what a lane does next.
type Move struct {
	// Start is the ID of the job whose turn it is; empty: none.
	Start string
	// Until is when to look again though nothing happens; zero: never.
	Until time.Time
	// Why nothing starts, in plain words; empty when nothing waits.
	Why string
	// Drop is a job that can no longer start.
	Drop *Dropped
}

// Next decides which job starts now. Holds are those of each job, by its ID: the plan of each has
// freezes of its own. A job that nothing holds may overtake one that waits for a freeze to end.
func Next(q Queue, holds map[string]Hold, now time.Time) Move {
	if q.Running != nil {
		return Move{Why: q.Running.ID + " runs"}
	}
	var m Move
	for _, j := range q.Waiting {
		if was, ok := q.quarantined(j.Image); ok && j.Override == "" {
			return Move{Drop: &Dropped{Job: j, Why: fmt.Sprintf("its image is in quarantine since release %s was taken back: %s", was.Release, was.Why)}}
		}
		until, why := q.blocked(j, holds[j.ID], now)
		if why == "" {
			return Move{Start: j.ID}
		}
		if m.Why == "" {
			m.Why = why
		}
		if !until.IsZero() && (m.Until.IsZero() || until.Before(m.Until)) {
			m.Until = until
		}
	}
	return m
}

// blocked says why a job may not start yet, and until when; the zero time where a person ends it.
func (q Queue) blocked(j Job, h Hold, now time.Time) (time.Time, string) {
	if h.Kind != "" && !j.Rollback && j.OverrideFreeze == "" {
		return h.Until, h.String()
	}
	if until := q.coolUntil(j); now.Before(until) {
		return until, fmt.Sprintf("cooling down until %s, since release %s was taken back", stamp(until), q.Undone.Release)
	}
	return time.Time{}, ""
}

// Fate is how a release ended, as far as its lane cares.
type Fate string

// The fates.
const (
	// Promoted: its image serves.
	Promoted Fate = "promoted"
	// TakenBack: a verdict, a deadline or a person was against it.
	TakenBack Fate = "taken back"
	// Left: it made room for another one, changed nothing, or nobody knows: that says nothing of its image.
	Left Fate = "left"
)

// End is the end of the release that ran.
type End struct {
	Fate Fate
	// Replaced is the image that served before.
	Replaced string
	Why      string
	At       time.Time
}

// Learn is the queue after the release that ran has ended: an image that was taken back, or that a
// rollback has left behind, is in quarantine; one that serves no longer is.
func Learn(q Queue, e End) Queue {
	j := *q.Running
	q.Running = nil
	if e.Fate == Promoted {
		q.Serves = &j
	}
	switch {
	case e.Fate == TakenBack:
		return q.isolate(Quarantined{Image: j.Image, Release: j.ID, Why: e.Why, At: e.At})
	case e.Fate == Promoted && j.Rollback && e.Replaced != j.Image: // an undo may bring the same image back
		q = q.release(j.Image)
		return q.isolate(Quarantined{Image: e.Replaced, Release: j.ID, Why: "rolled back by " + j.By, At: e.At})
	case e.Fate == Promoted:
		return q.release(j.Image)
	}
	return q
}

func (q Queue) release(image string) Queue {
	q.Quarantine = slices.DeleteFunc(slices.Clone(q.Quarantine), func(o Quarantined) bool { return o.Image == image })
	return q
}

func (q Queue) isolate(o Quarantined) Queue {
	q = q.release(o.Image)
	q.Quarantine = append(q.Quarantine, o)
	if extra := len(q.Quarantine) - maxQuarantine; extra > 0 {
		q.Quarantine = q.Quarantine[extra:]
	}
	q.Undone = &o
	return q
}
