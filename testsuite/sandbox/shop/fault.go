// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// faults are what goes wrong with requests.
type faults struct {
	// ErrorRate is the share of requests that answer 500, 0 to 1. Errors are spread evenly, not drawn by
	// lot: of 100 requests at 0.05 exactly 5 fail, so that a test needs no luck.
	ErrorRate float64 `env:"ERROR_RATE" json:"errorRate"`
	// Latency is added to every request.
	Latency duration `env:"LATENCY" json:"latency"`
	// SlowRate of the requests, evenly spread, take SlowLatency more.
	SlowRate    float64  `env:"SLOW_RATE" json:"slowRate"`
	SlowLatency duration `env:"SLOW_LATENCY" json:"slowLatency"`
	// CPU is how much processor time every request takes.
	CPU duration `env:"CPU" json:"cpu"`
	// After is how long after the first request the faults begin.
	After duration `env:"FAULT_AFTER" json:"after"`
}

func (f faults) check() error {
	if f.ErrorRate < 0 || f.ErrorRate > 1 || f.SlowRate < 0 || f.SlowRate > 1 {
		return errors.New("ERROR_RATE and SLOW_RATE are shares from 0 to 1")
	}
	return nil
}

// duration reads "150ms" from the environment and from JSON.
type duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = duration(v)
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (d duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// injector decides what happens to each request.
type injector struct {
	now func() time.Time

	mu           sync.Mutex
	own          faults
	override     *faults
	first        time.Time
	errors, slow float64
}

func (i *injector) set(f faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.own, i.first = f, time.Time{}
}

func (i *injector) setOverride(f *faults) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.override = f
}

func (i *injector) present() faults {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.presentLocked()
}

func (i *injector) presentLocked() faults {
	if i.override != nil {
		return *i.override
	}
	return i.own
}

// fate is what happens to one request.
type fate struct {
	fails        bool
	latency, cpu time.Duration
}

// next is the fate of one request.
func (i *injector) next() fate {
	i.mu.Lock()
	defer i.mu.Unlock()
	f := i.presentLocked()
	now := i.now()
	if i.first.IsZero() {
		i.first = now
	}
	if now.Sub(i.first) < time.Duration(f.After) {
		return fate{}
	}
	one := fate{latency: time.Duration(f.Latency), cpu: time.Duration(f.CPU), fails: due(&i.errors, f.ErrorRate)}
	if due(&i.slow, f.SlowRate) {
		one.latency += time.Duration(f.SlowLatency)
	}
	return one
}

// due spreads events of a rate evenly over its calls.
func due(debt *float64, rate float64) bool {
	*debt += rate
	if *debt < 1-1e-9 {
		return false
	}
	*debt--
	return true
}

// burn takes processor time, however long that lasts where others want the processors too.
func burn(long time.Duration) {
	if long <= 0 {
		return
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for end := threadTime() + long; threadTime() < end; {
	}
}

// threadTime is the processor time of this thread.
func threadTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // every Linux has this clock
	}
	return time.Duration(t.Nano())
}
