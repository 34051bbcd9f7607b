// SPDX-License-Identifier: Apache-2.0

package meter

import (
	"slices"
	"time"
)

const (
	// Window is how far a rate looks back: long enough to be steady, short enough for an autoscaler that
	// is waited for.
	Window = 5 * time.Second
	// least is how much of a window must be known: processor time is told in steps of 10 ms.
	least = time.Second
)

// History is what a container used of late. The zero value is one that has just begun.
type History struct {
	samples []sample
	last    time.Duration
}

// sample holds processor time since the beginning of the history.
type sample struct {
	at     time.Time
	cpu    time.Duration
	memory int64
}

// Add takes the usage at a time, which must be later than the one before.
func (h *History) Add(at time.Time, u Usage) {
	next := sample{at: at, memory: u.Memory}
	if n := len(h.samples); n > 0 {
		next.cpu = h.samples[n-1].cpu + max(0, u.CPU-h.last)
	}
	h.last = u.CPU
	h.samples = append(h.samples, next)
	// One sample that is as old as the window, or older, is kept: the rate is taken from there.
	old := slices.IndexFunc(h.samples, func(s sample) bool { return at.Sub(s.at) < Window }) - 1
	h.samples = slices.Delete(h.samples, 0, max(0, old))
}

// Rate is the use of a container over a window that ends At.
type Rate struct {
	At     time.Time
	Window time.Duration
	// Cores is how many processors it kept busy.
	Cores float64
	// Memory in bytes at the end of the window, as in Usage.
	Memory int64
}

// Rate is false as long as there is less than a second to tell it from.
func (h *History) Rate() (Rate, bool) {
	if len(h.samples) == 0 {
		return Rate{}, false
	}
	from, to := h.samples[0], h.samples[len(h.samples)-1]
	window := to.at.Sub(from.at)
	if window < least {
		return Rate{}, false
	}
	return Rate{At: to.at, Window: window, Cores: float64(to.cpu-from.cpu) / float64(window), Memory: to.memory}, true
}
