// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
)

// pollInterval is the pause between two looks of a waiting activity.
const pollInterval = 200 * time.Millisecond

// poll looks until look is done or the deadline has passed, heartbeating between looks, and returns
// what it saw last. A fault that a later look can heal is only returned if it lasts to the deadline.
func poll[T any](ctx context.Context, deadline time.Time, look func(context.Context) (T, bool, error)) (T, error) {
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	late := time.NewTimer(time.Until(deadline))
	defer late.Stop()
	for {
		out, done, err := look(ctx)
		if done || err != nil && fault.Final(err) {
			return out, fault.From(err)
		}
		activity.RecordHeartbeat(ctx)
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-late.C:
			return out, fault.From(err)
		case <-tick.C:
		}
	}
}
