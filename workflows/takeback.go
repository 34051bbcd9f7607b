// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
)

// refuse ends a release that has changed nothing.
func (c *canary) refuse(ctx workflow.Context, cause error) (Status, error) {
	status, err := c.end(ctx, Refused, c.why(cause)+"; nothing was changed")
	if err != nil {
		return status, err
	}
	return status, failure(status)
}

// takeBack undoes everything the release has done, in reverse order, however it was ended.
func (c *canary) takeBack(ctx workflow.Context, cause error) (Status, error) {
	why := c.why(cause)
	c.note(ctx, "undoing: %s", why)
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if err := c.enter(ctx, Undoing); err != nil {
		c.note(ctx, "%s", err)
	}
	c.at(ctx, moment{next: "undo in reverse order: " + why})
	left := c.undo.run(ctx)
	if len(left) > 0 {
		return c.callPerson(ctx, left, why)
	}
	return c.end(ctx, Undone, why)
}

// callPerson ends a release that could not be brought to an end.
func (c *canary) callPerson(ctx workflow.Context, left []string, why string) (Status, error) {
	status, err := c.end(ctx, NeedsPerson, fmt.Sprintf("%s. Left to do by a person: %s", why, strings.Join(left, "; ")))
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

// why the way forward ended. A person's abort cancels whatever was under way, so it comes first.
func (c *canary) why(cause error) string {
	if c.aborted != nil {
		return fmt.Sprintf("aborted by %s: %s", c.aborted.By, c.aborted.Reason)
	}
	return plain(cause)
}

// shiftBack sends every request to stable. The write waits for nothing; what the router says about it
// is checked afterwards, and the candidate is kept until it has agreed.
func (c *canary) shiftBack(ctx workflow.Context) error {
	err := do(ctx, undoing(), "Send all requests to "+c.tracks.Stable, traffic.SetTrafficWeight,
		activities.SetTrafficWeightIn{Write: c.write(), Route: c.route, Weight: 0})
	if err != nil {
		return err
	}
	if err := c.weighed(ctx, 0); err != nil {
		return err
	}
	c.note(ctx, "sent all requests to %s", c.tracks.Stable)
	return c.settled(ctx, 0)
}

// pointService declares which track callers inside the cluster reach.
func (c *canary) pointService(ctx workflow.Context, p policy, selector map[string]string) error {
	err := do(ctx, p, "Point Service "+c.route.Stable+" at its track", cluster.SwitchService, activities.SwitchServiceIn{
		Write: c.write(), Namespace: c.status.Namespace, Service: c.route.Stable, Selector: selector,
	})
	if err != nil {
		return err
	}
	c.note(ctx, "Service %s selects %v", c.route.Stable, selector)
	return nil
}

// removeCandidate leaves the candidate track as it was found: deleted if this release made it, else at
// zero with its former image. Requests under way get time to finish.
func (c *canary) removeCandidate(ctx workflow.Context) error {
	if c.status.MaxWeight > 0 {
		if err := workflow.NewTimerWithOptions(ctx, drain, workflow.TimerOptions{
			Summary: "Let requests on " + c.tracks.Candidate + " finish",
		}).Get(ctx, nil); err != nil {
			return fmt.Errorf("drain: %w", err)
		}
	}
	in := activities.RetireTrackIn{
		Write: c.write(), Namespace: c.status.Namespace, Deployment: c.tracks.Candidate,
		DeleteDeployment: !c.tracks.CandidateExists,
	}
	if c.tracks.CandidateExists {
		in.Container, in.Image = c.in.Plan.Spec.Target.Container, c.tracks.CandidateImage
	}
	if !c.tracks.CandidateServiceExists {
		in.DeleteService = c.tracks.CandidateService
	}
	return do(ctx, undoing(), "Retire "+c.tracks.Candidate, cluster.RetireTrack, in)
}
