// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Task queues. Watches and messages have queues of their own, so that no number of them delays an abort.
const (
	TaskQueue       = "slipway"
	WatchTaskQueue  = "slipway-watch"
	NotifyTaskQueue = "slipway-notify"
)

// StatusQuery returns a Status.
const StatusQuery = "status"

// NoticesQuery takes a number and returns the activities.Notices after the first so many.
const NoticesQuery = activities.NoticesQuery

// The names of what people and machines can tell a release. Each is a signal for senders that cannot
// wait and an update, with a validator, for those that can. Both carry a Command.
const (
	Approve = "approve"
	// Reject answers what a release asks for with a no: it is undone.
	Reject  = "reject"
	Abort   = "abort"
	Pause   = "pause"
	Resume  = "resume"
	Promote = "promote"
	// Override lifts the freezes and stops of that moment off a release.
	Override = "override"
)

// The signals that only a lane sends to its release: HoldsSignal carries a Held, YieldSignal a
// decide.Yield.
const (
	HoldsSignal = activities.HoldsSignal
	YieldSignal = "yield"
)

// Held is everything that holds a release now, beside the freezes of its plan.
type Held struct {
	Holds []decide.Hold `json:"holds"`
}

// Command is what a person or a machine tells a release.
type Command struct {
	// ID makes a command count once, however often it arrives.
	ID string `json:"id,omitempty"`
	// By is who says it.
	By string `json:"by,omitempty"`
	// Reason in plain words; needed for an abort, a reject and an override.
	Reason string `json:"reason,omitempty"`
	// Edits says, with a resume, what becomes of what somebody else has changed: EditsKeep or EditsTakeBack.
	Edits string `json:"edits,omitempty"`
	// Release it is meant for; empty: whichever runs.
	Release string `json:"release,omitempty"`
	// Statement is what a server that knows the person has signed. Its ID, person and reason take the place of
	// those above. See [NeedsStatement].
	Statement *statement.Signed `json:"statement,omitempty"`

	// verified says that By is true.
	verified bool
}

// NeedsStatement reports whether a command counts only with a statement: those by which a release goes further than
// its plan lets it go by itself, and those that answer for people. What makes a release safer is obeyed at once,
// whoever says so; a name that no statement vouches for is kept as unverified.
func NeedsStatement(command string) bool {
	return slices.Contains([]string{Approve, Reject, Promote, Override}, command)
}

// Workflow is the name of the workflow that carries a plan's strategy out.
func Workflow(s plan.Strategy) string {
	switch s.Name() {
	case plan.StrategyCanary:
		return "Canary"
	case plan.StrategyBlueGreen:
		return "BlueGreen"
	case plan.StrategyRolling:
		return "Rolling"
	}
	return ""
}

// ReleaseIn starts a release. The plan is complete and the image pinned to a digest: nothing is looked
// up at run time.
type ReleaseIn struct {
	ID          string    `json:"id"`
	Plan        plan.Plan `json:"plan"`
	Image       string    `json:"image"`
	RequestedBy string    `json:"requestedBy"`
	// PlanHash is the SHA-256 of the plan as JSON, in hexadecimal digits. Decisions are bound to it.
	PlanHash string `json:"planHash,omitempty"`
	// Holds are the freezes and stops of the moment at which it began. OverrideFreeze says why they do not
	// count, if they do not.
	Holds          []decide.Hold `json:"holds,omitempty"`
	OverrideFreeze string        `json:"overrideFreeze,omitempty"`
	// Source is where it comes from, for those who are told of it.
	Source Source `json:"source,omitzero"`
}

// UndoIn starts an undo of a workload that is replaced in place: see [RolloutUndo].
type UndoIn struct {
	ID       string    `json:"id"`
	Plan     plan.Plan `json:"plan"`
	PlanHash string    `json:"planHash,omitempty"`
	// Revision to go back to, as `kubectl rollout history` numbers them; 0: the one before the present.
	Revision    int64  `json:"revision,omitempty"`
	RequestedBy string `json:"requestedBy"`
}

// Phase of a release.
type Phase string

// The phases in the order of a good release; the last five are ends.
const (
	Preflight Phase = "preflight"
	Deploying Phase = "deploying"
	Stepping  Phase = "stepping"
	Promoting Phase = "promoting"
	Baking    Phase = "baking"
	Retiring  Phase = "retiring"
	Undoing   Phase = "undoing"
	Promoted  Phase = "promoted"
	Undone    Phase = "undone"
	// Refused: preflight said no and nothing was changed.
	Refused Phase = "refused"
	// NeedsPerson: undo could not finish; Outcome says what is left to do.
	NeedsPerson Phase = "needs-person"
	// Superseded: it waited in its lane, and another one took its place before it began.
	Superseded Phase = "superseded"
)

// Ended reports whether the phase is an end.
func (p Phase) Ended() bool {
	return p == Promoted || p == Undone || p == Refused || p == NeedsPerson || p == Superseded
}

