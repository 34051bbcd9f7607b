// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"slices"
	"time"
)

// Event is something that a release tells.
type Event string

// The events. The last four are ends.
const (
	Started Event = "started"
	// StepPassed is told once a step has passed, with its verdict and perhaps its approval.
	StepPassed Event = "step"
	// GateWaits is told when people are asked, also in place of a verdict.
	GateWaits Event = "gate"
	// Held is told when a freeze, a stopped line or a pause keeps the release at its weight.
	Held     Event = "held"
	Promoted Event = "promoted"
	Undone   Event = "undone"
	// Failed is a release that changed nothing, or that was ended by force.
	Failed      Event = "failed"
	NeedsPerson Event = "needs-person"
)

// Severity is how much an event matters to people.
type Severity string

// The severities, rising.
const (
	Info     Severity = "info"
	Warning  Severity = "warning"
	Error    Severity = "error"
	Critical Severity = "critical"
)

// Bounds of the notifications of a plan.
const (
	maxNotifications = 20
	maxReceivers     = 20
	minTellWithin    = Duration(time.Minute)
	maxTellWithin    = Duration(24 * time.Hour)
)

// Events are all of them, in the order of a release.
func Events() []Event {
	return []Event{Started, StepPassed, GateWaits, Held, Promoted, Undone, Failed, NeedsPerson}
}

// Severities are all of them, rising.
func Severities() []Severity { return []Severity{Info, Warning, Error, Critical} }

// Severity of an event.
func (e Event) Severity() Severity {
	switch e {
	case GateWaits, Held:
		return Warning
	case Undone, Failed:
		return Error
	case NeedsPerson:
		return Critical
	case Started, StepPassed, Promoted:
	}
	return Info
}

// Ends reports whether a release tells nothing more after the event.
func (e Event) Ends() bool { return slices.Index(Events(), e) >= slices.Index(Events(), Promoted) }

// Waits reports whether the event is the beginning of a wait.
func (e Event) Waits() bool { return e == GateWaits || e == Held }

// Addressee is a receiver that is to hear of something.
type Addressee struct {
	Name string `json:"name"`
	// Within is how long it is tried.
	Within Duration `json:"within"`
}

// Addressees are the receivers that a plan wants to hear of an event, in the plan's order, each once and
// with the longest of its deadlines.
func Addressees(all []Notification, e Event) []Addressee {
	var out []Addressee
	for _, n := range all {
		if !n.wants(e) {
			continue
		}
		for _, name := range n.To {
			i := slices.IndexFunc(out, func(a Addressee) bool { return a.Name == name })
			if i < 0 {
				out = append(out, Addressee{name, n.Within})
				continue
			}
			out[i].Within = max(out[i].Within, n.Within)
		}
	}
	return out
}

func (n Notification) wants(e Event) bool {
	severe := slices.Index(Severities(), e.Severity()) >= slices.Index(Severities(), n.Severity)
	return severe && (len(n.Events) == 0 || slices.Contains(n.Events, e))
}

func (c *checker) notifications(all []Notification) {
	const at = "spec.notifications"
	c.must(len(all) <= maxNotifications, at, "at most %d", maxNotifications)
	names := map[string]bool{}
	for i, n := range all {
		field := fmt.Sprintf("%s[%d]", at, i)
		c.must(len(n.To) > 0, field+".to", "name the receivers, as the worker's configuration does")
		for j, name := range n.To {
			names[name] = true
			c.label(fmt.Sprintf("%s.to[%d]", field, j), name, true)
		}
		for j, e := range n.Events {
			c.must(slices.Contains(Events(), e), fmt.Sprintf("%s.events[%d]", field, j), "must be one of %v, not %q", Events(), e)
		}
		c.must(slices.Contains(Severities(), n.Severity), field+".severity", "must be one of %v, not %q", Severities(), n.Severity)
		c.must(n.Within >= minTellWithin && n.Within <= maxTellWithin, field+".within", "must be %s to %s", minTellWithin, maxTellWithin)
		c.must(slices.ContainsFunc(Events(), n.wants), field, "tells nothing: none of its events is as severe as %s", n.Severity)
	}
	c.must(len(names) <= maxReceivers, at, "name at most %d different receivers", maxReceivers)
}
