// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// maxAtOnce is how many messages one receiver gets at once from one worker.
const maxAtOnce = 10

// busyFor is how long a message waits outside while a receiver has as many as it may have.
const busyFor = 2 * time.Second

// guarded is a receiver that takes no more than its share of a worker.
type guarded struct {
	name   string
	to     activities.Notifier
	now    func() time.Time
	places chan struct{}

	mu sync.Mutex
	// until is when the receiver wants to be asked again.
	until time.Time
}

func guard(name string, to activities.Notifier, now func() time.Time) *guarded {
	return &guarded{name: name, to: to, now: now, places: make(chan struct{}, maxAtOnce)}
}

// Notify implements activities.Notifier. It never waits for another message.
func (g *guarded) Notify(ctx context.Context, m activities.Message) error {
	if left := g.left(); left > 0 {
		return fault.Later(left, "receiver %s has asked to be left alone for %s more", g.name, left.Round(time.Second))
	}
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
	default:
		return fault.Later(busyFor, "receiver %s is being told %d other things", g.name, maxAtOnce)
	}
	err := g.to.Notify(ctx, m)
	if f, ok := errors.AsType[*fault.Error](err); ok && f.After > 0 {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.until = g.now().Add(f.After)
	}
	return err
}

func (g *guarded) left() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until.Sub(g.now())
}
