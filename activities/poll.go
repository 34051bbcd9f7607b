// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
)

// Clock is time as a waiting activity sees it: time.Now and time.After in production. A test's may pass
// without anybody waiting.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
}

// wait lets d pass; it ends early, with the reason, when ctx is done.
func (c Clock) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.After(d):
		return nil
	}
}

// resume is the state that an earlier attempt has left in its heartbeats; zero where there is none to read.
func resume[T any](ctx context.Context) T {
	var state, none T
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &state) != nil {
		return none
	}
	return state
}

// pollInterval is the pause between two looks of a waiting activity.
const pollInterval = 200 * time.Millisecond

// poll looks until look is done or the deadline has passed, heartbeating between looks, and returns
// what it saw last. A fault that a later look can heal is only returned if it lasts to the deadline.
func poll[T any](ctx context.Context, clock Clock, deadline time.Time, look func(context.Context) (T, bool, error)) (T, error) {
	for {
		out, done, err := look(ctx)
		left := deadline.Sub(clock.Now())
		if done || left <= 0 || err != nil && fault.Final(err) {
			return out, fault.From(err)
		}
		activity.RecordHeartbeat(ctx)
		if err := clock.wait(ctx, min(pollInterval, left)); err != nil {
			return out, err
		}
	}
}
