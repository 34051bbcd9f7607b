// SPDX-License-Identifier: Apache-2.0

package decide

import (
	"fmt"
	"time"
)

// HoldKind says what holds a release.
type HoldKind string

// The kinds of holds.
const (
	// Freeze ends by itself.
	Freeze HoldKind = "freeze"
	// Stop is the line stopped by a person, until a person resumes it.
	Stop HoldKind = "stop"
)

// Hold keeps releases from moving forward. An abort and its undo are never held.
type Hold struct {
	Kind HoldKind `json:"kind"`
	// Scope is what is held: an environment, a service in one, or "plan" for a freeze that the plan names.
	Scope string `json:"scope"`
	// Until ends a freeze; a stop has no end of its own.
	Until  time.Time `json:"until,omitzero"`
	Reason string    `json:"reason"`
	By     string    `json:"by,omitempty"`
}

// String is the hold as a person reads it.
func (h Hold) String() string {
	by := ""
	if h.By != "" {
		by = ", by " + h.By
	}
	if h.Kind == Stop {
		return fmt.Sprintf("the line of %s is stopped (%s%s)", h.Scope, h.Reason, by)
	}
	return fmt.Sprintf("frozen until %s (%s%s)", h.Until.UTC().Format(time.RFC3339), h.Reason, by)
}

// over reports whether a hold has ended by itself.
func (h Hold) over(now time.Time) bool { return h.Kind != Stop && !now.Before(h.Until) }

// longer reports whether h holds longer than o; a stop holds longer than any freeze.
func (h Hold) longer(o Hold) bool {
	if h.Kind != o.Kind {
		return h.Kind == Stop
	}
	return h.Until.After(o.Until)
}

// Held is the hold that lasts longest, of those that have not ended and that nobody has lifted.
func Held(holds, lifted []Hold, now time.Time) (Hold, bool) {
	var longest Hold
	held := false
	for _, h := range holds {
		if h.over(now) || contains(lifted, h) {
			continue
		}
		if !held || h.longer(longest) {
			longest, held = h, true
		}
	}
	return longest, held
}

// Standing are the holds that have not ended by themselves.
func Standing(holds []Hold, now time.Time) []Hold {
	var out []Hold
	for _, h := range holds {
		if !h.over(now) {
			out = append(out, h)
		}
	}
	return out
}

// contains compares moments by what they are and not by how they are written.
func contains(all []Hold, h Hold) bool {
	for _, o := range all {
		if o.Until.Equal(h.Until) && o.Kind == h.Kind && o.Scope == h.Scope && o.Reason == h.Reason {
			return true
		}
	}
	return false
}
