// SPDX-License-Identifier: Apache-2.0

package workflows

import (
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
	deadline := workflow.Now(ctx).Add(c.Within.D())
	r.at(ctx, moment{next: "check " + c.Name + " passes", deadline: deadline, atDeadline: "the release is undone"})
	result, err := call(ctx, waiting(c.Within.D()), "Check "+c.Name, checks.RunCheck, activities.RunCheckIn{Check: c, Deadline: deadline})
	if err != nil {
		return err
	}
	if !result.Passed {
		return stop("check %s did not pass within %s: %s", c.Name, c.Within, result.Reason)
	}
	r.note(ctx, "check %s passed: %s", c.Name, result.Reason)
	return nil
}
