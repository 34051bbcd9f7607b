// SPDX-License-Identifier: Apache-2.0

package faultproxy

import "time"

// Moment of a call.
type Moment int

// The moments of a call.
const (
	Never Moment = iota
	// BeforeEffect is before the server gets it: it never does.
	BeforeEffect
	// AfterEffect is when the server has carried it out and the program has not heard.
	AfterEffect
	// AfterAnswer is when the program has its answer, and has sent nothing else.
	AfterAnswer
)

// Fault is what goes wrong with a call. The zero value is nothing.
type Fault struct {
	// Delay is how long the call is held up before anything else.
	Delay time.Duration
	// Status is answered in the place of the server, such as 409; 0: none is.
	Status int
	// RetryAfter goes with that answer, in whole seconds; 0: it does not.
	RetryAfter time.Duration
	// Cut closes the connection, BeforeEffect or AfterEffect.
	Cut Moment
	// Kill ends the program, see [Proxy.OnKill]. What is under way then is cut off.
	Kill Moment
}

// Rule says which calls meet a fault.
type Rule struct {
	// Match picks calls; nil: all.
	Match func(Call) bool
	// Nth of those is the first to meet it, from 1; 0: the first.
	Nth int
	// Times is how many of them meet it; 0: all that follow, or one where Nth is set.
	Times int
	// Share of them that meet it, spread by lot, above 0 and below 1; 0: each.
	Share float64
	Fault Fault

	seen, met int
}

// meets counts a call, and tells whether it meets the fault; lot is a number from 0 to below 1.
func (r *Rule) meets(c Call, lot float64) bool {
	if r.Match != nil && !r.Match(c) {
		return false
	}
	r.seen++
	times := r.Times
	if times == 0 && r.Nth > 0 {
		times = 1
	}
	if r.seen < r.Nth || times > 0 && r.met >= times || r.Share > 0 && lot >= r.Share {
		return false
	}
	r.met++
	return true
}
