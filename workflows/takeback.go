// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// refuse ends a release that has changed nothing.
func (r *release) refuse(ctx workflow.Context, cause error) (Status, error) {
	r.answerLast(ctx)
	outcome := r.why(cause) + "; nothing was changed"
	if err := r.closeRecord(ctx); err != nil {
		outcome += "; its record of the safe state is left open, and to rescue by it changes nothing: " + plain(err)
	}
	status, err := r.end(ctx, Refused, outcome)
	if err != nil {
		return status, err
	}
	return status, failure(status)
}

// takeBack undoes everything the release has done, in reverse order, however it was ended.
func (r *release) takeBack(ctx workflow.Context, cause error) (Status, error) {
	r.note(ctx, "undoing: %s", r.cause(cause))
	r.cancel()
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := r.enter(ctx, Undoing); err != nil {
		r.note(ctx, "%s", err)
	}
	r.at(ctx, moment{next: "undo in reverse order: " + r.cause(cause)})
	left := r.undo.run(ctx)
	r.answerLast(ctx)
	why := r.why(cause)
	if len(left) > 0 {
		return r.callPerson(ctx, left, why)
	}
	return r.end(ctx, Undone, why)
}

// callPerson ends a release that could not be brought to an end.
func (r *release) callPerson(ctx workflow.Context, left []string, why string) (Status, error) {
	status, err := r.end(ctx, NeedsPerson, fmt.Sprintf("%s. Left to do by a person: %s", why, strings.Join(left, "; ")))
	if err != nil {
		return status, err
	}
	return status, failure(status)
}

// failure is how a release that did not end well fails, with its status for whoever waits for it.
func failure(s Status) error {
	return temporal.NewApplicationErrorWithOptions(s.Outcome, string(s.Phase), temporal.ApplicationErrorOptions{
		NonRetryable: true, Details: []any{s},
	})
}

// cause of the end of the way forward. A person's abort cancels whatever was under way, so it comes first.
func (r *release) cause(err error) string {
	if r.aborted != nil {
		return fmt.Sprintf("aborted by %s: %s", r.aborted.By, r.aborted.Reason)
	}
	return plain(err)
}

// why is the cause, once it is known whether whoever has aborted is who they say.
func (r *release) why(cause error) string {
	if r.aborted != nil && !r.aborted.verified {
		return fmt.Sprintf("aborted by %s (unverified): %s", r.aborted.By, r.aborted.Reason)
	}
	return r.cause(cause)
}

// shiftBack sends every request to stable. The write waits for nothing; what the router says about it
// is checked afterwards, and the candidate is kept until it has agreed.
func (r *release) shiftBack(ctx workflow.Context) error {
	r.stepBack(ctx)
	if err := r.leaveAt(ctx, 0, "Send all requests to "+r.tracks.Stable); err != nil {
		return err
	}
	r.note(ctx, "sent all requests to %s", r.tracks.Stable)
	return r.settled(ctx, 0)
}

// leaveAt declares a lower weight, and does not wait until it is served.
func (r *release) leaveAt(ctx workflow.Context, weight int, summary string) error {
	err := do(ctx, undoing(), summary, traffic.SetTrafficWeight, activities.SetTrafficWeightIn{Write: r.write(), Route: r.route, Weight: weight})
	if err != nil {
		return err
	}
	return r.weighed(ctx, weight)
}

// pointService declares which track callers inside the cluster reach.
func (r *release) pointService(ctx workflow.Context, p policy, selector map[string]string, pods *activities.AwaitReadyIn) error {
	err := do(ctx, p, "Point Service "+r.route.Stable+" at its track", cluster.SwitchService, activities.SwitchServiceIn{
		Write: r.write(), Namespace: r.status.Namespace, Service: r.route.Stable, Selector: selector, Also: r.route.Also, Ready: pods,
	})
	if err != nil {
		return err
	}
	r.note(ctx, "Service %s selects %v", r.route.Stable, selector)
	return nil
}

// drain lets requests on the candidate finish.
func (r *release) drain(ctx workflow.Context) error {
	err := workflow.NewTimerWithOptions(ctx, decide.Drain, workflow.TimerOptions{
		Summary: "Let requests on " + r.tracks.Candidate + " finish",
	}).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

// landed waits until nothing can come into being any more that this release has tried to make: an object that
// is not there yet carries no fence, so an attempt whose answer was lost could still make it after it was
// taken away.
func (r *release) landed(ctx workflow.Context) error {
	left := r.created.Add(decide.InFlight).Sub(workflow.Now(ctx))
	if left <= 0 {
		return nil
	}
	err := workflow.NewTimerWithOptions(ctx, left, workflow.TimerOptions{
		Summary: "Let every attempt under way end",
	}).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("let attempts end: %w", err)
	}
	return nil
}

// removeCandidate leaves the candidate track as it was found: deleted if this release made it, else with
// its former size and image. Requests under way get time to finish, whoever has sent them there.
func (r *release) removeCandidate(ctx workflow.Context) error {
	if err := r.drain(ctx); err != nil {
		return err
	}
	if err := r.landed(ctx); err != nil {
		return err
	}
	in := activities.RetireTrackIn{
		Write: r.write(), Namespace: r.status.Namespace, Deployment: r.tracks.Candidate,
		Target: r.in.Plan.Spec.Target, Config: r.config(),
		DeleteDeployment: !r.tracks.CandidateExists, Finish: r.finished(ctx, activities.EndUndone),
		Spare: &activities.Spare{Service: r.route.Stable, Selector: r.tracks.CandidateSelector},
	}
	if r.tracks.CandidateExists {
		in.Replicas, in.Container, in.Image = r.tracks.CandidateReplicas, r.in.Plan.Spec.Target.Container, r.tracks.CandidateImage
	}
	if !r.tracks.CandidateServiceExists {
		in.DeleteService = r.tracks.CandidateService
	}
	return do(ctx, retiring(), "Retire "+r.tracks.Candidate, cluster.RetireTrack, in)
}
