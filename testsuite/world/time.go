// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Fate is what becomes of one execution of an activity.
type Fate int

// The fates. All but the first leave the workflow without an answer.
const (
	// Answered: it runs and its result arrives.
	Answered Fate = iota
	// Lost: it never runs.
	Lost
	// Unheard: it takes effect, but nobody hears of it.
	Unheard
	// Late: it takes effect after a while, when the workflow may have gone elsewhere. An activity that only
	// looks is Unheard instead.
	Late
)

// lateness is how late a late activity is.
const lateness = 500 * time.Millisecond

// Fates decide, if set, about each execution of an activity, numbered from 1 in the order in which
// they begin.
type Fates func(n int, activity string) Fate

// Attach registers the real activity structs over this world, and gives it the workflow's clock.
func (w *World) Attach(env *testsuite.TestWorkflowEnvironment, fates Fates) {
	if fates == nil {
		fates = func(int, string) Fate { return Answered }
	}
	env.SetStartTime(w.began)
	w.now = env.Now
	env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{&waits{world: w, env: env, fates: fates}},
		// A machine that is busy with other tests is no deadlock.
		DeadlockDetectionTimeout: time.Minute,
	})
	clock := w.Clock()
	routers := activities.Routers{"gatewayAPI": w, "istio": w, "service": Selector{w}, "replicas": Selector{w}}
	if w.Keeper != nil {
		routers["gatewayAPI"] = Gateway{w}
	}
	onlooker := activities.Onlooker{Keeper: w.Keeper, Routers: routers}
	env.RegisterActivity(&activities.Cluster{Workloads: w, Clock: clock, Onlooker: onlooker})
	env.RegisterActivity(&activities.Rollout{Rollouts: w, Clock: clock})
	env.RegisterActivity(&activities.Traffic{Routers: routers, Keeper: w.Keeper, Targets: w, Pods: w, Clock: clock})
	env.RegisterActivity(&activities.Checks{Prober: Prober{w}, Jobs: w, Clock: clock})
	env.RegisterActivity(&activities.Analysis{Source: Metrics{w}, Clock: clock, Onlooker: onlooker})
	env.RegisterActivity(&activities.Approvals{Keys: statement.Keys{{Public: Key().Public(), For: statement.Anybody}}})
}

// Key is that of a server which the world's worker trusts.
func Key() statement.Private {
	key, err := statement.Generate(bytes.NewReader(make([]byte, 32)))
	if err != nil {
		panic(err) // 32 bytes are enough
	}
	return key
}

// manyLooks is how often one activity may wait before its waits are stretched, to get through a month. What it waits for
// after that comes up to a day late.
const manyLooks = 500

// Clock is the world's time. Waiting for it moves it.
func (w *World) Clock() activities.Clock {
	return activities.Clock{
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.time()
		},
		After: func(d time.Duration) <-chan time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.looks++; w.looks > manyLooks {
				d = max(d, 24*time.Hour)
			}
			w.ahead += d
			done := make(chan time.Time, 1)
			done <- w.time()
			return done
		},
	}
}

// waits lets one activity run at a time, and delivers its result after as much of the workflow's time
// as it has waited.
type waits struct {
	interceptor.WorkerInterceptorBase
	world *World
	env   *testsuite.TestWorkflowEnvironment
	fates Fates
	n     int
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (i *waits) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &inbound{waits: i}
	in.Next = next
	return in
}

type inbound struct {
	interceptor.ActivityInboundInterceptorBase
	*waits
}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *inbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if activity.GetInfo(ctx).IsLocalActivity {
		return i.Next.ExecuteActivity(ctx, in) // it is part of the workflow's own work
	}
	i.world.turn.Lock()
	defer i.world.turn.Unlock()
	i.n++
	info := activity.GetInfo(ctx)
	fate := i.fates(i.n, info.ActivityType.Name)
	if fate == Late && info.HeartbeatTimeout > 0 && !instant(in.Args) {
		fate = Unheard
	}
	switch fate {
	case Lost:
		return nil, activity.ErrResultPending
	case Unheard:
		_, _, _ = i.run(ctx, in)
		return nil, activity.ErrResultPending
	case Late:
		i.env.RegisterDelayedCallback(func() { _, _, _ = i.run(ctx, in) }, lateness)
		return nil, activity.ErrResultPending
	case Answered:
	}
	out, took, err := i.run(ctx, in)
	if took == 0 || err != nil {
		return out, err
	}
	i.env.RegisterDelayedCallback(func() {
		_ = i.env.CompleteActivity(info.TaskToken, out, nil) // it may have been cancelled
	}, took)
	return nil, activity.ErrResultPending
}

// instant reports whether an activity that heartbeats does its deed before it waits for anything.
func instant(args []any) bool {
	shift, ok := args[0].(activities.ShiftTrafficIn)
	return ok && shift.Size == nil
}

// run executes the activity at once and reports how long it has waited.
func (i *inbound) run(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, time.Duration, error) {
	out, err := i.Next.ExecuteActivity(ctx, in)
	w := i.world
	w.mu.Lock()
	defer w.mu.Unlock()
	took := w.ahead
	w.ahead, w.looks = 0, 0
	return out, took, err
}
