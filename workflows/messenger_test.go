// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// post is a messenger with those whom it can reach, and a release that tells things at their times.
type post struct {
	t    *testing.T
	env  *testsuite.TestWorkflowEnvironment
	told []activities.Told
	// ends is when the release has ended.
	ends time.Duration
	// answers of a receiver, one after the other; nil, and what comes after them: delivered.
	answers map[string][]error
	// always is the answer of a receiver to everything.
	always map[string]error

	mu   sync.Mutex
	seen []string
	// deadlines of what was tried to be told to each receiver, in turn.
	deadlines map[string][]time.Time
}

func openPost(t *testing.T) *post {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	p := &post{t: t, env: suite.NewTestWorkflowEnvironment(), ends: time.Hour, answers: map[string][]error{}, always: map[string]error{}, deadlines: map[string][]time.Time{}}
	p.env.SetStartTime(began())
	p.env.SetTestTimeout(20 * time.Second)
	messages := &activities.Messages{
		Receivers: p, Clock: activities.Clock{Now: p.env.Now, After: time.After},
		Link: func(workflow, run string) string { return "https://ui.example/" + workflow + "/" + run },
	}
	p.env.RegisterActivityWithOptions(p.follow, activity.RegisterOptions{Name: "FollowNotices"})
	p.env.RegisterActivityWithOptions(messages.DeliverNotice, activity.RegisterOptions{Name: "DeliverNotice"})
	p.env.RegisterWorkflow(workflows.Messenger)
	return p
}

// tells lets the release tell something at a time.
func (p *post) tells(at time.Duration, e plan.Event, names ...string) *post {
	n := activities.Notice{Key: fmt.Sprintf("checkout-abc123/%s/%d", e, len(p.told)), Event: e, Severity: e.Severity(), At: began().Add(at), Release: "checkout-abc123"}
	told := activities.Told{Notice: n}
	for _, name := range names {
		told.To = append(told.To, plan.Addressee{Name: name, Within: minutes(60)})
	}
	p.told = append(p.told, told)
	return p
}

// follow answers when the release has told more, on the messenger's clock.
func (p *post) follow(ctx context.Context, in activities.FollowNoticesIn) (activities.Notices, error) {
	require.Equal(p.t, "production/checkout", in.Release)
	require.Equal(p.t, "run-1", in.Run)
	if p.ends < 0 {
		return activities.Notices{}, fault.From(fault.New(fault.NotFound, "no such release"))
	}
	now := p.env.Now().Sub(began())
	at, out := p.ends, activities.Notices{}
	if in.Seen < len(p.told) {
		at = max(now, p.told[in.Seen].At.Sub(began()))
		for _, t := range p.told[in.Seen:] {
			if t.At.Sub(began()) <= at {
				out.New = append(out.New, t)
			}
		}
	}
	out.Ended = at >= p.ends
	token := activity.GetInfo(ctx).TaskToken
	p.env.RegisterDelayedCallback(func() { _ = p.env.CompleteActivity(token, out, nil) }, max(at-now, time.Millisecond))
	return activities.Notices{}, activity.ErrResultPending
}

// Find implements activities.Receivers.
func (p *post) Find(name string) (activities.Notifier, error) {
	if name == "unknown" {
		return nil, fault.New(fault.NotFound, "there is no receiver %q", name)
	}
	return receiver{p, name}, nil
}

type receiver struct {
	*post
	name string
}

// Notify implements activities.Notifier.
func (r receiver) Notify(ctx context.Context, m activities.Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if info := activity.GetInfo(ctx); info.Attempt == 1 {
		r.deadlines[r.name] = append(r.deadlines[r.name], r.env.Now().Add(info.ScheduleToCloseTimeout).UTC().Truncate(time.Second))
	}
	require.Equal(r.t, "https://ui.example/production/checkout/run-1", m.Link)
	if err := r.always[r.name]; err != nil {
		return err
	}
	if all := r.answers[r.name]; len(all) > 0 {
		r.answers[r.name] = all[1:]
		if all[0] != nil {
			return all[0]
		}
	}
	text := fmt.Sprintf("%s  %s %s", r.env.Now().Sub(began()).Truncate(time.Second), r.name, m.Event)
	if m.Closing {
		text += " closing"
	}
	r.seen = append(r.seen, text)
	return nil
}

func (p *post) run() (workflows.MessengerStatus, error) {
	p.t.Helper()
	p.env.ExecuteWorkflow(workflows.Messenger, workflows.MessengerIn{Release: "production/checkout", Run: "run-1"})
	require.True(p.t, p.env.IsWorkflowCompleted())
	value, err := p.env.QueryWorkflow(workflows.MessagesQuery)
	require.NoError(p.t, err)
	var s workflows.MessengerStatus
	require.NoError(p.t, value.Get(&s))
	return s, p.env.GetWorkflowError()
}

