// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// live is a Temporal in which one release runs, with a worker and on fake time. What it is told is signed by the
// server's own client.
type live struct {
	// What has no part in it.
	*temporal
	t       *testing.T
	env     *testsuite.TestWorkflowEnvironment
	release *client.Client
	// within is what is done in the place of the release, between two of its steps.
	within chan func()
	// handed is true once an update was handed to the release, which then has to go on.
	handed bool
	said   []statement.Signed
}

func newLive(t *testing.T, f *temporal) *live {
	t.Helper()
	l := &live{temporal: f, t: t, within: make(chan func())}
	l.release = client.New(&remote{live: l}).SignWith(world.Key())
	return l
}

// Find implements api.Releases.
func (l *live) Find(ctx context.Context, lane client.Lane, id string) (workflows.Status, *workflows.Place, error) {
	return l.release.Find(ctx, lane, id)
}

// Decide implements api.Releases.
func (l *live) Decide(ctx context.Context, d client.Decision) (client.Decided, error) {
	return l.release.Decide(ctx, d)
}

// stage prepares what was requested; run ends with it.
func (l *live) stage() {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	l.env = suite.NewTestWorkflowEnvironment()
	l.env.SetTestTimeout(time.Minute)
}

func (l *live) run(r client.Request, id string) workflows.Status {
	l.t.Helper()
	w := world.New()
	w.Bake = r.Plan.Spec.Strategy.Canary.Bake.D()
	w.Attach(l.env, nil)
	l.env.SetStartTime(time.Now()) // statements are signed by the real clock
	l.env.RegisterWorkflow(workflows.Canary)
	l.env.ExecuteWorkflow(workflows.Canary, workflows.ReleaseIn{
		ID: id, Plan: r.Plan, Image: r.Image, RequestedBy: r.By, PlanHash: strings.Repeat("ab", 32),
	})
	require.True(l.t, l.env.IsWorkflowCompleted())
	require.NoError(l.t, l.env.GetWorkflowError())
	value, err := l.env.QueryWorkflow(workflows.StatusQuery)
	require.NoError(l.t, err)
	var s workflows.Status
	require.NoError(l.t, value.Get(&s))
	return s
}

// visit is what a request was answered that came while the release ran.
type visit struct {
	ended  chan struct{}
	status int
	text   string
}

// at sends a request after a while.
func (l *live) at(after time.Duration, ask func() (int, string)) *visit {
	v := &visit{ended: make(chan struct{})}
	l.env.RegisterDelayedCallback(func() {
		go func() {
			defer close(v.ended)
			v.status, v.text = ask()
		}()
		for l.handed = false; !l.handed; {
			select {
			case do := <-l.within:
				do()
			case <-v.ended:
				return
			}
		}
	}, after)
	return v
}

// answered waits for the answer.
func (v *visit) answered(t *testing.T) (int, string) {
	t.Helper()
	select {
	case <-v.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("no answer")
	}
	return v.status, v.text
}

// remote is how the client reaches the release.
type remote struct {
	sdk.Client
	live *live
}

// do returns when something was done in the place of the release.
func (r *remote) do(f func()) {
	done := make(chan struct{})
	r.live.within <- func() { defer close(done); f() }
	<-done
}

// QueryWorkflow implements client.Client.
func (r *remote) QueryWorkflow(_ context.Context, _, _, query string, _ ...any) (value converter.EncodedValue, err error) {
	r.do(func() { value, err = r.live.env.QueryWorkflow(query) })
	return value, err
}

// UpdateWorkflow implements client.Client.
func (r *remote) UpdateWorkflow(_ context.Context, o sdk.UpdateWorkflowOptions) (sdk.WorkflowUpdateHandle, error) {
	h := handle{answer: make(chan func(*workflows.Status) error, 1)}
	refuse := func(err error) {
		h.answer <- func(*workflows.Status) error { return sdktemporal.NewApplicationError(err.Error(), "refused") }
	}
	r.do(func() {
		r.live.handed = true
		r.live.said = append(r.live.said, *o.Args[0].(workflows.Command).Statement)
		r.live.env.UpdateWorkflow(o.UpdateName, o.UpdateID, &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: refuse,
			OnComplete: func(out any, err error) {
				if err != nil {
					refuse(err)
					return
				}
				text, err := json.Marshal(out) // the release goes on, and what it says now must not
				h.answer <- func(s *workflows.Status) error { return errors.Join(err, json.Unmarshal(text, s)) }
			},
		}, o.Args...)
	})
	return h, nil
}

type handle struct {
	sdk.WorkflowUpdateHandle
	answer chan func(*workflows.Status) error
}

// Get implements client.WorkflowUpdateHandle.
func (h handle) Get(ctx context.Context, out any) error {
	select {
	case answer := <-h.answer:
		return answer(out.(*workflows.Status))
	case <-ctx.Done():
		return errors.New("no answer of the release")
	}
}
