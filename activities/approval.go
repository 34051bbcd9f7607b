// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"github.com/slipwayhq/slipway/workflows/statement"
)

// VerifyDecisionIn asks whether a statement is good at a moment, which is the workflow's: the clock of the worker
// has no say.
type VerifyDecisionIn struct {
	Statement statement.Signed `json:"statement"`
	At        time.Time        `json:"at"`
}

// Vouched is what became of a statement. Not being believed is a value, not an error.
type Vouched struct {
	Believed bool `json:"believed"`
	// Reason why it is not believed, in plain words.
	Reason string `json:"reason,omitempty"`
	// Groups of whoever has decided.
	Groups []string `json:"groups,omitempty"`
}

// Approvals tell whose decisions count.
type Approvals struct {
	// Keys that are trusted; with none, nothing is believed.
	Keys statement.Keys
}

// VerifyDecision verifies the signature of a statement, its times, and whom its key may speak for. It reaches
// nothing but its own memory, so it is made to run as a local activity.
func (a *Approvals) VerifyDecision(_ context.Context, in VerifyDecisionIn) (Vouched, error) {
	groups, err := a.Keys.Verify(in.Statement, in.At)
	if err != nil {
		return Vouched{Reason: err.Error()}, nil //nolint:nilerr // not being believed is a value
	}
	return Vouched{Believed: true, Groups: groups}, nil
}