func TestAMessengerTellsEverybodyInOrder(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "chat", "hub").tells(10*time.Minute, plan.GateWaits, "chat").tells(time.Hour, plan.Promoted, "hub", "chat")
	s, err := p.run()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"0s  chat started", "0s  hub started", "10m0s  chat gate", "1h0m0s  hub promoted", "1h0m0s  chat promoted"}, p.seen)
	for _, d := range s.Messages {
		require.Equal(t, workflows.Delivered, d.State, d)
	}
	require.Len(t, s.Messages, 5)
}

func TestAReceiverThatIsDownDelaysNobodyAndItsMessagesDieAtTheirDeadlines(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "down", "chat").tells(10*time.Minute, plan.StepPassed, "down", "chat").tells(20*time.Minute, plan.Promoted, "chat", "down")
	p.ends = 20 * time.Minute
	p.always["down"] = errors.New("connection refused")
	s, err := p.run()
	require.Equal(t, []string{"0s  chat started", "10m0s  chat step", "20m0s  chat promoted"}, p.seen)
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.Equal(t, workflows.Undelivered, app.Type())
	require.Contains(t, app.Message(), "3 of 6 messages were not delivered; the first: checkout-abc123/started/0 to down: ")
	dead := s.Dead()
	require.Len(t, dead, 3)
	for i, d := range dead {
		require.Contains(t, d.Reason, "connection refused")
		asked := p.told[i].At
		// The SDK's test environment gives up after ten attempts, which take four minutes.
		require.Equal(t, asked.Add(time.Hour), p.deadlines["down"][i], d.Key)
	}
}

func TestAFaultThatHealsCostsNothingButTime(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "chat").tells(time.Second, plan.Promoted, "chat")
	p.answers["chat"] = []error{errors.New("reset"), errors.New("reset"), nil}
	s, err := p.run()
	require.NoError(t, err)
	require.Empty(t, s.Dead())
	require.Equal(t, []string{"3s  chat started", "3s  chat promoted"}, p.seen, "after one and two seconds, and in order")
}

func TestAReceiverIsAskedAgainWhenItWants(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "chat")
	p.answers["chat"] = []error{fault.Later(7*time.Minute, "too many requests")}
	_, err := p.run()
	require.NoError(t, err)
	require.Equal(t, []string{"7m0s  chat started"}, p.seen)
}

func TestWhatCannotBeDeliveredIsDeadAtOnceWithItsReason(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "unknown", "refusing", "chat").tells(time.Minute, plan.Promoted, "refusing")
	p.answers["refusing"] = []error{fault.New(fault.Denied, "hooks.example answered 401: no")}
	s, err := p.run()
	require.Error(t, err)
	var dead []string
	for _, d := range s.Dead() {
		dead = append(dead, d.Receiver+": "+d.Reason)
		require.Less(t, d.At.Sub(began()), time.Minute)
	}
	require.ElementsMatch(t, []string{`unknown: there is no receiver "unknown"`, "refusing: hooks.example answered 401: no"}, dead)
	require.ElementsMatch(t, []string{"0s  chat started", "1m0s  refusing promoted"}, p.seen, "what comes later is tried")
}

func TestWhoOnlyClosesSomethingIsToldSo(t *testing.T) {
	p := openPost(t).tells(0, plan.GateWaits, "pager").tells(time.Minute, plan.StepPassed)
	p.told[1].Closes = p.told[0].To
	_, err := p.run()
	require.NoError(t, err)
	require.Equal(t, []string{"0s  pager gate", "1m0s  pager step closing"}, p.seen)
}

func TestAReleaseThatTemporalDoesNotKnowHasNoMessages(t *testing.T) {
	p := openPost(t)
	p.ends = -1
	s, err := p.run()
	require.NoError(t, err)
	require.Empty(t, s.Messages)
}

func TestAMessengerThatContinuesAsNewTellsAgainOnlyWhatIsOnItsWay(t *testing.T) {
	p := openPost(t).tells(0, plan.Started, "chat", "down").tells(time.Minute, plan.StepPassed, "chat").tells(10*time.Minute, plan.Promoted, "chat")
	p.always["down"] = errors.New("connection refused")
	p.env.RegisterDelayedCallback(func() { p.env.SetContinueAsNewSuggested(true) }, 30*time.Second)
	_, err := p.run()
	var again *workflow.ContinueAsNewError
	require.ErrorAs(t, err, &again)
	var in workflows.MessengerIn
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(again.Input, &in))
	require.Equal(t, 2, in.State.Seen)
	require.Len(t, in.State.Waiting, 2, "what was told to the one that is down, and what was just heard")

	next := openPost(t)
	next.told, next.ends = p.told, 10*time.Minute
	next.env.ExecuteWorkflow(workflows.Messenger, in)
	require.NoError(t, next.env.GetWorkflowError())
	require.Contains(t, next.seen, "0s  down started")
	require.NotContains(t, next.seen, "0s  chat started")
}
