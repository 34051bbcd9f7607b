// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// unbegun is the end of a release that never began, which itself can tell nobody.
type unbegun struct {
	event plan.Event
	text  string
}

// settled is what a job hears whose release the lane has answered for: nothing while that release will tell it
// itself.
func settled(r ReleaseIn, p Place, err error) *unbegun {
	switch {
	case err != nil:
		return &unbegun{plan.Failed, plain(err)}
	case p.ID == r.ID:
		return nil
	case p.State == PlaceEnded:
		return &unbegun{plan.Promoted, "this image serves already, by release " + p.ID}
	}
	return &unbegun{plan.Failed, fmt.Sprintf("release %s of this image is under way already; run the job again when it has ended", p.ID)}
}

// tellJob sends a messenger to those whom the plan names, if a job waits for the release: else it would wait for
// weeks. Nobody waits for what the messenger carries. Nil: nobody was sent.
func tellJob(ctx workflow.Context, r ReleaseIn, u *unbegun) workflow.ChildWorkflowFuture {
	if r.Source.Run == 0 || u == nil {
		return nil
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	metadata, info := r.Plan.Metadata, workflow.GetInfo(ctx).WorkflowExecution
	return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		// Another ID than that of the release's own messenger: a further delivery may begin it after all.
		WorkflowID: MessengerID(metadata.Environment, metadata.Name, r.ID) + "/unbegun", TaskQueue: TaskQueue, WorkflowTaskTimeout: 2 * time.Second,
		ParentClosePolicy: enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:     "Tell that " + r.ID + " never began",
	}), Messenger, MessengerIn{Release: info.ID, Run: info.RunID, State: u.letters(workflow.Now(ctx), r)})
}

// letters are all that such a messenger has to carry.
func (u *unbegun) letters(now time.Time, r ReleaseIn) *MessengerState {
	metadata := r.Plan.Metadata
	n := activities.Notice{
		Key: fmt.Sprintf("%s/%s/0", r.ID, u.event), Event: u.event, Severity: u.event.Severity(), At: now,
		Release: r.ID, Service: metadata.Name, Environment: metadata.Environment, Namespace: r.Plan.Spec.Target.Namespace,
		Strategy: r.Plan.Spec.Strategy.Name(), Image: r.Image, RequestedBy: r.RequestedBy, Source: r.Source, Text: cut(u.text),
	}
	m := &messenger{MessengerState: &MessengerState{Status: MessengerStatus{Release: ReleaseID(metadata.Environment, metadata.Name)}, Over: true}}
	m.take(activities.Told{Notice: n, To: plan.Addressees(r.Plan.Spec.Notifications, u.event)})
	return m.MessengerState
}
