// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// The memo of a release: what a list shows without asking the release itself.
const (
	MemoID    = activities.MemoID
	MemoImage = activities.MemoImage
	MemoBy    = activities.MemoBy
)

// ReleaseID is the workflow ID that all releases of a lane share, so that Temporal itself lets only one
// run at a time.
func ReleaseID(environment, service string) string { return environment + "/" + service }

// LaneID is the workflow ID of a lane. A release cannot have it: its ID has one slash.
func LaneID(environment, service string) string { return "lane/" + ReleaseID(environment, service) }

// EnvironmentID is the workflow ID of an environment.
func EnvironmentID(environment string) string { return activities.EnvironmentID(environment) }

// The names of what a lane and an environment can be told, each an update, and of the query that each
// answers with its status.
const (
	// Submit hands a lane a Submission and returns a Place.
	Submit = activities.SubmitUpdate
	// Withdraw takes a release that waits out of a lane; it carries a Withdrawal.
	Withdraw = "withdraw"
	// FreezeLane carries a decide.Hold to a lane or an environment, Thaw a Thawing. Both return how many
	// lanes have heard of it.
	FreezeLane = "freeze"
	Thaw       = "thaw"
	// LaneQuery returns a LaneStatus, EnvironmentQuery an EnvironmentStatus.
	LaneQuery        = "lane"
	EnvironmentQuery = activities.EnvironmentQuery
)

// Submission is a release for a lane.
type Submission struct {
	// Workflow that carries it out.
	Workflow string    `json:"workflow"`
	Release  ReleaseIn `json:"release"`
	// PlanHash tells two plans apart.
	PlanHash string `json:"planHash,omitempty"`
	// Revision of the workload that a RolloutUndo brings back, 0 for the one before the present. The release
	// has no image then.
	Revision int64 `json:"revision,omitempty"`
	Hotfix   bool  `json:"hotfix,omitempty"`
	// Override says why quarantine and cool-down do not count; empty: they do.
	Override string `json:"override,omitempty"`
	// Event is when what triggered it began; zero for what a person asks for. EventFrom is the kind of it.
	Event     time.Time `json:"event,omitzero"`
	EventFrom string    `json:"eventFrom,omitempty"`
}

// Withdrawal takes a release that waits out of its lane.
type Withdrawal struct {
	ID     string `json:"id"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Thawing ends the holds of one kind.
type Thawing struct {
	Kind   decide.HoldKind `json:"kind"`
	By     string          `json:"by"`
	Reason string          `json:"reason,omitempty"`
}

// The states of a place.
const (
	PlaceStarted = "started"
	PlaceQueued  = "queued"
	// PlaceEnded is that of a release which has been here before.
	PlaceEnded = "ended"
)

// Place is where a release stands in its lane.
type Place struct {
	// ID of the release. It is another one than was submitted where the same release was there already.
	ID    string `json:"id"`
	State string `json:"state"`
	// Position from 1 among those that wait; 0 when it has started.
	Position int `json:"position,omitempty"`
	// Reason why it waits.
	Reason string `json:"reason,omitempty"`
	// Same is true where nothing was added, because this very release was there already.
	Same bool `json:"same,omitempty"`
}

// LaneIn starts a lane, or goes on with what one knew.
type LaneIn struct {
	Environment string `json:"environment"`
	Service     string `json:"service"`
	// State of a lane that continues as new.
	State *LaneState `json:"state,omitempty"`
}

// LaneState is everything that a lane knows.
type LaneState struct {
	Status LaneStatus `json:"status"`
	// Submissions of those that wait, by their ID.
	Submissions map[string]Submission `json:"submissions"`
	// Told is false while the release that runs has not heard of all holds.
	Told bool `json:"told"`
}

// LaneStatus is everything a screen needs to show a lane.
type LaneStatus struct {
	Environment string `json:"environment"`
	Service     string `json:"service"`
	decide.Queue
	// Run is Temporal's name of the release that runs.
	Run string `json:"run,omitempty"`
	// Why nothing starts, and Until when that ends by itself.
	Why   string    `json:"why,omitempty"`
	Until time.Time `json:"until,omitzero"`
	// Freezes are those of this lane alone, Above those of its environment.
	Freezes []decide.Hold    `json:"freezes"`
	Above   activities.Holds `json:"above"`
	// Ends are the newest releases that have left the lane, newest last.
	Ends []LaneEnd `json:"ends"`
	// Log says who did what to the lane, newest last.
	Log []Event `json:"log"`
}

// LaneEnd is how a release left its lane.
type LaneEnd struct {
	ID    string `json:"id"`
	Image string `json:"image"`
	By    string `json:"by"`
	Phase Phase  `json:"phase"`
	// Run is Temporal's name of it; empty for one that never ran.
	Run     string    `json:"run,omitempty"`
	Outcome string    `json:"outcome"`
	At      time.Time `json:"at"`
}

// laneOf is what a plan says of its lane. A plan without it was not filled with its defaults.
func laneOf(p plan.Plan) plan.Lane {
	if l := p.Spec.Lane; l != nil {
		return *l
	}
	return plan.Lane{Newer: plan.NewerCoalesce, MaxQueue: 1}
}
