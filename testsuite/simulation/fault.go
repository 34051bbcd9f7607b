// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"errors"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
)

// Kind is a way in which one call of the world goes wrong.
type Kind string

// The kinds of faults.
const (
	// Refused: it has no effect, and an error says so.
	Refused Kind = "refused"
	// Unheard: it has its effect, but its answer is lost.
	Unheard Kind = "unheard"
	// Slow: it takes a while.
	Slow Kind = "slow"
	// Silent: it has no effect, and no answer comes until the attempt times out.
	Silent Kind = "silent"
	// DiesBefore and DiesAfter: the worker dies, before the effect or before the answer.
	DiesBefore Kind = "dies before"
	DiesAfter  Kind = "dies after"
	// Late: no answer comes, and the effect arrives when the attempt has been given up, perhaps after newer
	// steps. What creates an object arrives soon: a client bounds how long its requests can be under way.
	Late Kind = "late"
)

// Kinds are all of them.
func Kinds() []Kind {
	return []Kind{Refused, Unheard, Slow, Silent, DiesBefore, DiesAfter, Late}
}

// Fault is one of them, at one call.
type Fault struct {
	// Activity and Nth say which one, from 1, and Attempt which of its attempts, from 1.
	Activity string `json:"activity"`
	Nth      int    `json:"nth"`
	Attempt  int    `json:"attempt,omitempty"`
	// Call is which call of the world in that attempt, from 0.
	Call int           `json:"call,omitempty"`
	Kind Kind          `json:"kind"`
	For  time.Duration `json:"for,omitempty"`
}

// Weather is what a system is like for a while.
type Weather string

// The weathers. The last three are those of Prometheus alone.
const (
	Gone      Weather = "gone"
	Half      Weather = "half of all calls fail"
	Conflicts Weather = "conflicts"
	Throttled Weather = "429"
	Heavy     Weather = "slow"
	Empty     Weather = "empty"
	Stale     Weather = "stale"
	NaN       Weather = "NaN"
)

// Spell is a time of one weather.
type Spell struct {
	// Metrics is true for Prometheus, false for the API server.
	Metrics bool          `json:"metrics,omitempty"`
	From    time.Duration `json:"from"`
	For     time.Duration `json:"for"`
	Weather Weather       `json:"weather"`
}

var (
	errRefused   = errors.New("connect: connection refused")
	errUnheard   = errors.New("read: connection reset by peer")
	errConflict  = errors.New("the object has been modified; please apply your changes to the latest version and try again")
	errThrottled = errors.New("the server has received too many requests and has asked us to try again later")
	errDead      = fault.New(fault.Invalid, "this worker is dead")
)

// commitWithin is how long a write can be under way after its client has given up.
const commitWithin = 4 * time.Second
