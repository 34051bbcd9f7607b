// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"cmp"
	"context"
	"errors"
	"math"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// task is one activity that a workflow has asked for, as the server knows it.
type task struct {
	name string
	// run is the workflow ID that asked.
	run string
	// nth is which one of its name this is, from 1.
	nth       int
	args      []any
	options   workflow.ActivityOptions
	answer    workflow.Settable
	scheduled time.Time
	attempts  int
	current   *attempt
	// retry is when the next attempt begins.
	retry   *event
	details *commonpb.Payloads
	// last is how the attempt before has failed.
	last error
	// cancelled: the workflow no longer wants it. closed: the server has told the workflow how it ended.
	cancelled, closed bool
}

// attempt is one execution of a task by a worker.
type attempt struct {
	*task
	number int
	began  time.Time
	// beat is when the server heard of it last.
	beat time.Time
	// calls is how many calls of the world it has made.
	calls int
	// waits is handed over when it waits or has ended.
	waits  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	// disturbed: something went wrong with one of its calls.
	disturbed bool
	// ended: it has returned. dead: its worker has died, so that nobody hears of it.
	ended, dead bool
	out         converter.EncodedValue
	err         error
}

// gone reports whether the server no longer waits for this attempt.
func (a *attempt) gone() bool { return a.dead || a.closed || a.current != a }

// latency is how long a task is on its way to a worker.
const latency = 5 * time.Millisecond

// schedule takes a task of a workflow.
func (s *server) schedule(t *task) {
	t.scheduled = s.now()
	s.tasks = append(s.tasks, t)
	s.counts[t.name]++
	t.nth = s.counts[t.name]
	s.after(latency, func() { s.begin(t) })
	if d := t.options.ScheduleToCloseTimeout; d > 0 {
		s.after(d, func() { s.expire(t, enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE) })
	}
}

// begin starts the next attempt of a task, and returns when it waits.
func (s *server) begin(t *task) {
	if t.closed {
		return
	}
	t.attempts++
	a := &attempt{task: t, number: t.attempts, began: s.now(), beat: s.now(), waits: make(chan struct{})}
	t.current, t.retry = a, nil
	s.running = append(s.running, a)
	if d := t.options.StartToCloseTimeout; d > 0 {
		s.after(d, func() { s.timeOut(a, enumspb.TIMEOUT_TYPE_START_TO_CLOSE) })
	}
	s.listen(a)
	before := s.present
	s.present = a
	go func() {
		a.out, a.err = s.worker.ExecuteActivity(t.name, t.args...)
		a.ended = true
		a.waits <- struct{}{}
	}()
	s.await(a, before)
}

// wake lets an attempt go on until it waits again or has ended.
func (s *server) wake(a *attempt, by func()) {
	if a.ended {
		return
	}
	before := s.present
	s.present = a
	by()
	s.await(a, before)
}

func (s *server) await(a, before *attempt) {
	<-a.waits
	s.present = before
	if a.ended {
		s.hear(a)
	}
}

// After is the clock of activities: the attempt that asks waits.
func (s *server) After(d time.Duration) <-chan time.Time {
	a, c := s.present, make(chan time.Time, 1)
	if a.ctx.Err() != nil {
		return c // its context has ended, and so does its wait
	}
	s.after(d, func() { s.wake(a, func() { c <- s.now() }) })
	a.waits <- struct{}{}
	return c
}

// Pulse is what keeps an attempt alive while it rests, for as long as its worker lives.
func (s *server) Pulse(every time.Duration, beat func()) (stop func()) {
	a, stopped := s.present, false
	var again func()
	again = func() {
		if stopped || a.ended || a.dead {
			return
		}
		if a.gone() || a.cancelled { // the heartbeat would tell it so
			if a.ctx.Err() == nil {
				s.wake(a, a.cancel)
			}
			return
		}
		beat()
		s.after(every, again)
	}
	s.after(every, again)
	return func() { stopped = true }
}

// hang waits for the end of the attempt's context.
func (s *server) hang(a *attempt) error {
	if a.ctx.Err() == nil {
		a.waits <- struct{}{}
		<-a.ctx.Done()
	}
	return a.ctx.Err()
}

// listen ends an attempt that has not been heard of for its heartbeat time-out.
func (s *server) listen(a *attempt) {
	d := a.options.HeartbeatTimeout
	if d == 0 || a.gone() || a.ended {
		return
	}
	s.after(a.beat.Add(d).Sub(s.now()), func() {
		if s.now().Sub(a.beat) < d {
			s.listen(a)
			return
		}
		s.lose(a, enumspb.TIMEOUT_TYPE_HEARTBEAT)
	})
}

// timeOut ends an attempt on both sides: a worker knows this deadline too.
func (s *server) timeOut(a *attempt, kind enumspb.TimeoutType) {
	s.lose(a, kind)
	if !a.ended {
		s.wake(a, a.cancel)
	}
}

// lose gives up an attempt: the worker may not know.
func (s *server) lose(a *attempt, kind enumspb.TimeoutType) {
	if a.closed || a.current != a {
		return
	}
	if kind == enumspb.TIMEOUT_TYPE_HEARTBEAT && !a.dead && !a.disturbed {
		s.silent(a)
	}
	a.current = nil
	s.again(a.task, temporal.NewTimeoutError(kind, a.last))
}

// expire ends a task whose time is over, whatever is under way.
func (s *server) expire(t *task, kind enumspb.TimeoutType) {
	if !t.closed {
		s.close(t, nil, temporal.NewTimeoutError(kind, t.last))
	}
}

// hear takes what an attempt has returned.
func (s *server) hear(a *attempt) {
	s.forget(a)
	t := a.task
	if a.gone() {
		return
	}
	t.current = nil
	switch {
	case a.err == nil:
		s.close(t, a.out, nil)
	case t.cancelled:
		s.close(t, nil, temporal.NewCanceledError())
	default:
		s.again(t, a.err)
	}
}

// again tries a task once more, if its policy and its fault allow it.
func (s *server) again(t *task, err error) {
	t.last = err
	p := t.options.RetryPolicy
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.NonRetryable() || t.cancelled || p == nil {
		if t.cancelled {
			err = temporal.NewCanceledError()
		}
		s.close(t, nil, err)
		return
	}
	grown := float64(p.InitialInterval) * math.Pow(p.BackoffCoefficient, float64(t.attempts-1))
	pause := time.Duration(min(grown, float64(cmp.Or(p.MaximumInterval, 100*p.InitialInterval))))
	if d := t.options.ScheduleToCloseTimeout; d > 0 && s.now().Add(pause).After(t.scheduled.Add(d)) {
		s.close(t, nil, err)
		return
	}
	t.retry = s.after(pause, func() { s.begin(t) })
}

// cancel is the wish of a workflow.
func (s *server) cancel(t *task) {
	if t.closed || t.cancelled {
		return
	}
	t.cancelled = true
	if !t.options.WaitForCancellation || t.current == nil {
		t.retry.stop()
		s.close(t, nil, temporal.NewCanceledError())
	}
}

// close tells the workflow how its task has ended.
func (s *server) close(t *task, out converter.EncodedValue, err error) {
	t.closed = true
	var value any
	if err == nil {
		value, err = s.decode(t.name, out)
	}
	s.closed(t, value, err)
	if s.over {
		return
	}
	t.answer.Set(value, err)
	if s.stir != nil {
		s.stir(t.run)
	}
}
