// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"testing"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

const someImage = "registry.example/checkout@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestLaneScreen(t *testing.T) {
	job := func(id string, minute int) decide.Job {
		return decide.Job{ID: id, Image: someImage, By: "alice", Since: began.Add(time.Duration(minute) * time.Minute)}
	}
	running, fix, frozen := job("checkout-aaa", 0), job("checkout-bbb", 2), job("checkout-ccc", 3)
	fix.Hotfix, fix.Override = true, "reviewed by two"
	bad := decide.Quarantined{Image: someImage, Release: "checkout-zzz", Why: "step 1 failed", At: began}
	busy := workflows.LaneStatus{
		Environment: "production", Service: "checkout", Why: "checkout-aaa runs",
		Queue: decide.Queue{Running: &running, Waiting: []decide.Job{fix, frozen}, Quarantine: []decide.Quarantined{bad}},
		Freezes: []decide.Hold{
			{Kind: decide.Freeze, Scope: "production/checkout", Until: began.Add(time.Hour), Reason: "fair", By: "bob"},
			{Kind: decide.Freeze, Scope: "production/checkout", Until: began, Reason: "over", By: "bob"},
		},
		Above: activities.Holds{Holds: []decide.Hold{{Kind: decide.Stop, Scope: "production", Reason: "outage", By: "carol"}}},
		Ends: []workflows.LaneEnd{
			{ID: "checkout-yyy", Phase: workflows.Promoted, Outcome: "it serves", At: began.Add(-time.Hour)},
			{ID: "checkout-zzz", Phase: workflows.Undone, Outcome: "step 1 failed", At: began},
		},
	}
	for name, s := range map[string]workflows.LaneStatus{
		"lane-busy": busy, "lane-idle": {Environment: "production", Service: "checkout"},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, view.Lane(s, began.Add(5*time.Minute))) })
	}
}

func TestAReleaseThatIsHeldSaysUntilWhen(t *testing.T) {
	s := base()
	atStep(&s)
	s.Held = &decide.Hold{Kind: decide.Freeze, Until: began.Add(time.Hour), Reason: "fair", By: "bob"}
	s.Next, s.Owner, s.Deadline, s.AtDeadline = s.Held.String(), "bob", s.Held.Until, "the release goes on"
	golden(t, "frozen", view.Screen(s, began.Add(5*time.Minute)))
}