// Status is everything a screen needs to show a release.
type Status struct {
	ID          string `json:"id"`
	Service     string `json:"service"`
	Namespace   string `json:"namespace"`
	Environment string `json:"environment"`
	Strategy    string `json:"strategy"`
	Image       string `json:"image"`
	RequestedBy string `json:"requestedBy"`
	PlanHash    string `json:"planHash,omitempty"`
	// Source is where it comes from.
	Source Source `json:"source,omitzero"`
	// Workload is the kind of what is released, RootService what callers inside the cluster use, and Bake how
	// long the new version is watched alone.
	Workload    string        `json:"workload,omitempty"`
	RootService string        `json:"rootService,omitempty"`
	Bake        plan.Duration `json:"bake,omitempty"`
	// Chosen says why this strategy, where the plan left the choice to Slipway.
	Chosen []string `json:"chosen,omitempty"`

	Phase     Phase `json:"phase"`
	Weight    int   `json:"weight"`
	MaxWeight int   `json:"maxWeight"`
	// Step is the number of the present step, from 1; 0 before the first. Steps is how many there are.
	Step   int          `json:"step"`
	Steps  int          `json:"steps"`
	Track  []StepStatus `json:"track"`
	Paused bool         `json:"paused"`
	// Edits are what somebody else has changed of what the release holds, until a person has decided.
	Edits []string `json:"edits,omitempty"`
	// Held is the freeze or stop that the release waits for, if it does.
	Held *decide.Hold `json:"held,omitempty"`
	// Yielded is true for a release that was taken back to make room for another one.
	Yielded bool `json:"yielded,omitempty"`

	// Next is what happens next, Owner who does it ("slipway" or people) and Deadline when the wait
	// ends by itself, with AtDeadline as its outcome.
	Next       string    `json:"next"`
	Owner      string    `json:"owner"`
	Deadline   time.Time `json:"deadline,omitzero"`
	AtDeadline string    `json:"atDeadline,omitempty"`
	// Asks is the question that waits for people; nil while there is none.
	Asks *Question `json:"asks,omitempty"`

	Stable string `json:"stable,omitempty"`
	// Pods that stable had when the release began; 0 before it was looked at.
	Pods int `json:"pods,omitempty"`
	// StableImage is what stable ran when the release began: what a rollback of it brings back.
	StableImage string `json:"stableImage,omitempty"`
	Candidate   string `json:"candidate,omitempty"`

	Started time.Time `json:"started"`
	// BakeStarted is when the new version began to serve alone.
	BakeStarted time.Time `json:"bakeStarted,omitzero"`
	Ended       time.Time `json:"ended,omitzero"`
	// Outcome says in plain words how the release ended and why.
	Outcome string `json:"outcome,omitempty"`
	// Log is the story so far, oldest first.
	Log []Event `json:"log"`
}

// Where is the place in a release that a decision is about: the open question, or else the phase and the step.
func (s *Status) Where() string {
	if s.Asks != nil {
		return "question " + s.Asks.ID
	}
	return fmt.Sprintf("%s %d", s.Phase, s.Step)
}

// Digest is what a decision calls the image: its digest, or where it has none the whole reference.
func (s *Status) Digest() string {
	if _, digest, ok := strings.Cut(s.Image, "@"); ok {
		return digest
	}
	return s.Image
}

// Question is what people are asked.
type Question struct {
	// ID is the step, and how many questions the release has asked: "2.1".
	ID   string `json:"id"`
	Text string `json:"text"`
	// Approvers may answer; empty: everybody who was recognised. Those that begin with @ are groups.
	Approvers []string `json:"approvers,omitempty"`
	// Quorum is how many different people must say yes, Approvals those who have.
	Quorum    int      `json:"quorum"`
	Approvals []string `json:"approvals,omitempty"`
	// FourEyes keeps whoever has requested the release from approving it.
	FourEyes bool `json:"fourEyes,omitempty"`
	// Asked is when it was asked first.
	Asked time.Time `json:"asked"`
}

func (q *Question) answered() bool { return len(q.Approvals) >= q.Quorum }

// at is the step of a name. It is one of those that the release itself has made.
func (s *Status) at(name string) *StepStatus {
	return &s.Track[slices.IndexFunc(s.Track, func(t StepStatus) bool { return t.Name == name })]
}

// StepState is where a step stands.
type StepState string

// The states of a step; the last three are ends.
const (
	Pending  StepState = "pending"
	Shifting StepState = "shifting"
	Watching StepState = "watching"
	Asking   StepState = "asking"
	Passed   StepState = "passed"
	Failed   StepState = "failed"
	Skipped  StepState = "skipped"
)

// StepStatus is one step on the screen.
type StepStatus struct {
	// Name of a step that is not a weight.
	Name    string          `json:"name,omitempty"`
	Weight  int             `json:"weight"`
	Hold    plan.Duration   `json:"hold"`
	State   StepState       `json:"state"`
	Started time.Time       `json:"started,omitzero"`
	Ended   time.Time       `json:"ended,omitzero"`
	Verdict *decide.Verdict `json:"verdict,omitempty"`
}

// Event is one line of the story.
type Event struct {
	At time.Time `json:"at"`
	// Weight the candidate had at that moment.
	Weight int    `json:"weight"`
	Text   string `json:"text"`
}
