// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/slipwayhq/slipway/workflows"
)

// An abort can be accepted in the very task that brings the last result of the way forward, and then it comes
// first. The test environment hands one over after the other, so these histories are made of recorded ones.
func TestAnAbortInTheTaskOfTheLastResultComesFirst(t *testing.T) {
	tracks, pods := []string{"SetTrafficWeight", "SwitchService"}, []string{"DeclareRollout"}
	for name, tt := range map[string]struct {
		history, last string
		back          []string
	}{
		"canary":            {"canary-promoted.json", "RetireTrack", tracks},
		"blue-green":        {"bluegreen-promoted.json", "RetireTrack", tracks},
		"rolling":           {"rolling-promoted.json", "HandBack", pods},
		"rollback":          {"rollback-promoted.json", "RetireTrack", tracks},
		"undo of a rollout": {"undo-promoted.json", "HandBack", pods},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, replayer().ReplayWorkflowHistory(nil, abortedWith(t, tt.history, tt.last, tt.back...)))
			require.ErrorContains(t, replayer().ReplayWorkflowHistory(nil, abortedWith(t, tt.history, tt.last, tt.last)), "nondeterministic",
				"a release that goes on after it has accepted an abort is told apart")
		})
	}
}

// abortedWith is a recorded history up to the task that began its last activity, with an abort by update accepted in
// that task, and others begun in its place.
func abortedWith(t *testing.T, file, last string, instead ...string) *history.History {
	t.Helper()
	events := historyOf(t, file).Events
	end := lastIndex(events, func(e *history.HistoryEvent) bool {
		return e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == last
	})
	require.Positive(t, end, last)
	task := lastIndex(events[:end], completedTask)
	accepted, completed := abortion(t, events[task-1].EventId-1)
	events[task].GetWorkflowTaskCompletedEventAttributes().SdkMetadata = updated(t)
	var begun []*history.HistoryEvent
	for _, name := range instead {
		one := proto.CloneOf(events[end])
		one.GetActivityTaskScheduledEventAttributes().ActivityType = &common.ActivityType{Name: name}
		begun = append(begun, one)
	}
	shown := proto.CloneOf(events[lastIndex(events[:task], upserted)]) // the undo begins by showing that it does
	out := slices.Concat(events[:task+1], []*history.HistoryEvent{accepted, completed}, events[task+1:end], []*history.HistoryEvent{shown}, begun)
	for i, e := range out {
		e.EventId = int64(i + 1)
	}
	for _, e := range begun {
		e.GetActivityTaskScheduledEventAttributes().ActivityId = strconv.FormatInt(e.EventId, 10)
	}
	completed.GetWorkflowExecutionUpdateCompletedEventAttributes().AcceptedEventId = accepted.EventId
	return &history.History{Events: out}
}

// abortion is an abort by update, from its beginning to its end.
func abortion(t *testing.T, after int64) (accepted, completed *history.HistoryEvent) {
	t.Helper()
	args, err := converter.GetDefaultDataConverter().ToPayloads(by("ann"))
	require.NoError(t, err)
	meta := &update.Meta{UpdateId: "1", Identity: "a test"}
	accepted = &history.HistoryEvent{
		EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &history.WorkflowExecutionUpdateAcceptedEventAttributes{
				ProtocolInstanceId: meta.UpdateId, AcceptedRequestMessageId: "1/request", AcceptedRequestSequencingEventId: after,
				AcceptedRequest: &update.Request{Meta: meta, Input: &update.Input{Name: workflows.Abort, Args: args}},
			},
		},
	}
	completed = &history.HistoryEvent{
		EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
		Attributes: &history.HistoryEvent_WorkflowExecutionUpdateCompletedEventAttributes{
			WorkflowExecutionUpdateCompletedEventAttributes: &history.WorkflowExecutionUpdateCompletedEventAttributes{Meta: meta},
		},
	}
	return accepted, completed
}

// updated is what the SDK notes of a task in which it has taken an update: that updates come first.
func updated(t *testing.T) *sdk.WorkflowTaskCompletedMetadata {
	t.Helper()
	events := historyOf(t, "canary-aborted.json").Events
	i := slices.IndexFunc(events, func(e *history.HistoryEvent) bool {
		return e.EventType == enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
	})
	require.Positive(t, i)
	return events[lastIndex(events[:i], completedTask)].GetWorkflowTaskCompletedEventAttributes().GetSdkMetadata()
}

func upserted(e *history.HistoryEvent) bool {
	return e.EventType == enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
}

func completedTask(e *history.HistoryEvent) bool {
	return e.EventType == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
}

// lastIndex is that of the last event of a kind, or -1.
func lastIndex(events []*history.HistoryEvent, is func(*history.HistoryEvent) bool) int {
	for i, e := range slices.Backward(events) {
		if is(e) {
			return i
		}
	}
	return -1
}

// historyOf is a history of the sandbox.
func historyOf(t *testing.T, file string) *history.History {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	h, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return h
}
