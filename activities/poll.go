// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
)

// Clock is time as a waiting activity sees it: time.Now and time.After in production. A test's may pass
// without anybody waiting.
type Clock struct {
	Now   func() time.Time
	After func(time.Duration) <-chan time.Time
	// Pulse calls beat again and again until it is stopped; nil: every second of real time, see [Clock.alive].
	Pulse func(every time.Duration, beat func()) (stop func())
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

// rest is a wait that may be longer than the heartbeat time-out: Temporal hears meanwhile that somebody is there.
func (c Clock) rest(ctx context.Context, d time.Duration) error {
	for ; d > 0; d -= beatInterval {
		if err := c.wait(ctx, min(d, beatInterval)); err != nil {
			return err
		}
		activity.RecordHeartbeat(ctx)
	}
	return nil
}

// resume is the state that an earlier attempt has left in its heartbeats; zero where there is none to read.
func resume[T any](ctx context.Context) T {
	var state, none T
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &state) != nil {
		return none
	}
	return state
}

// beatInterval is how often an activity that waits for long tells that its worker lives.
const beatInterval = time.Second

// alive lets an activity that looks seldom be missed soon when its worker dies. tell records a state, which the
// next attempt resumes; once per second of real time the last one is repeated. It is this process that must
// live; a clock of a test stands for that by a pulse of its own. States that come faster than that are left out: a watch can read
// what came after any of them once more. end stops it.
func (c Clock) alive(ctx context.Context) (tell func(state any) error, end func()) {
	record := func(state json.RawMessage) { activity.RecordHeartbeat(ctx, state) }
	if c.Pulse == nil {
		return beating(ctx, record)
	}
	var last json.RawMessage
	end = c.Pulse(beatInterval, func() {
		if last != nil {
			record(last)
		}
	})
	return func(state any) error {
		var err error
		if last, err = json.Marshal(state); err != nil {
			return fmt.Errorf("write down the state of a watch: %w", err)
		}
		record(last)
		return nil
	}, end
}

func beating(ctx context.Context, record func(json.RawMessage)) (tell func(state any) error, end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var last atomic.Pointer[json.RawMessage]
	var due atomic.Bool
	due.Store(true)
	done := make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(beatInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if state := last.Load(); state != nil {
					record(*state)
				}
				due.Store(true)
			}
		}
	}()
	tell = func(state any) error {
		if !due.Swap(false) {
			return nil
		}
		text, err := json.Marshal(state) // at once: the state goes on changing
		if err != nil {
			return fmt.Errorf("write down the state of a watch: %w", err)
		}
		raw := json.RawMessage(text)
		last.Store(&raw)
		record(raw)
		return nil
	}
	return tell, func() { cancel(); <-done }
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
		activity.RecordHeartbeat(ctx, out) // its reason is shown to whoever watches
		if err := clock.wait(ctx, min(pollInterval, left)); err != nil {
			return out, err
		}
	}
}
