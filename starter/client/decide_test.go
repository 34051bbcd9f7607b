// SPDX-License-Identifier: Apache-2.0

package client

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// server is a Temporal with one release, whose worker may be away.
type server struct {
	client.Client
	status  workflows.Status
	away    bool
	refuses string

	updates, signals []workflows.Command
	ids              []string
}

type value struct {
	converter.EncodedValue
	status workflows.Status
}

// Get implements converter.EncodedValue.
func (v value) Get(out any) error {
	*out.(*workflows.Status) = v.status
	return nil
}

// QueryWorkflow implements client.Client.
func (s *server) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	if s.away {
		return nil, serviceerror.NewDeadlineExceeded("nobody polls")
	}
	return value{status: s.status}, nil
}

type handle struct {
	client.WorkflowUpdateHandle
	status workflows.Status
	err    error
}

// Get implements client.WorkflowUpdateHandle.
func (h handle) Get(_ context.Context, out any) error {
	if h.err == nil {
		*out.(*workflows.Status) = h.status
	}
	return h.err
}

// UpdateWorkflow implements client.Client.
func (s *server) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if s.away {
		return nil, serviceerror.NewDeadlineExceeded("nobody polls")
	}
	s.ids = append(s.ids, o.UpdateID)
	s.updates = append(s.updates, o.Args[0].(workflows.Command))
	h := handle{status: s.status}
	if s.refuses != "" {
		h.err = temporal.NewApplicationError(s.refuses, "stopped")
	}
	return h, nil
}

// SignalWorkflow implements client.Client.
func (s *server) SignalWorkflow(_ context.Context, _, _, _ string, arg any) error {
	s.signals = append(s.signals, arg.(workflows.Command))
	return nil
}

func asked() workflows.Status {
	return workflows.Status{
		ID: "checkout-1", Phase: workflows.Stepping, Step: 1, Image: "registry.example/checkout" + digest, PlanHash: strings.Repeat("ab", 32), Next: "approval",
		Asks: &workflows.Question{ID: "1.1"},
	}
}

func key(t *testing.T) statement.Private {
	t.Helper()
	k, err := statement.Generate(bytes.NewReader(make([]byte, 32)))
	require.NoError(t, err)
	return k
}

func decision(command string) Decision {
	return Decision{
		Lane: Lane{"production", "checkout"}, Command: command, Who: "ann", Groups: []string{"@ops"}, How: "slack", Reason: " it\ais good ", ID: "click-1",
		Seen: SeenIn(asked()),
	}
}

func believed(t *testing.T, cmd workflows.Command) statement.Statement {
	t.Helper()
	require.NotNil(t, cmd.Statement)
	groups, err := statement.Keys{{Public: key(t).Public(), For: statement.Anybody}}.Verify(*cmd.Statement, time.Now())
	require.NoError(t, err)
	require.Equal(t, []string{"@ops"}, groups)
	return cmd.Statement.Statement
}

func TestADecisionIsSignedAndBoundToWhatWasSeen(t *testing.T) {
	s := &server{status: asked()}
	done, err := New(s).SignWith(key(t)).Decide(t.Context(), decision(workflows.Approve))
	require.NoError(t, err)
	require.False(t, done.Queued)
	require.Equal(t, []string{"click-1"}, s.ids)
	got := believed(t, s.updates[0])
	require.Equal(t, []string{"click-1", "ann", "slack", "approve", "it is good", "checkout-1", "question 1.1", digest[1:], strings.Repeat("ab", 32)},
		[]string{got.ID, got.Who, got.How, got.What, got.Reason, got.Release, got.Step, got.Digest, got.PlanHash})
	require.Equal(t, time.Hour, got.Expires.Sub(got.At))
}

func TestWhileNoWorkerAnswersADecisionIsKept(t *testing.T) {
	for _, command := range []string{workflows.Approve, workflows.Abort} {
		s := &server{status: asked(), away: true}
		done, err := New(s).SignWith(key(t)).Decide(t.Context(), decision(command))
		require.NoError(t, err)
		require.True(t, done.Queued)
		require.Equal(t, "question 1.1", believed(t, s.signals[0]).Step)
	}
	s := &server{away: true}
	blind := decision(workflows.Approve)
	blind.Seen = Seen{}
	_, err := New(s).SignWith(key(t)).Decide(t.Context(), blind)
	require.ErrorContains(t, err, "no worker answered for production/checkout")
	require.Empty(t, s.signals, "nobody signs what nobody has seen")
}

func TestWhatIsOverIsLateAndReachesNobody(t *testing.T) {
	for name, tt := range map[string]struct {
		command string
		now     func(*workflows.Status)
		want    string
	}{
		"another release":  {workflows.Abort, func(s *workflows.Status) { s.ID = "checkout-2" }, "release checkout-1 is over; the newest release of production/checkout is checkout-2"},
		"an ended release": {workflows.Pause, func(s *workflows.Status) { s.Phase, s.Outcome, s.Asks = workflows.Promoted, "v2 serves", nil }, "release checkout-1 has ended already: promoted: v2 serves"},
		"another question": {workflows.Approve, func(s *workflows.Status) { s.Asks = &workflows.Question{ID: "2.2"} }, "that question has been answered, or its time is over: release checkout-1 is at question 2.2 by now"},
		"no question":      {workflows.Reject, func(s *workflows.Status) { s.Asks = nil }, "release checkout-1 is at stepping 1 by now; next: approval"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &server{status: asked()}
			tt.now(&s.status)
			_, err := New(s).SignWith(key(t)).Decide(t.Context(), decision(tt.command))
			var late *LateError
			require.ErrorAs(t, err, &late)
			require.ErrorContains(t, err, tt.want)
			require.Empty(t, s.updates)
			require.Empty(t, s.signals)
		})
	}
	s := &server{status: asked()}
	s.status.Asks = nil
	_, err := New(s).SignWith(key(t)).Decide(t.Context(), decision(workflows.Pause))
	require.NoError(t, err, "a pause is not about a question")
}

func TestWithoutAKeyOnlyWhatMakesAReleaseSaferIsSent(t *testing.T) {
	s := &server{status: asked()}
	_, err := New(s).Decide(t.Context(), decision(workflows.Approve))
	require.ErrorContains(t, err, "it counts only with a signed statement; set SLIPWAY_APPROVAL_KEY")
	require.Empty(t, s.updates)
	_, err = New(s).Decide(t.Context(), decision(workflows.Abort))
	require.NoError(t, err)
	require.Equal(t, workflows.Command{ID: "click-1", By: "ann", Reason: "it is good", Release: "checkout-1"}, s.updates[0])
}

func TestARefusalIsTheReleasesOwnWords(t *testing.T) {
	s := &server{status: asked(), refuses: "ann has approved already"}
	_, err := New(s).SignWith(key(t)).Decide(t.Context(), decision(workflows.Approve))
	require.EqualError(t, err, "approve production/checkout: refused: ann has approved already")
	require.NotErrorAs(t, err, new(*LateError))
	require.Empty(t, s.signals)
}
