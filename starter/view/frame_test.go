// SPDX-License-Identifier: Apache-2.0

package view_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
)

// sight is a candidate of which one pod is not ready yet.
func sight() workflows.Sight {
	return workflows.Sight{At: began, Service: "checkout", Workloads: []workflows.WorkloadSight{
		{Name: "checkout", Want: 2, Ready: 2, Serves: true, Sets: []workflows.SetSight{
			{Name: "checkout-5d8f7c", Pods: []workflows.PodSight{{Name: "checkout-5d8f7c-abcde", Ready: true}, {Name: "checkout-5d8f7c-fghij", Ready: true, Restarts: 3}}},
		}},
		{Name: "checkout-green", Want: 2, Ready: 1, Sets: []workflows.SetSight{
			{Name: "checkout-green-77b9d", Pods: []workflows.PodSight{
				{Name: "checkout-green-77b9d-klmno", State: "ContainerCreating"}, {Name: "checkout-green-77b9d-pqrst", Ready: true},
			}, More: 40},
			{Name: "checkout-green-1a2b3", Pods: []workflows.PodSight{{Name: "checkout-green-1a2b3-uvwxy", State: "Terminating"}}},
		}},
	}}
}

func TestTheLivePicture(t *testing.T) {
	for name, change := range map[string]func(*view.Frame){
		"live-watching": func(f *view.Frame) {
			f.Present = []string{"1 of 2 pods are ready: ErrImagePull", "ShiftTraffic, attempt 3: connection refused"}
			f.Source = workflows.Source{Repository: "acme/checkout", Commit: "0123456789012345678901234567890123456789", URL: "https://ci.example/runs/1"}
		},
		"live-asking": func(f *view.Frame) {
			f.Track[0].State, f.Track[0].Verdict = workflows.Asking, passed("candidate failed 0 of 1500 requests (0.00 %), stable 0 of 13500 requests (0.00 %)")
			f.Next, f.Owner, f.AtDeadline = "approval by 1 of [alice]", workflows.OwnerPeople, "the release is undone"
			f.Said = "approve: refused: bob is not among the approvers [alice]"
		},
		"live-paused": func(f *view.Frame) {
			f.Paused, f.Next, f.Owner, f.Deadline = true, "resume, promote or abort the paused release", workflows.OwnerPeople, time.Time{}
		},
		"live-rolling": func(f *view.Frame) {
			f.Strategy, f.Candidate, f.Sight.Service = "rolling", f.Stable, ""
			f.Sight.Workloads = f.Sight.Workloads[:1]
			f.Track = []workflows.StepStatus{{Name: "batch 1 of 2: 1 of 2 pods", Weight: 50, Hold: minutes(1), State: workflows.Shifting, Started: began}}
		},
		"live-undone": func(f *view.Frame) {
			ended(&f.Status, workflows.Undone, "step 1 failed at 10 %")
			f.Dead = []workflows.Delivery{{Key: "checkout-abc123/undone/1", Receiver: "chat", State: workflows.Dead, Reason: "hooks.example answered 401: no"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := base()
			atStep(&s)
			f := view.Frame{Status: s, Sight: sight(), Now: began.Add(4*time.Minute + 30*time.Second), Keys: true}
			change(&f)
			golden(t, name, view.Draw(f))
		})
	}
}

func TestADescriptionHasTheMessagesAndTheStory(t *testing.T) {
	s := base()
	atStep(&s)
	s.Log = []workflows.Event{{At: began, Text: "deployed checkout-green"}, {At: began.Add(time.Minute), Weight: 10, Text: "shifted 10 % to checkout-green"}}
	m := workflows.MessengerStatus{Messages: []workflows.Delivery{
		{Key: "checkout-abc123/started/0", Receiver: "chat", State: workflows.Delivered, At: began},
		{Key: "checkout-abc123/started/0", Receiver: "checkout-github", State: workflows.Dead, At: began, Reason: "api.github.com answered 401: Bad credentials"},
		{Key: "checkout-abc123/gate/1", Receiver: "chat", State: workflows.OnItsWay, At: began.Add(time.Minute)},
	}}
	golden(t, "description", view.Describe(view.Frame{Status: s, Dead: m.Dead(), Now: began.Add(4*time.Minute + 30*time.Second)}, m))
}

func TestAPictureFitsItsTerminal(t *testing.T) {
	s := base()
	atStep(&s)
	f := view.Frame{Status: s, Sight: sight(), Now: began.Add(4*time.Minute + 30*time.Second), Keys: true}
	golden(t, "fit-pods-counted", view.Fit(f, view.Size{Width: 60, Height: 25}))
	golden(t, "fit-the-end", view.Fit(f, view.Size{Width: 40, Height: 8}))
	require.Equal(t, view.Draw(f), view.Fit(f, view.Size{}))
	for height := 2; height < 60; height++ {
		require.Less(t, strings.Count(view.Fit(f, view.Size{Width: 80, Height: height}), "\n"), height)
	}
}
