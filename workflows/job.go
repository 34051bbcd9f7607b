// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// job is the Job of a check.
type job struct {
	// name of the one that may be there; empty: there is none.
	name string
	// run ends with the last attempt to make it and to wait for it.
	run workflow.Future
}

// inspectJobs refuses a plan whose Jobs cannot be made.
func (r *release) inspectJobs(ctx workflow.Context) error {
	in := activities.InspectJobsIn{Target: r.in.Plan.Spec.Target}
	for _, c := range r.checked {
		if c.Job != nil && !slices.Contains(in.CronJobs, c.Job.CronJob) {
			in.CronJobs = append(in.CronJobs, c.Job.CronJob)
		}
	}
	if len(in.CronJobs) == 0 {
		return nil
	}
	if r.rolls == nil {
		in.Selectors = []map[string]string{r.tracks.StableSelector, r.tracks.CandidateSelector, r.tracks.SharedSelector}
	}
	return do(ctx, reading(), "Look at the CronJobs of the checks", checks.InspectJobs, in)
}

// guardJobs registers the end of whatever Job a check will have made. It stands before what brings users back, which
// waits for no Job.
func (r *release) guardJobs() {
	for _, c := range r.checked {
		if c.Job != nil {
			r.undo.push(compensation{name: "delete the check's Job", beside: true, run: func(ctx workflow.Context) error {
				return r.sweepJob(ctx, undoing())
			}})
			return
		}
	}
}

// runJob is a check by a Job, which runs once and is deleted whatever comes of it. An abort does not wait until it has
// ended: that is the undo's business.
func (r *release) runJob(ctx workflow.Context, c plan.Check) error {
	runCtx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	in := r.jobOf(ctx, c)
	r.at(ctx, moment{next: "check " + c.Name + " passes: Job " + in.Name + " completes", deadline: in.Deadline, atDeadline: "the release is undone"})
	r.job = job{in.Name, start(runCtx, opening(c.Within.D()), "Check "+c.Name+" by Job "+in.Name, checks.RunJob, in)}
	ended, err := r.beside(ctx, c, r.job.run)
	switch {
	case err != nil:
		return err
	case !ended:
		cancel()
		return r.dropJob(ctx)
	}
	var result activities.Checked
	if err := r.job.run.Get(ctx, &result); err != nil {
		return err
	}
	if !result.Passed {
		return stop("check %s did not pass: %s", c.Name, result.Reason)
	}
	if err := r.deleteJob(ctx, writing()); err != nil {
		return err
	}
	r.note(ctx, "check %s passed: %s", c.Name, result.Reason)
	return nil
}

// jobOf is what the Job of a check is made of, and what it is told.
func (r *release) jobOf(ctx workflow.Context, c plan.Check) activities.RunJobIn {
	target, w := r.in.Plan.Spec.Target, r.write()
	in := activities.RunJobIn{
		JobIn: activities.JobIn{Write: w, Target: target, Name: activities.JobName(target, c.Name, w)},
		Check: c, Image: r.in.Image, Track: r.status.Candidate, Service: target.Service, Deadline: workflow.Now(ctx).Add(c.Within.D()),
	}
	if r.rolls == nil {
		in.Service = r.tracks.CandidateService
	}
	return in
}

func (r *release) deleteJob(ctx workflow.Context, p policy) error {
	err := do(ctx, p, "Delete Job "+r.job.name, checks.DeleteJob,
		activities.JobIn{Write: r.write(), Target: r.in.Plan.Spec.Target, Name: r.job.name})
	if err == nil {
		r.job = job{}
	}
	return err
}

// dropJob deletes a Job for which nobody waits any more.
func (r *release) dropJob(ctx workflow.Context) error {
	r.at(ctx, moment{next: "Job " + r.job.name + " is deleted"})
	if err := workflow.Await(ctx, r.job.run.IsReady); err != nil {
		return fmt.Errorf("wait for the end of Job %s: %w", r.job.name, err)
	}
	return r.sweepJob(ctx, writing())
}

// sweepJob deletes the Job of the check that was under way, or has not passed, once no attempt can make it any more.
func (r *release) sweepJob(ctx workflow.Context, p policy) error {
	if r.job.name == "" {
		return nil
	}
	if err := r.job.run.Get(ctx, nil); err != nil { // how it has ended does not matter any more, only that it has
		r.created = workflow.Now(ctx)
	}
	if err := r.landed(ctx); err != nil {
		return err
	}
	if err := r.deleteJob(ctx, p); err != nil {
		return err
	}
	r.note(ctx, "deleted the Job of the check")
	return nil
}
