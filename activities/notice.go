// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Origin is where a release comes from. All of it may be empty: a release needs none.
type Origin struct {
	// Repository as its host names it, such as acme/checkout, or group/subgroup/checkout.
	Repository string `json:"repository,omitempty"`
	// Commit is the full hash.
	Commit string `json:"commit,omitempty"`
	// URL of what asked for the release, such as a pipeline's run.
	URL string `json:"url,omitempty"`
	// Run is the number of a workflow run of GitHub of which a job waits for the outcome of the release, and
	// Environment the one of GitHub that it waits to enter. Zero: no job waits.
	Run         int64  `json:"run,omitempty"`
	Environment string `json:"environment,omitempty"`
}

// Notice is one thing that a release tells. There is no secret in it, and no address: receivers are named.
type Notice struct {
	// Key is "<release>/<event>/<step>", with "-2" and so on behind it where a step tells the same again. It
	// is the same for every attempt and every receiver.
	Key      string        `json:"key"`
	Event    plan.Event    `json:"event"`
	Severity plan.Severity `json:"severity"`
	At       time.Time     `json:"at"`

	Release     string `json:"release"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	Namespace   string `json:"namespace"`
	Strategy    string `json:"strategy"`
	Image       string `json:"image"`
	RequestedBy string `json:"requestedBy"`
	Source      Origin `json:"source,omitzero"`

	// Weight is the candidate's share of requests, in percent. Step counts from 1, 0 before the first one.
	Weight int `json:"weight"`
	Step   int `json:"step"`
	Steps  int `json:"steps"`
	// Text says in plain words what happened, or what is waited for.
	Text string `json:"text"`
	// Owner is who can end a wait, Deadline when it ends by itself, and AtDeadline with what outcome.
	Owner      string    `json:"owner,omitempty"`
	Deadline   time.Time `json:"deadline,omitzero"`
	AtDeadline string    `json:"atDeadline,omitempty"`
}

// Message is a notice on its way to one receiver.
type Message struct {
	Notice
	// Link to the release in Temporal's UI; empty where the worker does not know that.
	Link string `json:"link,omitempty"`
	// Closing says that the receiver did not ask for this event, but was told before that the release waits:
	// it hears of this one so that what it has opened can be closed.
	Closing bool `json:"closing,omitempty"`
}

// Title is the message in one line, without its reasons.
func (m Message) Title() string {
	what := map[plan.Event]string{
		plan.Started: "is being released by " + m.Strategy, plan.StepPassed: "passed a step", plan.GateWaits: "waits for people",
		plan.Held: "is held", plan.Promoted: "was released", plan.Undone: "was taken back",
		plan.Failed: "was not released", plan.NeedsPerson: "needs a person",
	}[m.Event]
	return m.Service + " in " + m.Environment + " " + what
}
