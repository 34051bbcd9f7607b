// SPDX-License-Identifier: Apache-2.0

package notify_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/notify"
)

func TestAFileThatChangesIsReadAgainAndABrokenOneIsNotTaken(t *testing.T) {
	// A mounted Secret is a link to a link to a file.
	dir := t.TempDir()
	file := filepath.Join(dir, "receivers.yaml")
	turn := func(version, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, version), []byte(text), 0o600))
		require.NoError(t, os.Symlink(version, file+".new"))
		require.NoError(t, os.Rename(file+".new", file))
	}
	turn("v1", "receivers:\n  chat:\n    discord: {url: 'https://d.example/canary'}\n")
	var log strings.Builder
	b, err := notify.Open(file, time.Now, slog.New(slog.NewJSONHandler(&log, nil)))
	require.NoError(t, err)
	knows := func(name string) bool {
		_, err := b.Find(name)
		return err == nil
	}
	require.True(t, knows("chat"))
	require.Empty(t, log.String())
	turn("v2", "receivers:\n  boss:\n    discord: {url: 'https://d.example/canary-2'}\n")
	require.True(t, knows("boss"))
	require.False(t, knows("chat"))
	turn("v3", "receivers: {canary")
	require.True(t, knows("boss"), "the former ones stay")
	require.True(t, knows("boss"))
	require.Equal(t, 1, strings.Count(log.String(), "receivers kept as they were"), "it is told once")
	turn("v4", "receivers:\n  team:\n    discord: {url: 'https://d.example/canary-33'}\n")
	require.True(t, knows("team"))
	require.NoError(t, os.Remove(file))
	require.True(t, knows("team"))
	require.True(t, knows("team"))
	require.Equal(t, 2, strings.Count(log.String(), "receivers kept as they were"))
	require.NotContains(t, log.String(), "canary")
}

func TestWithoutAFileNobodyIsKnown(t *testing.T) {
	b, err := notify.Open("", time.Now, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	_, err = b.Find("chat")
	require.ErrorContains(t, err, "the worker was given none")
	_, err = notify.Open(filepath.Join(t.TempDir(), "nowhere"), time.Now, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "correct SLIPWAY_RECEIVERS")
}
