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
	// Append adds lines to the record of their release; nothing that stands there is ever changed.
	Append(context.Context, ...judge.Entry) error
}

// account writes the record of one watch. What cannot be written is logged, once, and does not stop the watch.
type account struct {
	recorder Recorder
	release  string
	failed   bool
}

func (a *account) add(ctx context.Context, now time.Time, entries ...judge.Entry) {
	if a.recorder == nil || a.release == "" || len(entries) == 0 {
		return
	}
	for i := range entries {
		entries[i].Release, entries[i].At = a.release, now
	}
	if err := a.recorder.Append(ctx, entries...); err != nil && !a.failed {
		a.failed = true
		activity.GetLogger(ctx).Error("record was not written", "release", a.release, "error", err)
	}
}
