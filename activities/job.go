// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxJobName is the longest name of a Job: its pods carry it as a label.
const maxJobName = 63

// JobName is that of the Job which one step makes for a check: every attempt of the step finds the same one, and no
// other release of the target has its fence. Of a long name a hash stands for the rest.
func JobName(t plan.Target, check string, w Write) string {
	stem, behind := t.Deployment+"-"+check, fmt.Sprintf("-%d-%d", w.Fence.Release, w.Fence.Step)
	if len(stem)+len(behind) > maxJobName {
		sum := sha256.Sum256([]byte(stem))
		behind = "-" + hex.EncodeToString(sum[:4]) + behind
		stem = strings.TrimRight(stem[:maxJobName-len(behind)], "-")
	}
	return stem + behind
}

// InspectJobsIn asks whether the Jobs of checks can be made, before anything is changed.
type InspectJobsIn struct {
	Target   plan.Target `json:"target"`
	CronJobs []string    `json:"cronJobs"`
	// Selectors of Services that must not take a Job's pods for those of the service.
	Selectors []map[string]string `json:"selectors,omitempty"`
}

// JobIn names the Job of a check.
type JobIn struct {
	Write
	Target plan.Target `json:"target"`
	// Name of the Job, which [JobName] has made.
	Name string `json:"name"`
}

// RunJobIn makes a Job and waits until it has ended.
type RunJobIn struct {
	JobIn
	Check plan.Check `json:"check"`
	// Image is what the release brings, Track the workload that runs it, and Service what reaches that.
	Image   string `json:"image"`
	Track   string `json:"track"`
	Service string `json:"service"`
	// Deadline of the Job.
	Deadline time.Time `json:"deadline"`
}

// JobState is how far a Job is.
type JobState struct {
	// Ended is true when it will not go on, Passed when it has completed.
	Ended  bool `json:"ended"`
	Passed bool `json:"passed"`
	// Reason in plain words.
	Reason string `json:"reason"`
	// Trouble is what its pods say about themselves: those of a Job that has failed may be gone.
	Trouble string `json:"trouble,omitempty"`
}

// Jobs are made from CronJobs.
type Jobs interface {
	// InspectJobs refuses a CronJob that no check can use.
	InspectJobs(context.Context, InspectJobsIn) error
	// MakeJob makes the Job, or finds the one that the same step has made. One that somebody else has made is a
	// fault. It is fenced and idempotent.
	MakeJob(context.Context, RunJobIn) error
	// LookAtJob says how far it is.
	LookAtJob(context.Context, RunJobIn) (JobState, error)
	// DeleteJob deletes the Job with its pods, and lets no earlier step make it anew. Finding none is fine, and so
	// is one of somebody else, which is left alone.
	DeleteJob(context.Context, JobIn) error
}

// InspectJobs looks at the CronJobs of a plan's checks.
func (a *Checks) InspectJobs(ctx context.Context, in InspectJobsIn) error {
	return fault.From(a.Jobs.InspectJobs(ctx, in))
}

// RunJob makes the Job of a check once, whatever attempt this is, and heartbeats until it has ended or the deadline has
// passed. It stays until [Checks.DeleteJob], so that another attempt learns how it has ended and runs it no second
// time.
func (a *Checks) RunJob(ctx context.Context, in RunJobIn) (Checked, error) {
	if err := a.Jobs.MakeJob(ctx, in); err != nil {
		return Checked{}, fault.From(err)
	}
	if activity.GetInfo(ctx).Attempt > 1 { // what an earlier attempt has sent must not arrive after it was deleted
		if err := a.Clock.rest(ctx, decide.InFlight); err != nil {
			return Checked{}, err
		}
	}
	trouble := ""
	s, err := poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (JobState, bool, error) {
		s, err := a.Jobs.LookAtJob(ctx, in)
		if s.Trouble != "" {
			trouble = s.Trouble
		}
		return s, s.Ended, err
	})
	if err != nil {
		return Checked{}, err
	}
	return checked(in, s, trouble), nil
}

// checked is how a Job went, in words.
func checked(in RunJobIn, s JobState, trouble string) Checked {
	out := Checked{Passed: s.Passed, Reason: fmt.Sprintf("Job %s %s", in.Name, s.Reason)}
	if !s.Ended {
		out.Reason = fmt.Sprintf("Job %s has not ended within %s: it %s", in.Name, in.Check.Within, s.Reason)
	}
	if trouble != "" && !s.Passed {
		out.Reason += ": " + trouble
	}
	return out
}

// DeleteJob deletes the Job of a check with its pods.
func (a *Checks) DeleteJob(ctx context.Context, in JobIn) error {
	return fault.From(a.Jobs.DeleteJob(ctx, in))
}
