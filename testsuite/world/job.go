// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

var _ activities.Jobs = (*World)(nil)

// theLease is where the fence of Jobs stands: they come and go.
const theLease = "the Lease"

// InspectJobs implements activities.Jobs.
func (w *World) InspectJobs(_ context.Context, in activities.InspectJobsIn) error {
	if err := w.enter(InspectJobs); err != nil {
		return err
	}
	if w.NoCronJob {
		return fault.New(fault.NotFound, "CronJob %s does not exist", in.CronJobs[0])
	}
	return nil
}

// MakeJob implements activities.Jobs. One that arrives late has seen the fence of the time when it was sent.
func (w *World) MakeJob(_ context.Context, in activities.RunJobIn) error {
	if err := w.enter(MakeJob); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.Late {
		if in.Fence.Release < w.fence || in.Fence.Less(w.fences[theLease]) {
			w.did("refused a late Job")
			return fault.New(fault.Fenced, "the target has a newer fence")
		}
	}
	if _, ok := w.jobs[in.Name]; ok {
		return nil
	}
	for _, release := range w.jobs {
		if release == in.ReleaseID {
			w.violate("a Job beside another one")
		}
	}
	if at, twice := w.ran[in.Name]; twice && !w.Late {
		w.violate("the Job of one check run twice, first at %s", at.Sub(w.began))
	}
	w.jobs[in.Name], w.ran[in.Name] = in.ReleaseID, w.time()
	w.did("make a Job for %s", in.Track)
	return nil
}

// LookAtJob implements activities.Jobs.
func (w *World) LookAtJob(_ context.Context, in activities.RunJobIn) (activities.JobState, error) {
	if err := w.enter(LookAtJob); err != nil {
		return activities.JobState{}, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.jobs[in.Name] == "":
		return activities.JobState{Ended: true, Reason: "was deleted by somebody before it had ended"}, nil
	case w.JobTakes < 0 || w.time().Sub(w.ran[in.Name]) < w.JobTakes:
		return activities.JobState{Reason: "runs"}, nil
	case w.BadJob:
		return activities.JobState{Ended: true, Reason: "failed (BackoffLimitExceeded)", Trouble: "container smoke ended with exit code 3 (Error): no basket"}, nil
	}
	return activities.JobState{Ended: true, Passed: true, Reason: "completed"}, nil
}

// DeleteJob implements activities.Jobs.
func (w *World) DeleteJob(_ context.Context, in activities.JobIn) error {
	if err := w.enter(DeleteJob); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fences[theLease].Less(in.Fence) {
		w.fences[theLease] = in.Fence
	}
	if _, ok := w.jobs[in.Name]; ok {
		delete(w.jobs, in.Name)
		w.did("delete the Job")
	}
	return nil
}
