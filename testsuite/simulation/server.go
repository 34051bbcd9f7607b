// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"reflect"
	"slices"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// server is what Temporal does with activities. One attempt runs at a time.
type server struct {
	engine
	interceptor.WorkerInterceptorBase

	worker *testsuite.TestActivityEnvironment
	// returns are what the activities return, by name; nil for one that returns nothing.
	returns map[string]reflect.Type
	// counts is how often an activity was scheduled, tasks all of them.
	counts  map[string]int
	tasks   []*task
	running []*attempt
	// present is the attempt that runs now.
	present *attempt
	// over: the workflow has ended, and hears nothing more.
	over bool
	// silent is called when an attempt is given up that nothing has disturbed.
	silent func(a *attempt)
	// stir, if set, lets a child workflow look at its futures.
	stir func(run string)
	// enter is called when an attempt begins, and may end it.
	enter func(ctx context.Context, a *attempt) error
	// closed is called at the end of every task.
	closed func(t *task, value any, err error)
}

// register makes a struct's methods activities.
func (s *server) register(activities any) {
	s.worker.RegisterActivity(activities)
	t := reflect.TypeOf(activities)
	for m := range t.Methods() {
		if m.Type.NumOut() == 2 {
			s.returns[m.Name] = m.Type.Out(0)
		} else {
			s.returns[m.Name] = nil
		}
	}
}

// decode is what an activity has returned, in its own type.
func (s *server) decode(name string, out converter.EncodedValue) (any, error) {
	t := s.returns[name]
	if t == nil || out == nil || !out.HasValue() {
		return nil, nil
	}
	value := reflect.New(t)
	err := out.Get(value.Interface())
	return value.Elem().Interface(), err
}

func (s *server) forget(a *attempt) {
	s.running = slices.DeleteFunc(s.running, func(o *attempt) bool { return o == a })
}

// die is the death of the worker: every attempt under way ends, and Temporal hears nothing of it.
func (s *server) die() {
	for _, a := range slices.Clone(s.running) {
		a.dead = true
		s.wake(a, a.cancel)
		s.forget(a)
	}
}

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (s *server) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &inboundWorkflow{server: s}
	in.Next = next
	return in
}

type inboundWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	server *server
}

// Init implements interceptor.WorkflowInboundInterceptor.
func (i *inboundWorkflow) Init(out interceptor.WorkflowOutboundInterceptor) error {
	o := &outboundWorkflow{server: i.server}
	o.Next = out
	return i.Next.Init(o)
}

type outboundWorkflow struct {
	interceptor.WorkflowOutboundInterceptorBase
	server *server
}

// ExecuteActivity implements interceptor.WorkflowOutboundInterceptor.
func (o *outboundWorkflow) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	future, settable := workflow.NewFuture(ctx)
	if ctx.Err() != nil {
		settable.SetError(temporal.NewCanceledError())
		return future
	}
	t := &task{
		name: name, run: workflow.GetInfo(ctx).WorkflowExecution.ID, args: args,
		options: workflow.GetActivityOptions(ctx), answer: settable,
	}
	o.server.schedule(t)
	workflow.Go(ctx, func(ctx workflow.Context) {
		selector := workflow.NewSelector(ctx)
		selector.AddFuture(future, func(workflow.Future) {})
		selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) { o.server.cancel(t) })
		selector.Select(ctx)
	})
	return future
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (s *server) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &inboundActivity{server: s}
	in.Next = next
	return in
}

// outside is the server as workflows see it. A local activity is a part of their own work.
type outside struct{ *server }

// InterceptActivity implements interceptor.WorkerInterceptor.
func (outside) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return next
}

type inboundActivity struct {
	interceptor.ActivityInboundInterceptorBase
	server *server
}

// Init implements interceptor.ActivityInboundInterceptor.
func (i *inboundActivity) Init(out interceptor.ActivityOutboundInterceptor) error {
	o := &outboundActivity{server: i.server, attempt: i.server.present}
	o.Next = out
	return i.Next.Init(o)
}

// attemptKey is where a context carries its attempt.
type attemptKey struct{}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (i *inboundActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	a := i.server.present
	ctx, a.cancel = context.WithCancel(context.WithValue(ctx, attemptKey{}, a))
	defer a.cancel()
	a.ctx = ctx
	if err := i.server.enter(ctx, a); err != nil {
		return nil, err
	}
	return i.Next.ExecuteActivity(ctx, in)
}

// outboundActivity keeps heartbeats as the server would, without the pauses of the SDK.
type outboundActivity struct {
	interceptor.ActivityOutboundInterceptorBase
	server  *server
	attempt *attempt
}

// RecordHeartbeat implements interceptor.ActivityOutboundInterceptor.
func (o *outboundActivity) RecordHeartbeat(_ context.Context, details ...any) {
	a := o.attempt
	if !o.server.heard(a) || len(details) == 0 {
		return
	}
	if p, err := converter.GetDefaultDataConverter().ToPayloads(details...); err == nil {
		a.details = p
	}
}

// heard takes a sign of life of an attempt, unless it is wanted no longer: then it learns that.
func (s *server) heard(a *attempt) bool {
	if a.gone() || a.cancelled {
		a.cancel()
		return false
	}
	a.beat = s.now()
	return true
}

// HasHeartbeatDetails implements interceptor.ActivityOutboundInterceptor.
func (o *outboundActivity) HasHeartbeatDetails(context.Context) bool { return o.attempt.details != nil }

// GetHeartbeatDetails implements interceptor.ActivityOutboundInterceptor.
func (o *outboundActivity) GetHeartbeatDetails(_ context.Context, d ...any) error {
	return converter.GetDefaultDataConverter().FromPayloads(o.attempt.details, d...)
}

// GetInfo implements interceptor.ActivityOutboundInterceptor.
func (o *outboundActivity) GetInfo(ctx context.Context) activity.Info {
	info := o.Next.GetInfo(ctx)
	info.Attempt, info.HeartbeatTimeout = int32(o.attempt.number), o.attempt.options.HeartbeatTimeout //nolint:gosec // a few attempts
	return info
}
