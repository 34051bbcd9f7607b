// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities"
)

// The images of the world.
const (
	OldImage = "registry.example/checkout@sha256:0000000000000000000000000000000000000000000000000000000000000001"
	NewImage = "registry.example/checkout@sha256:0000000000000000000000000000000000000000000000000000000000000002"
)

// The objects of the world. Stable serves when a world begins.
const (
	Stable    = "checkout"
	Candidate = "checkout-green"
	Replicas  = 3
	// Both is what the root Service selects while it reaches both tracks.
	Both = "both tracks"
)

// Op is one call of the world, for [World.Fail] and [World.OnCall].
type Op string

// The calls.
const (
	Inspect     Op = "inspect"
	TakeFence   Op = "take fence"
	CloseRecord Op = "close record"
	Deploy      Op = "deploy"
	Size        Op = "size"
	Resize      Op = "resize"
	Readiness   Op = "readiness"
	Switch      Op = "switch"
	Retire      Op = "retire"
	ReadRoute   Op = "read route"
	SetWeight   Op = "set weight"
	Verify      Op = "verify"
	Check       Op = "check metrics"
	Measure     Op = "measure"
	Preview     Op = "preview"
	// ReadPreview asks at preflight whether testers can be told apart.
	ReadPreview Op = "read preview"
	Probe       Op = "probe"
	Confirm     Op = "confirm"
	Find        Op = "find rollout"
	Roll        Op = "roll"
	Look        Op = "look at rollout"
	HandBack    Op = "hand back"
	// LookForEdits and TakeBack are calls of a Keeper.
	LookForEdits Op = "look for edits"
	TakeBack     Op = "take back"
	// Mirror copies requests, ReadMirror asks at preflight whether they can be.
	Mirror     Op = "mirror"
	ReadMirror Op = "read mirror"
	// InspectJobs, MakeJob, LookAtJob and DeleteJob are those of checks.
	InspectJobs Op = "inspect jobs"
	MakeJob     Op = "make job"
	LookAtJob   Op = "look at job"
	DeleteJob   Op = "delete job"
)

// Track is one Deployment.
type Track struct {
	Image string
	Size  int32
}

// State is everything a release can change. Two states are compared to see that nothing was left behind.
type State struct {
	// Tracks by the Deployment's name.
	Tracks map[string]Track
	// Services that exist beside the root Service.
	Services []string
	// Serving is the track that the root Service selects, or Both.
	Serving string
	// Weight of the candidate in the router.
	Weight int
	// Preview is true while testers have a route of their own.
	Preview bool
	// Mirror is the percentage of requests of which the candidate gets a copy.
	Mirror int
	// Jobs of checks that are there.
	Jobs []string
	// Rollout is how far the first track's own pods have been replaced.
	Rollout Rollout
}

// World is the fake production. Its exported fields are set before a test begins.
type World struct {
	// ReadyAfter is how long a new track takes to become ready; negative: it never does.
	ReadyAfter time.Duration
	// StuckFrom is the size from which on new pods of the candidate never become ready; 0: all do.
	StuckFrom int32
	// SettleAfter is how long the router takes to serve a weight; negative: it never does.
	SettleAfter time.Duration
	// SettleRefused are weights that the router never serves.
	SettleRefused []int
	// BadFromWeight makes the candidate fail requests from that weight on; 0: never.
	BadFromWeight int
	// BadCopies makes the candidate fail copies of requests.
	BadCopies bool
	// BadFrom makes the candidate fail requests from that time after the beginning; 0: never.
	BadFrom time.Duration
	// QuietFrom stops all requests at that time after the beginning; 0: never.
	QuietFrom time.Duration
	// Bake is how long the old track must stay after the candidate has got everything.
	Bake time.Duration
	// MaxSurge and MaxUnavailable are how many pods a rollout may have above the size and missing from it.
	MaxSurge, MaxUnavailable int
	// BadAnswers is how many requests of checks the candidate answers with 500; negative: all.
	BadAnswers int
	// NoCronJob is true where the CronJob of a check does not exist. JobTakes is how long its Job runs, negative: for
	// ever; BadJob makes it fail then.
	NoCronJob bool
	JobTakes  time.Duration
	BadJob    bool
	// ConfirmsFrom is when another system begins to say yes, after the beginning; negative: never.
	ConfirmsFrom time.Duration
	// GoneFrom takes the candidate's pods away at that time after the beginning; 0: never.
	GoneFrom time.Duration
	// RestartsFrom makes a container of the candidate end and start again every five minutes from that time
	// after the beginning on; 0: never.
	RestartsFrom time.Duration
	// SlowTrack never becomes ready with the new version.
	SlowTrack string
	// Notes are what preflight finds around the tracks.
	Notes []string
	// Autoscaler scales the tracks; empty: nobody does.
	Autoscaler string
	// Keeper finds what somebody else has made of what a release holds; nil: nobody touches it.
	Keeper activities.Keeper
	// Grace is how long pods may have been missing before requests that are sent to them are a violation.
	Grace time.Duration
	// Late is true while a write arrives that was sent long ago: what was true then need not be true now.
	Late bool
	// OnCall, if set, sees every call before it is answered.
	OnCall func(Op)

	// turn is held by the one activity that runs.
	turn sync.Mutex

	// first serves when the world begins, second is its candidate.
	first, second string

	mu    sync.Mutex
	state State
	began time.Time
	now   func() time.Time
	ahead time.Duration
	looks int
	fence int64
	// holder is the release that took the fence last.
	holder   string
	fences   map[string]activities.Fence
	safe     *activities.SafeState
	deployed map[string]time.Time
	// sized is when the candidate was sized last, small how many pods it had before.
	sized   time.Time
	small   int32
	shifted time.Time
	// reached is when requests were last led to a track.
	reached map[string]time.Time
	// wrote is the weight that a release has set last.
	wrote  int
	full   time.Time
	young  young
	losses []loss
	// jobs are the releases whose Jobs are there, ran when each Job that ever was has been made.
	jobs map[string]string
	ran  map[string]time.Time
	// scaled is the size that somebody has given a track by hand.
	scaled map[string]int32
	// edited is when somebody has edited by hand last.
	edited   time.Time
	calls    map[Op]int
	faults   map[Op]map[int]error
	timeline []string
	wrong    []string
	asked    string
}

