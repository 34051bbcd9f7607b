// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

const commit = "0123456789012345678901234567890123456789"

// knowing gives the worker receivers until the test ends.
func knowing(t *testing.T, h *hub) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "receivers.yaml")
	require.NoError(t, os.WriteFile(file, []byte(h.receivers()), 0o600))
	options := stage.WorkerOptions{Env: map[string]string{"SLIPWAY_RECEIVERS": file, "SLIPWAY_TEMPORAL_UI_URL": "https://temporal.example"}}
	replaceWorker(t, options)
	t.Cleanup(func() { replaceWorker(t, stage.WorkerOptions{}) })
}

func replaceWorker(t *testing.T, o stage.WorkerOptions) {
	t.Helper()
	require.NoError(t, world.Worker.Kill())
	w, err := world.StartWorker(context.Background(), o) // it outlives the test
	require.NoError(t, err)
	world.Worker = w
}

// told waits until a condition on what has come holds.
func told(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, stage.Await(ctx, func(context.Context) error {
		if !ok() {
			return errors.New(what)
		}
		return nil
	}))
}

// delivery is one message as the command line lists it.
type delivery struct{ Key, Receiver, State, Reason string }

func messages(t *testing.T, shop *stage.Shop) []delivery {
	t.Helper()
	said, err := world.Slipway(t.Context(), "describe", shop.Lane(), "-o", "json")
	require.NoError(t, err)
	require.Zero(t, said.Code, said.Err)
	var d struct{ Messages struct{ Messages []delivery } }
	require.NoError(t, json.Unmarshal([]byte(said.Out), &d))
	return d.Messages.Messages
}

func TestGitHubAndASignedWebhookHearHowAReleaseGoes(t *testing.T) {
	h := openHub(t)
	knowing(t, h)
	shop := openShop(t, stage.ShopOptions{Namespace: "told"})
	plan, err := shop.Plan(stage.Quick{
		Steps:         []string{"{weight: 10, hold: 2s, gate: {approvers: [bob], within: 1m}}", "{weight: 50, hold: 2s}"},
		Notifications: "[{to: [stuck, away, hub, hook]}]",
	})
	require.NoError(t, err)
	v2 := image(t, "v2")
	r := launch(t, shop, "release", "-f", plan, "--image", v2, "--repository", "acme/shop", "--commit", commit)
	told(t, "the gate was told", func() bool { _, _, hooks := h.heard(); return slices.Contains(hooks, "release.gate") })
	r.tell("approve", shop.Lane(), "--by", "bob")
	said, _ := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	told(t, "the end was told", func() bool {
		states, _, hooks := h.heard()
		return slices.Contains(states, "success") && slices.Contains(hooks, "release.promoted")
	})
	states, marks, hooks := h.heard()
	require.Equal(t, []string{"in_progress", "pending", "in_progress", "in_progress", "success"}, states)
	require.Equal(t, []string{"release.started", "release.gate", "release.step", "release.step", "release.promoted"}, hooks)
	require.Equal(t, "slipway/test/told: success", marks[len(marks)-1])
	require.Len(t, h.deployments, 1)
	require.Contains(t, h.statuses["1"][0]["log_url"], "https://temporal.example/namespaces/default/workflows/test%2Ftold/")
	require.Empty(t, h.wrong)
	for _, d := range messages(t, shop) { // the two that do not answer have held nobody up
		want := "delivered"
		if d.Receiver == "stuck" || d.Receiver == "away" {
			want = "on its way"
		}
		require.Equal(t, want, d.State, d)
	}
	noSecretIn(t, shop)
}

func TestAnUndoneReleaseIsAFailureOfItsCommitAlsoWhenTheWorkerDies(t *testing.T) {
	h := openHub(t)
	knowing(t, h)
	shop := openShop(t, stage.ShopOptions{Namespace: "toldbad"})
	plan, err := shop.Plan(stage.Quick{Steps: stage.Holding("30s", 10), Notifications: "[{to: [hub, hook]}, {to: [nobody], severity: error}]"})
	require.NoError(t, err)
	r := launch(t, shop, "release", "-f", plan, "--image", image(t, "v2"), "--repository", "acme/shop", "--commit", commit)
	told(t, "the beginning was told", func() bool { _, _, hooks := h.heard(); return len(hooks) == 1 })
	r.untilShare(10)
	knowing(t, h) // another worker takes over
	r.tell("abort", shop.Lane(), "--reason", "changed my mind")
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	told(t, "the end was told", func() bool {
		states, _, hooks := h.heard()
		return slices.Contains(states, "failure") && slices.Contains(hooks, "release.undone")
	})
	states, _, hooks := h.heard()
	require.Equal(t, []string{"in_progress", "failure"}, states)
	require.Equal(t, []string{"release.started", "release.undone"}, hooks)
	told(t, "a message is dead", func() bool {
		return slices.ContainsFunc(messages(t, shop), func(d delivery) bool {
			return d.State == "dead" && d.Receiver == "nobody" && strings.Contains(d.Reason, `there is no receiver "nobody"; the worker knows away, hook, hub, stuck`)
		})
	})
	shown, err := world.Slipway(t.Context(), "describe", shop.Lane())
	require.NoError(t, err)
	require.Contains(t, shown.Out, "messages (1 of 5 are dead)")
	savedQueries(t, shop)
	status, err := world.Slipway(t.Context(), "status", shop.Lane(), "-o", "json")
	require.NoError(t, err)
	var s struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(status.Out), &s))
	keepHistory(t, "messenger/"+shop.Lane()+"/"+s.ID, "messenger")
}

