// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// people do what the scenario says, and somebody comes at the end.
func (m *simulation) people() {
	s := m.scenario
	tell := func(at time.Duration, name, who string) {
		m.after(at, func() { m.tell(name, workflows.Command{ID: fmt.Sprint(name, at), By: who, Reason: "said " + who}) })
	}
	for _, d := range s.People {
		if s.Second > 0 && d.Command == Cancel {
			d.Command = workflows.Abort // a child that is cancelled is not waited for
		}
		switch d.Command {
		case "":
			m.after(d.At, func() { m.edit(d) })
			m.answer(d)
		case Cancel:
			m.after(d.At, func() {
				m.stopped(single)
				m.env.CancelWorkflowByID(m.id(single), "")
			})
		case workflows.Pause:
			tell(d.At, workflows.Pause, "bob")
			tell(d.At+5*time.Second, workflows.Resume, "bob")
		default:
			tell(d.At, d.Command, "bob")
		}
	}
	for _, at := range []time.Duration{6 * time.Second, 12 * time.Second} {
		if b := m.way.plan.Spec.Strategy.BlueGreen; b != nil && b.Gate != nil {
			tell(at, workflows.Approve, "eve")
		}
	}
	for _, l := range s.Losses {
		first, track := m.world.Sides()
		if l.Stable || m.way.plan.Spec.Strategy.Rolling != nil {
			track = first
		}
		m.after(l.From, func() { m.world.Lose(track, l.Pods, l.For) })
	}
	tell(nobodyLeft, workflows.Abort, "the night watch")
}

// answer says again and again what becomes of an edit, until a release asks.
func (m *simulation) answer(d Deed) {
	if d.Answer == "" {
		return
	}
	for _, later := range []time.Duration{3 * time.Second, 8 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute} {
		m.after(d.At+later, func() {
			m.tell(workflows.Resume, workflows.Command{ID: fmt.Sprint("answer", d.At, later), By: "carol", Edits: d.Answer})
		})
	}
}

// id is the workflow ID of a release in the environment.
func (m *simulation) id(release string) string {
	if m.scenario.Second == 0 {
		return "default-test-workflow-id"
	}
	return release
}

// tell signals every release that runs.
func (m *simulation) tell(name string, c workflows.Command) {
	for _, id := range m.order {
		if m.runs[id].status.Phase == "" {
			_ = m.env.SignalWorkflowByID(id, name, m.signed(id, name, c))
		}
	}
}

// planHash stands for that of every plan.
const planHash = "0000000000000000000000000000000000000000000000000000000000000001"

// signed is a command with a statement about where a run is now, if it needs one and the run can say it.
func (m *simulation) signed(id, name string, c workflows.Command) workflows.Command {
	var s workflows.Status
	if !workflows.NeedsStatement(name) {
		return c
	}
	if value, err := m.env.QueryWorkflowByID(id, workflows.StatusQuery); err != nil || value.Get(&s) != nil {
		return c
	}
	at := m.now().Truncate(time.Millisecond)
	signed, err := world.Key().Sign(statement.Statement{
		ID: c.ID, Who: c.By, How: "slack", What: name, Reason: c.Reason, At: at, Expires: at.Add(time.Hour),
		Release: s.ID, Step: s.Where(), Digest: s.Digest(), PlanHash: s.PlanHash,
	})
	if err != nil {
		return c
	}
	return workflows.Command{Statement: &signed}
}

// stopped notes when a release was told to go back.
func (m *simulation) stopped(release string) {
	if r := m.runs[m.id(release)]; r != nil && r.stopped.IsZero() {
		r.stopped, r.cancelled = m.now(), true
	}
}

// edit is somebody's hand on what a release holds.
func (m *simulation) edit(d Deed) {
	first, second := m.world.Sides()
	did := false
	m.world.Edit(d.Edit, func(s *world.State) {
		t, there := s.Tracks[second]
		switch {
		case d.Edit == EditWeight && s.Weight > 0 && s.Weight < 100:
			s.Weight, did = 11+d.By, true
		case d.Edit == EditImage && there && t.Image == m.oracle.goal:
			t.Image, did = "registry.example/checkout@sha256:3", true
			s.Tracks[second] = t
		case d.Edit == EditSize && s.Serving == first:
			t = s.Tracks[first]
			t.Size, did = t.Size+1, true
			s.Tracks[first] = t
		case d.Edit == EditSmaller && s.Serving == first && s.Weight < 100 && s.Tracks[first].Size > 1:
			t = s.Tracks[first]
			t.Size, did = t.Size-1, true
			s.Tracks[first] = t
		}
	})
	if did {
		m.oracle.edit(d.Edit)
	}
}
