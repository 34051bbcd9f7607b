// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// Recorder keeps what was seen and found, for longer than Temporal keeps a history.
type Recorder interface {
	// Append adds lines to the record of their release; nothing that stands there is ever changed. It does not keep
	// a watch waiting for a store that is away.
	Append(context.Context, ...judge.Entry) error
}

// account writes the record of one attempt of a watch. What cannot be written is logged, once, and does not stop
// the watch.
type account struct {
	recorder Recorder
	release  string
	// began is how the watch began. Every attempt says it before its first line: what a worker has said that died
	// may never have arrived.
	began  *judge.Watch
	begun  bool
	failed bool
}

// kept reports whether anybody keeps what is added.
func (a *account) kept() bool { return a.recorder != nil && a.release != "" }

func (a *account) add(ctx context.Context, now time.Time, e judge.Entry) {
	if !a.kept() {
		return
	}
	e.Release, e.At = a.release, now
	entries := []judge.Entry{e}
	if !a.begun {
		a.begun = true
		entries = []judge.Entry{{Release: a.release, At: now, Watch: a.began}, e}
	}
	if err := a.recorder.Append(ctx, entries...); err != nil && !a.failed {
		a.failed = true
		activity.GetLogger(ctx).Error("record was not written", "release", a.release, "error", err)
	}
}
