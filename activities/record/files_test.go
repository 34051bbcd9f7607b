// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/record"
	"github.com/slipwayhq/slipway/activities/record/conformance"
)

// directory is a place that all workers share.
type directory string

func (d directory) Worker(t *testing.T) (activities.Recorder, func()) {
	t.Helper()
	f, err := record.New(string(d))
	require.NoError(t, err)
	return f, func() {}
}

func (d directory) Read(t *testing.T, release string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(string(d), release+".jsonl"))
	require.NoError(t, err)
	return text
}

func (d directory) Stands(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(string(d), "*"))
	require.NoError(t, err)
	out := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		out[file] = string(text)
	}
	return out
}

func TestFilesKeepRecords(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Place {
		t.Helper()
		return directory(filepath.Join(t.TempDir(), "made", "when", "missing"))
	})
}

func TestWhatIsNoDirectoryIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := record.New(file)
	require.ErrorContains(t, err, "make directory of records")
}
