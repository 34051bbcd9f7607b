// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
)

func TestAnAnswerIsASignOfLifeAndForgetsNothing(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	dead := errors.New("nobody answers")
	client := &http.Client{Transport: heard(http.DefaultTransport)}
	silent := &http.Client{Transport: heard(roundTripper(func(*http.Request) (*http.Response, error) { return nil, dead }))}
	ask := func(ctx context.Context, client *http.Client) error {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // as the client of Kubernetes does
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	var sentBy []context.Context
	work := func(ctx context.Context) error {
		if err := ask(ctx, client); err != nil { // tells again what the attempt before has told
			return err
		}
		activity.RecordHeartbeat(ctx, "second")
		if err := ask(ctx, client); err != nil {
			return err
		}
		if err := ask(ctx, silent); !errors.Is(err, dead) {
			return err
		}
		for _, by := range sentBy { // a later heartbeat is sent by the context of an earlier one
			if by.Err() != nil {
				return by.Err()
			}
		}
		return nil
	}
	require.NoError(t, ask(t.Context(), client), "a request of no activity is let through")

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	var beats []string
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&listener{heard: func(ctx context.Context, details []any) {
		sentBy = append(sentBy, ctx)
		payloads, err := converter.GetDefaultDataConverter().ToPayloads(details...)
		require.NoError(t, err)
		var state string
		require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(payloads, &state))
		beats = append(beats, state)
	}}, &signs{}}})
	env.SetHeartbeatDetails("first")
	env.RegisterActivity(work)
	_, err := env.ExecuteActivity(work)
	require.NoError(t, err)
	require.Equal(t, []string{"first", "second", "second"}, beats)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// listener hears every heartbeat as it leaves.
type listener struct {
	interceptor.WorkerInterceptorBase

	heard func(ctx context.Context, details []any)
}

func (l *listener) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	in := &listening{listener: l}
	in.Next = next
	return in
}

type listening struct {
	interceptor.ActivityInboundInterceptorBase
	*listener
}

func (l *listening) Init(out interceptor.ActivityOutboundInterceptor) error {
	o := &listened{listener: l.listener}
	o.Next = out
	return l.Next.Init(o)
}

type listened struct {
	interceptor.ActivityOutboundInterceptorBase
	*listener
}

func (l *listened) RecordHeartbeat(ctx context.Context, details ...any) {
	l.heard(ctx, details)
	l.Next.RecordHeartbeat(ctx, details...)
}

func (l *listened) GetInfo(ctx context.Context) activity.Info {
	info := l.Next.GetInfo(ctx)
	info.HeartbeatTimeout = time.Second
	return info
}
