// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// checkAll tries a plan's checks one after the other, until a person says that it is enough.
func (r *release) checkAll(ctx workflow.Context, all []plan.Check) error {
	for _, c := range all {
		if r.promoted != nil {
			return nil
		}
		if err := r.check(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (r *release) check(ctx workflow.Context, c plan.Check) error {
	if c.Job != nil {
		return r.runJob(ctx, c)
	}
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	deadline := workflow.Now(ctx).Add(c.Within.D())
	r.at(ctx, moment{next: "check " + c.Name + " passes", deadline: deadline, atDeadline: "the release is undone"})
	f := start(ctx, waiting(c.Within.D()), "Check "+c.Name, checks.RunCheck, activities.RunCheckIn{Check: c, Deadline: deadline})
	if ended, err := r.beside(ctx, c, f); err != nil || !ended {
		return err
	}
	var result activities.Checked
	if err := f.Get(ctx, &result); err != nil {
		return err
	}
	if !result.Passed {
		return stop("check %s did not pass within %s: %s", c.Name, c.Within, result.Reason)
	}
	r.note(ctx, "check %s passed: %s", c.Name, result.Reason)
	return nil
}

// beside waits for a check, which has a deadline of its own. A canary that gets requests meanwhile goes on being watched:
// one that turns bad is taken back without the check's answer. It reports whether the check has ended; where it has
// not, a person has said that it is enough. Before the first weight and between batches nobody watches.
func (r *release) beside(ctx workflow.Context, c plan.Check, f workflow.Future) (bool, error) {
	if r.rolls != nil || r.status.Weight == 0 {
		if err := workflow.Await(ctx, f.IsReady); err != nil {
			return false, fmt.Errorf("wait for check %s: %w", c.Name, err)
		}
		return true, nil
	}
	err := r.keepWatch(ctx, vigil{
		summary: "Watch beside check " + c.Name, when: "during check " + c.Name,
		done: func() bool { return f.IsReady() || r.promoted != nil },
	})
	return f.IsReady(), err
}
