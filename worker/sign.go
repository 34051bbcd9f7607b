// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
)

// signs lets every answer that an activity gets from the API server be a sign that its worker lives: what needs
// many calls of a slow server takes longer than the time after which a worker counts as dead, and a call that is
// never answered should not. What the activity has told last is told again, since each heartbeat takes the place
// of the one before.
type signs struct {
	interceptor.WorkerInterceptorBase
}

// InterceptActivity implements interceptor.WorkerInterceptor.
func (*signs) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &told{}
	in.Next = next
	return in
}

// told is what one attempt has told last.
type told struct {
	interceptor.ActivityInboundInterceptorBase

	// ctx is the attempt's own: the SDK sends a heartbeat that it has held back by the context of the one before, and
	// that of a request would have ended by then.
	ctx  context.Context
	mu   sync.Mutex
	last []any
	out  interceptor.ActivityOutboundInterceptor
}

// Init implements interceptor.ActivityInboundInterceptor.
func (t *told) Init(out interceptor.ActivityOutboundInterceptor) error {
	t.out = out
	o := &telling{told: t}
	o.Next = out
	return t.Next.Init(o)
}

// toldKey is where a context carries what its attempt has told.
type toldKey struct{}

// ExecuteActivity implements interceptor.ActivityInboundInterceptor.
func (t *told) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	if activity.GetInfo(ctx).HeartbeatTimeout == 0 {
		return t.Next.ExecuteActivity(ctx, in)
	}
	var state json.RawMessage
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &state) == nil {
		t.last = []any{state} // an earlier attempt's, until this one tells its own
	}
	t.ctx = ctx
	return t.Next.ExecuteActivity(context.WithValue(ctx, toldKey{}, t), in)
}

type telling struct {
	interceptor.ActivityOutboundInterceptorBase
	*told
}

// RecordHeartbeat implements interceptor.ActivityOutboundInterceptor.
func (t *telling) RecordHeartbeat(ctx context.Context, details ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = details
	t.out.RecordHeartbeat(ctx, details...)
}

// again tells what was told last.
func (t *told) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.out.RecordHeartbeat(t.ctx, t.last...)
}

// heard tells Temporal that an answer has come.
func heard(next http.RoundTripper) http.RoundTripper { return ear{next} }

type ear struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (e ear) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := e.next.RoundTrip(r)
	if t, ok := r.Context().Value(toldKey{}).(*told); ok && err == nil {
		t.again()
	}
	return resp, err
}
