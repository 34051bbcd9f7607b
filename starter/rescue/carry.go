// SPDX-License-Identifier: Apache-2.0

package rescue

import (
	"context"
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

const (
	// drain is how long proxies may lag behind what their gateway says, and requests under way may take.
	drain = 2 * time.Second
	// fenceWithin bounds the attempts to take the fence.
	fenceWithin = 10 * time.Second
)

// Order is one rescue.
type Order struct {
	Safe    activities.SafeState
	Actions []Action
	// ID is the name under which it writes, By the person who gives it.
	ID, By string
	// Say is told each step as it ends.
	Say func(Step)
}

// Outcome says how a step has ended.
type Outcome string

// The outcomes.
const (
	Done   Outcome = "done"
	Failed Outcome = "failed"
	// NotTried: it would do harm after what has failed before it.
	NotTried Outcome = "not tried"
	// Left: a person has to decide.
	Left Outcome = "left"
)

// Step is an action with its outcome.
type Step struct {
	Action
	Outcome Outcome `json:"outcome"`
	// Reason in plain words, where it was not done.
	Reason string `json:"reason,omitempty"`
}

// Report is what a rescue has done.
type Report struct {
	ID    string `json:"id"`
	Steps []Step `json:"steps"`
	// Verified is true where every step was done.
	Verified bool `json:"verified"`
}

// Left are the steps that a person has to do.
func (r Report) Left() []Step {
	var out []Step
	for _, s := range r.Steps {
		if s.Outcome != Done {
			out = append(out, s)
		}
	}
	return out
}

// Carry performs the actions in their order and goes on past failures.
func (r *Rescuer) Carry(ctx context.Context, o Order) Report {
	c := &carrying{Rescuer: r, order: o, report: Report{ID: o.ID}}
	c.take(ctx)
	for _, a := range o.Actions {
		c.step(ctx, a)
	}
	c.report.Verified = len(c.report.Left()) == 0
	if c.report.Verified {
		c.close(ctx)
	}
	return c.report
}

// carrying is one rescue under way.
type carrying struct {
	*Rescuer
	order  Order
	fence  activities.Fence
	report Report
	// bare is true where stable has been seen without a ready pod.
	bare bool
}

// write is the identity of the next mutation.
func (c *carrying) write() activities.Write {
	c.fence.Step++
	return activities.Write{ReleaseID: c.order.ID, Fence: c.fence}
}

// ended notes how a step ended, and tells it.
func (c *carrying) ended(a Action, o Outcome, reason string) {
	s := Step{Action: a, Outcome: o, Reason: reason}
	c.report.Steps = append(c.report.Steps, s)
	c.order.Say(s)
}

func (c *carrying) judge(a Action, err error) {
	if err != nil {
		c.ended(a, Failed, err.Error())
		return
	}
	c.ended(a, Done, "")
}

// take shuts the release out. Where the Lease cannot be had, the marks on the objects alone must do.
func (c *carrying) take(ctx context.Context) {
	s := c.order.Safe
	a := Action{Do: TakeFence, Needed: true, Text: fmt.Sprintf("shut release %s out, as %s", s.ReleaseID, c.order.ID)}
	in := activities.TakeFenceIn{Target: s.Target, ReleaseID: c.order.ID}
	err := c.await(ctx, fenceWithin, func(ctx context.Context) (string, error) {
		n, err := c.workloads.TakeFence(ctx, in)
		c.fence.Release = max(c.fence.Release, n)
		return "", err
	})
	if c.fence.Release == 0 {
		last, lastErr := c.workloads.LastFence(ctx, s.Target)
		if lastErr != nil {
			err = lastErr
		}
		c.fence.Release = int64(last) + 1
	}
	if err == nil {
		err = c.workloads.Record(ctx, s, c.write())
	}
	c.judge(a, err)
}

// close leaves the record of a rescue that has left nothing to do.
func (c *carrying) close(ctx context.Context) {
	s := c.order.Safe
	s.Ended, s.EndedAt, s.EndedBy = activities.EndRescued, c.clock.Now().UTC(), fmt.Sprintf("%s (%s)", c.order.By, c.order.ID)
	if err := c.workloads.Record(ctx, s, c.write()); err != nil {
		c.ended(Action{Do: TakeFence, Text: "record that it was rescued"}, Failed, err.Error())
		c.report.Verified = false
	}
}

// step performs one action, unless it would do harm.
func (c *carrying) step(ctx context.Context, a Action) {
	if reason := c.obstacle(a.Do); reason != "" {
		c.ended(a, NotTried, reason)
		return
	}
	if a.Do == Tell {
		c.ended(a, Left, "a person has to decide")
		return
	}
	c.judge(a, c.perform(ctx, a))
}

// obstacle is why an action must not be tried.
func (c *carrying) obstacle(d Deed) string {
	t := c.order.Safe.Tracks
	switch d {
	case SwitchService, ShiftRoute, VerifyService, VerifyRoute:
		if c.bare {
			return fmt.Sprintf("no pod of %s is ready: with it, some requests may be answered; there, none would be", t.Stable)
		}
	case RemoveCandidate:
		for _, s := range c.report.Steps {
			if s.Outcome != Done && takesBack(s.Do) {
				return "traffic may still reach the candidate"
			}
		}
	case Tell, TakeFence, KeepStable, ClosePreview, KeepCandidate:
	}
	return ""
}

// takesBack reports whether a deed has to be done before nobody is on the candidate.
func takesBack(d Deed) bool {
	return d == SwitchService || d == ShiftRoute || d == VerifyService || d == VerifyRoute
}

func (c *carrying) perform(ctx context.Context, a Action) error {
	s := c.order.Safe
	switch a.Do {
	case KeepStable:
		return c.keepStable(ctx)
	case SwitchService:
		return c.workloads.SwitchService(ctx, activities.SwitchServiceIn{
			Write: c.write(), Namespace: s.Target.Namespace, Service: s.Route.Stable, Selector: s.Tracks.StableSelector, Also: s.Route.Also,
		})
	case ShiftRoute:
		return c.shift(ctx)
	case VerifyService:
		return c.verify(ctx, c.endpoints)
	case VerifyRoute:
		return c.verifyRoute(ctx)
	case ClosePreview:
		return c.closePreview(ctx, a)
	case KeepCandidate:
		err := c.workloads.KeepTrack(ctx, cluster.KeepTrackIn{Write: c.write(), Namespace: s.Target.Namespace, Deployment: s.Tracks.Candidate})
		if err != nil && fault.Of(err) == fault.NotFound {
			return nil
		}
		return err
	case RemoveCandidate:
		return c.removeCandidate(ctx)
	case Tell, TakeFence:
	}
	return nil
}

// shift sends the requests of the router in front to stable.
func (c *carrying) shift(ctx context.Context) error {
	front, err := c.front(c.order.Safe)
	if err != nil {
		return err
	}
	return front.Set(ctx, activities.SetTrafficWeightIn{Write: c.write(), Route: c.order.Safe.Route})
}

func (c *carrying) verifyRoute(ctx context.Context) error {
	front, err := c.front(c.order.Safe)
	if err != nil {
		return err
	}
	if err := c.verify(ctx, front); err != nil {
		return err
	}
	return c.pause(ctx, drain) // a gateway says so a little before all its proxies do so
}

func (c *carrying) closePreview(ctx context.Context, a Action) error {
	front, err := c.front(c.order.Safe)
	if err != nil || !a.Needed {
		return err
	}
	if p, ok := front.(activities.Previewer); ok {
		return p.ClosePreview(ctx, activities.PreviewIn{Write: c.write(), Route: c.order.Safe.Route})
	}
	return nil
}

// keepStable makes sure of the receiving side before anything is sent there.
func (c *carrying) keepStable(ctx context.Context) error {
	s := c.order.Safe
	err := c.workloads.KeepTrack(ctx, cluster.KeepTrackIn{
		Write: c.write(), Namespace: s.Target.Namespace, Deployment: s.Tracks.Stable, Replicas: s.Tracks.Replicas,
	})
	if err != nil {
		return err
	}
	return c.await(ctx, c.ready, func(ctx context.Context) (string, error) {
		now, err := c.workloads.LookAtTrack(ctx, s, s.Tracks.Stable)
		if err != nil {
			return "", err
		}
		if now == nil {
			c.bare = true
			return s.Tracks.Stable + " is gone", nil
		}
		c.bare = now.Ready == 0
		if now.Ready >= max(now.Declared, s.Tracks.Replicas) {
			return "", nil
		}
		why, err := c.workloads.Readiness(ctx, activities.AwaitReadyIn{Namespace: s.Target.Namespace, Deployment: s.Tracks.Stable, Image: now.Image})
		return why.Reason, err
	})
}

// verify waits until a router sends everything to stable.
func (c *carrying) verify(ctx context.Context, router activities.Router) error {
	return c.await(ctx, c.settle, func(ctx context.Context) (string, error) {
		s, err := router.Verify(ctx, c.order.Safe.Route, 0)
		return s.Reason, err
	})
}

// removeCandidate leaves the candidate as the release found it.
func (c *carrying) removeCandidate(ctx context.Context) error {
	if err := c.pause(ctx, drain); err != nil {
		return err
	}
	s, t := c.order.Safe, c.order.Safe.Tracks
	in := activities.RetireTrackIn{
		Write: c.write(), Namespace: s.Target.Namespace, Deployment: t.Candidate, DeleteDeployment: !t.CandidateExists,
	}
	if t.CandidateExists {
		in.Replicas, in.Container, in.Image, in.Undoes = t.CandidateReplicas, s.Target.Container, t.CandidateImage, s.ReleaseID
	}
	if !t.CandidateServiceExists {
		in.DeleteService = t.CandidateService
	}
	return c.workloads.RetireTrack(ctx, in)
}
