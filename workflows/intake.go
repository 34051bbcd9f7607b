// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// The memo of an intake, beside that of a release: MemoKey tells what its ID is a hash of, MemoService is
// "environment/name".
const (
	MemoKey     = "key"
	MemoService = "service"
)

// PlaceArriving is the state of a release whose event was taken and that its lane does not know yet.
const PlaceArriving = "arriving"

// intakePrefix begins the workflow ID of every intake.
const intakePrefix = "intake/"

// IntakeID is the workflow ID of the intake of a release, which the release's ID ends with. Temporal lets
// one intake of an ID run, and none after it has succeeded: that makes any number of deliveries of one event
// one release.
func IntakeID(release string) string {
	return intakePrefix + release[strings.LastIndex(release, "-")+1:]
}

// IntakeIn is a release that an event asks for.
type IntakeIn struct {
	// Submission is complete but for the digest of its image.
	Submission Submission `json:"submission"`
	// Key is the identity of the event, URL what people can look at.
	Key string `json:"key"`
	URL string `json:"url,omitempty"`
}

// maxBrief is how much of a text is in a summary, which Temporal bounds.
const maxBrief = 200

func brief(s string) string {
	if r := []rune(s); len(r) > maxBrief {
		return string(r[:maxBrief]) + "…"
	}
	return s
}

// Intake pins the image of an event to the digest that its tag has now, once, and hands the release to its
// lane. It fails if the lane refuses; a further delivery of the event may then try again. A job that waits for the
// release hears of it where no release will tell it.
func Intake(ctx workflow.Context, in IntakeIn) (Place, error) {
	workflow.SetCurrentDetails(ctx, "- event: "+in.Key+"\n- link: "+in.URL+"\n")
	place, err := handOver(ctx, &in)
	release := in.Submission.Release
	if sent := tellJob(ctx, release, settled(release, place, err)); sent != nil {
		// A child that has begun outlives this workflow. One that could not begin is under way already.
		_ = sent.GetChildWorkflowExecution().Get(ctx, nil)
	}
	return place, err
}

func handOver(ctx workflow.Context, in *IntakeIn) (Place, error) {
	release := &in.Submission.Release
	if !strings.Contains(release.Image, "@") {
		pinned, err := call(ctx, resolving(), "Ask the registry for the digest of "+brief(release.Image), arrivals.ResolveImage,
			activities.ResolveImageIn{Image: release.Image})
		if err != nil {
			return Place{}, err
		}
		release.Image = pinned.Image
	}
	metadata := release.Plan.Metadata
	lane := LaneID(metadata.Environment, metadata.Name)
	out, err := call(ctx, submitting(), "Hand "+release.ID+" to "+lane, arrivals.SubmitRelease, activities.SubmitReleaseIn{
		Lane: lane, Environment: metadata.Environment, Service: metadata.Name, Release: release.ID, Submission: in.Submission,
	})
	if err != nil {
		return Place{}, err
	}
	if out.Refusal != "" {
		return Place{}, temporal.NewNonRetryableApplicationError(out.Refusal, string(Refused), nil)
	}
	return Place{ID: out.ID, State: out.State, Position: out.Position, Reason: out.Reason, Same: out.Same}, nil
}
