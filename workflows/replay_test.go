// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/slipwayhq/slipway/workflows"
)

// The histories were recorded on the sandbox by `make record`. One that no longer replays means that a
// running release would break under this code.
func TestRecordedHistoriesReplay(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, 14, "canary, blue-green and rolling, each promoted, undone and aborted; a rollback, an undo, a lane, an intake, and a messenger")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			require.NoError(t, replayer().ReplayWorkflowHistoryFromJSONFile(nil, file))
		})
	}
}

// replayer replays every workflow.
func replayer() worker.WorkflowReplayer {
	out := worker.NewWorkflowReplayer()
	out.RegisterWorkflow(workflows.Canary)
	out.RegisterWorkflow(workflows.BlueGreen)
	out.RegisterWorkflow(workflows.Rolling)
	out.RegisterWorkflow(workflows.Rollback)
	out.RegisterWorkflow(workflows.RolloutUndo)
	out.RegisterWorkflow(workflows.Lane)
	out.RegisterWorkflow(workflows.Intake)
	out.RegisterWorkflow(workflows.Messenger)
	return out
}
