// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// policy is how a class of activities is tried, and tried again.
type policy workflow.ActivityOptions

// attempts is how fast a fault that may heal is met again. Kinds that cannot heal are not retried.
func attempts() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 1.5, MaximumInterval: 5 * time.Second}
}

// reading looks at the world before anything is changed; a person is waiting for the answer.
func reading() policy {
	return policy{StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: 30 * time.Second, RetryPolicy: attempts()}
}

// claiming takes the fence: whoever stops it waits until its last attempt has ended, at most 10 s, since the record
// that it makes is closed after it.
func claiming() policy {
	p := reading()
	p.WaitForCancellation = true
	return p
}

// recalling asks for hours of the past: that may take a while, but a person is waiting.
func recalling() policy {
	return policy{StartToCloseTimeout: 30 * time.Second, ScheduleToCloseTimeout: 45 * time.Second, RetryPolicy: attempts()}
}

// writing changes one object on the way forward. When it cannot, the release is undone.
func writing() policy {
	return policy{StartToCloseTimeout: 5 * time.Second, ScheduleToCloseTimeout: 2 * time.Minute, RetryPolicy: attempts()}
}

// creating makes objects. A create cannot be fenced by an annotation, so whoever stops it waits until
// its last attempt has ended, at most 10 s, before taking back what it made.
func creating() policy {
	p := writing()
	p.StartToCloseTimeout, p.WaitForCancellation = 10*time.Second, true
	return p
}

// opening creates and waits until what was made is served; as with any create, whoever stops it waits
// until its last attempt has ended.
func opening(within time.Duration) policy {
	p := waiting(within)
	p.WaitForCancellation = true
	return p
}

// undoing takes something back: it has far more patience than the way forward.
func undoing() policy {
	return policy{StartToCloseTimeout: 5 * time.Second, ScheduleToCloseTimeout: 30 * time.Minute, RetryPolicy: attempts()}
}

// retiring takes a track out of service, which needs up to twenty calls of an API server that may be slow.
func retiring() policy {
	p := undoing()
	p.StartToCloseTimeout = 20 * time.Second
	return p
}

// restoring waits until what is taken back is really back, with the patience of an undo.
func restoring(within time.Duration) policy {
	p := waiting(within)
	p.ScheduleToCloseTimeout += undoing().ScheduleToCloseTimeout
	return p
}

// waiting heartbeats until a deadline of its own; the timeout only catches an activity that forgets it.
func waiting(within time.Duration) policy {
	return policy{
		StartToCloseTimeout: within + time.Minute, ScheduleToCloseTimeout: within + 2*time.Minute,
		HeartbeatTimeout: beat, RetryPolicy: attempts(),
	}
}

// watching is waiting on a queue of its own, so that no number of watches delays an abort.
func watching(within time.Duration) policy {
	p := waiting(within)
	p.TaskQueue = WatchTaskQueue
	return p
}

// surveying asks Temporal, which is there whenever a workflow runs: it never gives up.
func surveying() policy {
	return policy{StartToCloseTimeout: 10 * time.Second, RetryPolicy: attempts()}
}

// resolving asks a registry, which may be away for a while.
func resolving() policy {
	return policy{StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: 30 * time.Minute, RetryPolicy: attempts()}
}

// submitting waits for a lane, which answers as soon as a worker is there.
func submitting() policy {
	return policy{StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: 30 * time.Minute, RetryPolicy: attempts()}
}

// telling reaches every lane of an environment, and tries until it has.
func telling() policy {
	return policy{StartToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: 2 * beat, RetryPolicy: attempts()}
}

// following waits for the end of a release, for as long as that takes.
func following() policy {
	return policy{
		TaskQueue: WatchTaskQueue, StartToCloseTimeout: untilTold, HeartbeatTimeout: 2 * beat, RetryPolicy: attempts(),
	}
}

// localPolicy is policy for activities that are part of a workflow task.
type localPolicy workflow.LocalActivityOptions

// quick computes something; a person is waiting. It is tried once: what it computes would not change.
func quick() localPolicy {
	return localPolicy{ScheduleToCloseTimeout: 2 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}}
}

// delivering reaches a receiver until it has answered or the time is over. Attempts are short: a receiver that
// is slow takes no place for long.
func delivering(within time.Duration) policy {
	return policy{
		TaskQueue: NotifyTaskQueue, StartToCloseTimeout: 15 * time.Second, ScheduleToCloseTimeout: within,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
	}
}

// beat is how soon the death of a worker is noticed.
const beat = 3 * time.Second
