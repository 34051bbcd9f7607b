// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// door is a registry and a lane, and what they were asked.
type door struct {
	// away is how often the registry and the lane do not answer at first.
	registryAway, laneAway int
	refusal                string
	// place is where the lane has the release; the zero value: it has started.
	place activities.SubmittedRelease
	// run is of a job that waits for the release, heard what it is told.
	run   int64
	heard []string
	asked []string
	took  []activities.SubmitReleaseIn
}

// Resolve implements activities.Registry.
func (d *door) Resolve(_ context.Context, image string) (string, error) {
	d.asked = append(d.asked, image)
	if d.registryAway > 0 {
		d.registryAway--
		return "", errors.New("503 from the registry")
	}
	if image == "registry.example/checkout:missing" {
		return "", fault.New(fault.NotFound, "resolve image %s: the registry does not know it", image)
	}
	return "registry.example/checkout@sha256:v2", nil
}

// Submit implements activities.Gatekeeper.
func (d *door) Submit(_ context.Context, in activities.SubmitReleaseIn) (activities.SubmittedRelease, error) {
	d.took = append(d.took, in)
	if d.laneAway > 0 {
		d.laneAway--
		return activities.SubmittedRelease{}, errors.New("no worker")
	}
	if d.refusal != "" {
		return activities.SubmittedRelease{Refusal: d.refusal}, nil
	}
	if d.place.ID != "" {
		return d.place, nil
	}
	return activities.SubmittedRelease{ID: in.Release, State: workflows.PlaceStarted}, nil
}

// messenger only says what it was given to tell.
func (d *door) messenger(ctx workflow.Context, in workflows.MessengerIn) error {
	for _, l := range in.State.Waiting {
		d.heard = append(d.heard, fmt.Sprintf("%s: %s for %s: %s", workflow.GetInfo(ctx).WorkflowExecution.ID, l.Notice.Event, l.To.Name, l.Notice.Text))
	}
	return nil
}

// bring takes a release of an image in.
func (d *door) bring(t *testing.T, image string) (workflows.Place, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(&activities.Arrivals{Registry: d, Gatekeeper: d})
	env.RegisterWorkflowWithOptions(d.messenger, workflow.RegisterOptions{Name: "Messenger"})
	p := twoSteps()
	p.Spec.Notifications = []plan.Notification{{To: []string{"hub"}, Severity: plan.Info, Within: minutes(60)}}
	env.ExecuteWorkflow(workflows.Intake, workflows.IntakeIn{Key: "run/99/1", Submission: workflows.Submission{
		Workflow: "Canary", PlanHash: "abc", Release: workflows.ReleaseIn{
			ID: "checkout-k3v9qa2m4x", Plan: p, Image: image, RequestedBy: "github:ada", Source: workflows.Source{Run: d.run},
		},
	}})
	require.True(t, env.IsWorkflowCompleted())
	var place workflows.Place
	if err := env.GetWorkflowError(); err != nil {
		return place, err
	}
	require.NoError(t, env.GetWorkflowResult(&place))
	return place, nil
}

func TestAnIntakePinsTheImageOnceAndHandsTheReleaseToItsLane(t *testing.T) {
	d := &door{registryAway: 2, laneAway: 2}
	p, err := d.bring(t, "registry.example/checkout:v2")
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(workflows.Place{ID: "checkout-k3v9qa2m4x", State: workflows.PlaceStarted}, p))
	require.Len(t, d.asked, 3, "the third time it answered")
	require.Len(t, d.took, 3)
	in := d.took[2]
	require.Equal(t, "lane/production/checkout", in.Lane)
	require.Equal(t, "checkout-k3v9qa2m4x", in.Release)
	submitted := in.Submission.(map[string]any)
	require.Equal(t, "registry.example/checkout@sha256:v2", submitted["release"].(map[string]any)["image"])
	require.Equal(t, "abc", submitted["planHash"])
}

func TestAnIntakeLooksNothingUpThatIsPinned(t *testing.T) {
	d := &door{}
	_, err := d.bring(t, "registry.example/checkout@sha256:v1")
	require.NoError(t, err)
	require.Empty(t, d.asked)
}

func TestAnIntakeFailsWithTheReason(t *testing.T) {
	tests := map[string]struct {
		door  door
		image string
		kind  string
		want  string
	}{
		"an image that is not there": {door{}, "registry.example/checkout:missing", "NotFound", "the registry does not know it"},
		"a lane that refuses":        {door{refusal: "the image is in quarantine"}, "registry.example/checkout:v2", "refused", "the image is in quarantine"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := tt.door.bring(t, tt.image)
			var app *temporal.ApplicationError
			require.ErrorAs(t, err, &app)
			require.Equal(t, tt.kind, app.Type())
			require.Contains(t, app.Message(), tt.want)
		})
	}
}

func TestAJobThatWaitsHearsWhatNoReleaseWillTellIt(t *testing.T) {
	const tag, child = "registry.example/checkout:v2", "messenger/production/checkout/checkout-k3v9qa2m4x/unbegun: "
	place := func(id, state string, same bool) activities.SubmittedRelease {
		return activities.SubmittedRelease{ID: id, State: state, Same: same}
	}
	tests := map[string]struct {
		door  door
		image string
		want  []string
	}{
		"a release that starts":          {door{}, tag, nil},
		"a release that has ended":       {door{place: place("checkout-k3v9qa2m4x", workflows.PlaceEnded, true)}, tag, nil},
		"an image that is not there":     {door{}, "registry.example/checkout:missing", []string{child + "failed for hub: resolve image registry.example/checkout:missing: the registry does not know it"}},
		"a lane that refuses":            {door{refusal: "the image is in quarantine"}, tag, []string{child + "failed for hub: the image is in quarantine"}},
		"an image that serves already":   {door{place: place("checkout-old", workflows.PlaceEnded, true)}, tag, []string{child + "promoted for hub: this image serves already, by release checkout-old"}},
		"an image that is released now":  {door{place: place("checkout-old", workflows.PlaceStarted, true)}, tag, []string{child + "failed for hub: release checkout-old of this image is under way already; run the job again when it has ended"}},
		"an image that waits in a queue": {door{place: place("checkout-old", workflows.PlaceQueued, true)}, tag, []string{child + "failed for hub: release checkout-old of this image is under way already; run the job again when it has ended"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			nobody := tt.door
			_, _ = nobody.bring(t, tt.image)
			require.Empty(t, nobody.heard, "no job waits")
			tt.door.run = 99
			_, _ = tt.door.bring(t, tt.image)
			require.Equal(t, tt.want, tt.door.heard)
		})
	}
}

func TestAnImageOfAnyLengthIsLookedUp(t *testing.T) {
	_, err := (&door{}).bring(t, "registry.example/"+strings.Repeat("x", 230)+":"+strings.Repeat("v", 128))
	require.NoError(t, err)
}

func TestTheIDOfAnIntakeIsTheEndOfTheReleases(t *testing.T) {
	require.Equal(t, "intake/k3v9qa2m4x", workflows.IntakeID("check-out-k3v9qa2m4x"))
}