func TestAReleaseThatIsTerminatedIsToldAllTheSame(t *testing.T) {
	h := openHub(t)
	knowing(t, h)
	shop := openShop(t, stage.ShopOptions{Namespace: "toldforce"})
	plan, err := shop.Plan(stage.Quick{Steps: stage.Holding("60s", 10), Notifications: "[{to: [hook]}]"})
	require.NoError(t, err)
	said, err := world.Slipway(t.Context(), "release", "-f", plan, "--image", image(t, "v2"))
	require.NoError(t, err)
	require.Zero(t, said.Code, said.Err)
	told(t, "the beginning was told", func() bool { _, _, hooks := h.heard(); return len(hooks) == 1 })
	require.NoError(t, temporal.TerminateWorkflow(t.Context(), shop.Lane(), "", "test"))
	told(t, "the end was told", func() bool {
		_, _, hooks := h.heard()
		return slices.Equal(hooks, []string{"release.started", "release.failed"})
	})
}

// noSecretIn looks everywhere where the secret of a receiver could have got to.
func noSecretIn(t *testing.T, shop *stage.Shop) {
	t.Helper()
	found, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1000})
	require.NoError(t, err)
	for _, e := range found.Executions {
		text, err := protojson.Marshal(e)
		require.NoError(t, err)
		require.NotContains(t, string(text), secret)
		h := temporal.GetWorkflowHistory(t.Context(), e.Execution.WorkflowId, e.Execution.RunId, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for h.HasNext() {
			event, err := h.Next()
			require.NoError(t, err)
			require.NotContains(t, event.String(), secret, e.Execution.WorkflowId)
		}
		described, err := temporal.DescribeWorkflowExecution(t.Context(), e.Execution.WorkflowId, e.Execution.RunId)
		require.NoError(t, err)
		require.NotContains(t, described.String(), secret, "a pending attempt names why it failed")
	}
	log, err := os.ReadFile(world.Worker.Log)
	require.NoError(t, err)
	require.NotEmpty(t, log)
	require.NotContains(t, string(log), secret)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, world.Worker.URL+"/metrics", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	metrics, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(metrics), "temporal_")
	require.NotContains(t, string(metrics), secret)
	shown, err := world.Slipway(t.Context(), "describe", shop.Lane())
	require.NoError(t, err)
	require.NotContains(t, shown.Out+shown.Err, secret)
}

// query is one row of the page.
var query = regexp.MustCompile("(?m)^\\| ([^|]+) \\| `([^`]+)` \\|$")

// savedQueries runs every query of the page. Those that ask for what this release was must find it.
func savedQueries(t *testing.T, shop *stage.Shop) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(world.Repository, "docs", "temporal-ui.md"))
	require.NoError(t, err)
	rows := query.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(rows), 10)
	described, err := world.Slipway(t.Context(), "status", shop.Lane(), "-o", "json")
	require.NoError(t, err)
	var s struct{ Image string }
	require.NoError(t, json.Unmarshal([]byte(described.Out), &s))
	_, digest, _ := strings.Cut(s.Image, "@")
	empty := []string{"runs now", "has a candidate with requests", "needs a person", "was ended by force", "was found to be worse"}
	for _, row := range rows {
		text := strings.NewReplacer("production", "test", "checkout", shop.Name, "alice", "ada", "c0ffee", commit, "sha256:…", digest).Replace(row[2])
		told(t, row[1]+": "+text, func() bool {
			found, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: text, PageSize: 10})
			require.NoError(t, err, text)
			return len(found.Executions) > 0 || slices.Contains(empty, row[1])
		})
	}
}
