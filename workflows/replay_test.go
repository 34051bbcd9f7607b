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
			replayer := worker.NewWorkflowReplayer()
			replayer.RegisterWorkflow(workflows.Canary)
			replayer.RegisterWorkflow(workflows.BlueGreen)
			replayer.RegisterWorkflow(workflows.Rolling)
			replayer.RegisterWorkflow(workflows.Rollback)
			replayer.RegisterWorkflow(workflows.RolloutUndo)
			replayer.RegisterWorkflow(workflows.Lane)
			replayer.RegisterWorkflow(workflows.Intake)
			replayer.RegisterWorkflow(workflows.Messenger)
			require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, file))
		})
	}
}
