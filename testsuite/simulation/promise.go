// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
)

// unasked flags a write over what somebody has made that no person has allowed.
func (o *oracle) unasked(r run, m *move) {
	at, weight := o.edited[EditWeight]
	begun := o.moves[slices.IndexFunc(o.moves, func(b move) bool { return b.run == m.run })]
	overwrites := weight && at.After(begun.at) && m.to > m.from && m.scheduled.After(at) && m.op == world.SetWeight
	if !overwrites && m.op != world.TakeBack && !o.past(m) {
		return
	}
	for _, e := range r.status.Log {
		if strings.HasPrefix(e.Text, workflows.Resume+" by ") && !strings.Contains(e.Text, " refused: ") && !e.At.After(m.at) {
			return
		}
	}
	o.violate("I14", "%s came over somebody's edit, and nobody was asked", m.op)
}

// past reports whether a weight has risen with stable smaller than the release found it, though it could know.
func (o *oracle) past(m *move) bool {
	first, _ := o.world.Sides()
	at, ok := o.edited[EditSmaller]
	if !ok || m.name != "ShiftTraffic" || m.to <= m.from || !m.scheduled.After(at) {
		return false
	}
	begun := slices.IndexFunc(o.moves, func(b move) bool { return b.run == m.run })
	found := o.moves[begun]
	return at.After(found.at) && m.before.Tracks[first].Size < found.before.Tracks[first].Size
}

// swift flags an abort after which nothing was done at once for those who reach the candidate.
func (o *oracle) swift(r run, tasks []*task) {
	reached := 0
	for _, s := range o.shares {
		if !s.at.After(r.stopped) {
			reached = s.percent
		}
	}
	if r.stopped.IsZero() || reached == 0 || r.status.Phase == workflows.Promoted {
		return
	}
	for _, t := range tasks {
		if t.scheduled.Before(r.stopped) {
			continue
		}
		switch t.name {
		case "SetTrafficWeight", "SwitchService", "DeclareRollout":
			if late := t.scheduled.Sub(r.stopped); late > atOnce {
				o.violate("I6", "the way back began %s after the abort", late)
			}
			return
		}
	}
	o.violate("I6", "nobody was sent back after the abort at %s", r.stopped.Sub(o.began))
}

// cost flags a release whose history grows with time: each activity costs some events.
func (o *oracle) cost(r run, tasks []*task) {
	n := 0
	for _, t := range tasks {
		if t.run == r.id {
			n++
		}
	}
	if n > manyTasks {
		o.violate("I20", "it needed %d activities", n)
	}
}

const (
	// atOnce is the time in which an abort begins to send everybody back.
	atOnce = 600 * time.Millisecond
	// manyTasks are more activities than any release of a plan here needs.
	manyTasks = 60
)

// licensed flags a rise that nothing had allowed, or that came too soon.
func (o *oracle) licensed(r run, last, m *move, approved bool) {
	ok := approved
	for _, p := range o.passes {
		ok = ok || p.run == r.id && !p.began.Before(last.at) && p.at.Before(m.at)
	}
	if !ok {
		o.violate("I13", "%d %% after %d %% without a pass", m.to, last.to)
	}
	if d := m.at.Sub(last.at); !approved && d < o.hold() {
		o.violate("I13", "%d %% after %d %% when %s had been watched of %s", m.to, last.to, d, o.hold())
	}
}
