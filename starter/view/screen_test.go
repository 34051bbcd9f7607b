// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

var update = flag.Bool("update", false, "write the golden screens anew")

var began = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

func minutes(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Minute) }

// base is a release that preflight has passed.
func base() workflows.Status {
	return workflows.Status{
		ID: "checkout-abc123", Service: "checkout", Namespace: "shop", Environment: "production", Strategy: "canary",
		Image:       "registry.example/checkout@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		RequestedBy: "alice", Phase: workflows.Deploying, Steps: 2, Started: began,
		Stable: "checkout", Candidate: "checkout-green", Owner: workflows.OwnerSlipway, Bake: minutes(60),
		Track: []workflows.StepStatus{
			{Weight: 10, Hold: minutes(5), State: workflows.Pending},
			{Weight: 50, Hold: minutes(10), State: workflows.Pending},
		},
		Next: "all pods of checkout-green become ready", Deadline: began.Add(12 * time.Minute), AtDeadline: "the release is undone",
	}
}

func passed(reason string) *decide.Verdict {
	return &decide.Verdict{Outcome: decide.Pass, Reason: reason}
}

// atStep is the release at its first step, watching.
func atStep(s *workflows.Status) {
	s.Phase, s.Step, s.Weight, s.MaxWeight = workflows.Stepping, 1, 10, 10
	s.Track[0].State, s.Track[0].Started = workflows.Watching, began.Add(time.Minute)
	s.Next, s.AtDeadline = "step 1 is judged at 10 %", "people are asked, if there is no verdict by then"
}

// over is the release after both steps, with all requests on the candidate.
func over(s *workflows.Status) {
	s.Step, s.Weight, s.MaxWeight = 2, 100, 100
	for i := range s.Track {
		s.Track[i].Started, s.Track[i].Ended = began.Add(time.Minute), began.Add(6*time.Minute+12*time.Second)
		s.Track[i].State, s.Track[i].Verdict = workflows.Passed, passed("candidate failed 0 of 1500 requests (0.00 %), stable 0 of 13500 requests (0.00 %)")
	}
}

// blueGreen makes the release one by blue-green.
func blueGreen(s *workflows.Status) {
	s.Strategy = plan.StrategyBlueGreen
	s.Track = []workflows.StepStatus{{Name: "preview", State: workflows.Pending}, {Name: "approval", State: workflows.Pending}}
}

func ended(s *workflows.Status, p workflows.Phase, outcome string) {
	s.Phase, s.Ended, s.Outcome = p, began.Add(90*time.Minute), outcome
	s.Next, s.Deadline, s.AtDeadline = "nothing: the release has ended", time.Time{}, ""
}

func TestScreens(t *testing.T) {
	tests := map[string]func(*workflows.Status){
		"preflight": func(s *workflows.Status) {
			s.Phase, s.Stable, s.Candidate = workflows.Preflight, "", ""
			s.Next, s.Deadline = "check the target, the route and the metrics", time.Time{}
		},
		"deploying": func(*workflows.Status) {},
		"chosen": func(s *workflows.Status) {
			s.Chosen = []string{"criticality is high: blueGreen is for critical systems, its way back is instant"}
		},
		"watching": atStep,
		"asking": func(s *workflows.Status) {
			atStep(s)
			s.Track[0].State, s.Track[0].Verdict = workflows.Asking, passed("candidate failed 0 of 1500 requests (0.00 %), stable 0 of 13500 requests (0.00 %)")
			s.Next, s.Owner, s.AtDeadline = "approval by 1 of [alice]", workflows.OwnerPeople, "the release is undone"
		},
		"paused": func(s *workflows.Status) {
			atStep(s)
			s.Paused, s.Next, s.Owner, s.Deadline = true, "resume, promote or abort the paused release", workflows.OwnerPeople, time.Time{}
		},
		"promoting": func(s *workflows.Status) {
			over(s)
			s.Phase, s.Track[1].State = workflows.Promoting, workflows.Skipped
		},
		"baking": func(s *workflows.Status) {
			over(s)
			s.Phase, s.BakeStarted = workflows.Baking, began.Add(2*time.Minute)
		},
		"retiring": func(s *workflows.Status) { over(s); s.Phase, s.Deadline = workflows.Retiring, time.Time{} },
		"promoted": func(s *workflows.Status) { over(s); ended(s, workflows.Promoted, "checkout-green serves everything") },
		"undoing": func(s *workflows.Status) {
			atStep(s)
			s.Phase, s.Track[0].State, s.Deadline = workflows.Undoing, workflows.Failed, time.Time{}
			s.Next = "undo in reverse order: aborted by bob: too slow"
		},
		"undone": func(s *workflows.Status) {
			atStep(s)
			s.Weight, s.Track[0].State = 0, workflows.Failed
			s.Track[0].Verdict = &decide.Verdict{Outcome: decide.Fail, Reason: "candidate failed 30 of 150 requests (20.00 %), stable 0 of 1350 requests (0.00 %): over the limit of 0.50 %"}
			ended(s, workflows.Undone, "step 1 failed at 10 %")
		},
		"undone-after-promotion": func(s *workflows.Status) {
			over(s)
			s.Weight = 0
			ended(s, workflows.Undone, "the bake failed at 100 %")
		},
		"refused": func(s *workflows.Status) {
			s.Stable, s.Candidate = "", ""
			ended(s, workflows.Refused, "Deployment shop/checkout does not exist; nothing was changed")
		},
		"needs-person": func(s *workflows.Status) {
			atStep(s)
			s.Track[0].State = workflows.Failed
			ended(s, workflows.NeedsPerson, "step 1 failed at 10 %. Left to do by a person: send all requests to checkout: may not update")
		},
		"bluegreen-preview": func(s *workflows.Status) {
			blueGreen(s)
			s.Phase, s.Step, s.Track[0].State = workflows.Stepping, 1, workflows.Watching
			s.Next, s.AtDeadline = "check health passes", "the release is undone"
		},
		"bluegreen-asking": func(s *workflows.Status) {
			blueGreen(s)
			s.Phase, s.Step, s.Track[0].State, s.Track[1].State = workflows.Stepping, 2, workflows.Passed, workflows.Asking
			s.Next, s.Owner, s.AtDeadline = "approval by 1 of [alice]", workflows.OwnerPeople, "the release is undone"
		},
		"rolling-back": func(s *workflows.Status) {
			s.Strategy, s.Track, s.Steps = workflows.StrategyRollback, nil, 0
			s.Phase, s.Weight, s.MaxWeight = workflows.Baking, 100, 100
			s.Next, s.AtDeadline = "the bake is judged at 100 %", "people are asked, if there is no verdict by then"
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := base()
			change(&s)
			golden(t, name, view.Screen(s, began.Add(4*time.Minute+30*time.Second)))
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(want), got), "run go test ./starter/view -update")
}

func TestLinesAreThoseThatWereNotShownYet(t *testing.T) {
	s := base()
	s.Weight = 10
	s.Log = []workflows.Event{
		{At: began, Text: "deployed checkout-green"},
		{At: began.Add(time.Minute), Weight: 10, Text: "shifted 10 % to checkout-green"},
	}
	all := []string{"09:00:00    0 %  deployed checkout-green", "09:01:00   10 %  shifted 10 % to checkout-green"}
	require.Empty(t, cmp.Diff(all, view.Lines(s, time.Time{})))
	require.Empty(t, cmp.Diff(all[1:], view.Lines(s, began)))
	require.Empty(t, view.Lines(s, began.Add(time.Minute)))
}
