// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"container/heap"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/testsuite"
)

// tick is the least time that anything takes.
const tick = time.Millisecond

// engine moves the time and lets one thing happen after the other. While a workflow runs, the time is that of
// its environment; what is still to come when it has ended is run by drain.
type engine struct {
	env    *testsuite.TestWorkflowEnvironment
	queue  events
	events int
	// armed is when the environment will call; zero: it will not.
	armed time.Time
	// late is the time after the workflow, in nanoseconds; 0 while it runs.
	late atomic.Int64
}

// event is something that happens at its time, once.
type event struct {
	at   time.Time
	nth  int
	do   func()
	over bool
}

func (v *event) stop() {
	if v != nil {
		v.over = true
	}
}

// events is a heap, the next one first.
type events []*event

// Len implements heap.Interface.
func (e events) Len() int { return len(e) }

// Less implements heap.Interface.
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].nth < e[j].nth
}

// Swap implements heap.Interface.
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(v any) { *e = append(*e, v.(*event)) } //nolint:forcetypeassert // it holds nothing else

// Pop implements heap.Interface.
func (e *events) Pop() any {
	last := len(*e) - 1
	v := (*e)[last]
	*e = (*e)[:last]
	return v
}

func (e *engine) now() time.Time {
	if n := e.late.Load(); n > 0 {
		return time.Unix(0, n).UTC()
	}
	return e.env.Now()
}

// after lets something happen in a while.
func (e *engine) after(d time.Duration, do func()) *event {
	e.events++
	v := &event{at: e.now().Add(max(d, tick)), nth: e.events, do: do}
	heap.Push(&e.queue, v)
	e.arm()
	return v
}

// next is the next event, or nil.
func (e *engine) next() *event {
	for len(e.queue) > 0 && e.queue[0].over {
		heap.Pop(&e.queue)
	}
	if len(e.queue) == 0 {
		return nil
	}
	return e.queue[0]
}

// arm asks the environment to call at the time of the next event.
func (e *engine) arm() {
	v := e.next()
	if v == nil || e.late.Load() > 0 || !e.armed.IsZero() && !v.at.Before(e.armed) {
		return
	}
	at := v.at
	e.armed = at
	e.env.RegisterDelayedCallback(func() {
		if e.armed.Equal(at) { // else an earlier event came, and has armed for this one anew
			e.turn()
		}
	}, max(tick, at.Sub(e.now())))
}

// turn lets everything happen whose time has come.
func (e *engine) turn() {
	e.armed = time.Time{}
	for v := e.next(); v != nil && !v.at.After(e.now()); v = e.next() {
		heap.Pop(&e.queue)
		v.do()
	}
	e.arm()
}

// drain runs what the workflow has left behind, for at most so long.
func (e *engine) drain(most time.Duration) {
	end := e.now().Add(most)
	e.late.Store(e.now().UnixNano())
	for v := e.next(); v != nil && !v.at.After(end); v = e.next() {
		heap.Pop(&e.queue)
		e.late.Store(max(e.late.Load(), v.at.UnixNano()))
		v.do()
	}
}