// New is a world in which the old version serves.
func New() *World {
	began := time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	return &World{
		ReadyAfter: 20 * time.Second, SettleAfter: time.Second, JobTakes: 4 * time.Second, MaxSurge: 1,
		first: Stable, second: Candidate,
		began: began, now: func() time.Time { return began },
		state:  State{Tracks: map[string]Track{Stable: {OldImage, Replicas}}, Serving: Stable},
		fences: map[string]activities.Fence{}, deployed: map[string]time.Time{}, reached: map[string]time.Time{}, scaled: map[string]int32{}, jobs: map[string]string{}, ran: map[string]time.Time{}, calls: map[Op]int{}, faults: map[Op]map[int]error{},
	}
}

// Swapped is a world in which a release was promoted: the new version serves from the green track.
func Swapped() *World {
	w := New()
	w.first, w.second = Candidate, Stable
	w.state = State{
		Tracks:   map[string]Track{Stable: {Image: OldImage}, Candidate: {NewImage, Replicas}},
		Services: []string{service(Candidate)}, Serving: Candidate,
	}
	return w
}

// Fail makes the n-th call of op, from 1, return err before it has any effect; n = 0 makes every call.
func (w *World) Fail(op Op, n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.faults[op] == nil {
		w.faults[op] = map[int]error{}
	}
	w.faults[op][n] = err
}

// Heal ends what Fail has begun.
func (w *World) Heal(op Op) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.faults, op)
}

// Scale is somebody who scales a track by hand.
func (w *World) Scale(track string, size int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.state.Tracks[track]
	t.Size = size
	w.state.Tracks[track], w.scaled[track] = t, size
}

// State is a copy of the present one.
func (w *World) State() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.state
	s.Tracks, s.Services, s.Jobs = maps.Clone(s.Tracks), append([]string(nil), s.Services...), slices.Sorted(maps.Keys(w.jobs))
	return s
}

// SafeState is the record as it is kept now; nil before the first.
func (w *World) SafeState() *activities.SafeState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.safe
}

// Timeline is every effect so far, each with its time since the beginning.
func (w *World) Timeline() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.timeline)
}

// Violations are the moments at which something happened that no release may do: a weight outside 0 to
// 100, requests sent to pods that are not ready or to a track that is gone, everybody sent to a candidate
// that is smaller than stable, the candidate removed while it gets requests of users or testers, or copies of
// them, a track removed before the requests that it got could end, more of them sent to it than its pods are for,
// requests sent to it while others are copied to it, the old track scaled down or overwritten while it serves or before
// the bake is over, a check's Job beside another or run twice, more pods above or missing in a rollout than may be, and a rollout let go before all its
// pods are ready and have baked.
func (w *World) Violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.wrong)
}

// Calls is how often op was called.
func (w *World) Calls(op Op) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[op]
}

// Elapsed is the fake time since the beginning.
func (w *World) Elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.elapsed()
}

func (w *World) time() time.Time        { return w.now().Add(w.ahead) }
func (w *World) elapsed() time.Duration { return w.time().Sub(w.began) }

// enter counts a call and returns the fault that it was told to meet.
func (w *World) enter(op Op) error {
	if w.OnCall != nil {
		w.OnCall(op)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[op]++
	if err, ok := w.faults[op][w.calls[op]]; ok {
		return err
	}
	return w.faults[op][0]
}

// did adds an effect to the timeline.
func (w *World) did(format string, args ...any) {
	w.timeline = append(w.timeline, w.elapsed().String()+"  "+fmt.Sprintf(format, args...))
}

func (w *World) violate(format string, args ...any) {
	w.wrong = append(w.wrong, w.elapsed().String()+"  "+fmt.Sprintf(format, args...))
}
