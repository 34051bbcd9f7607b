// SPDX-License-Identifier: Apache-2.0

package record_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/record"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

func verdict(reason string) judge.Entry {
	return judge.Entry{Release: "checkout-k3v9qa", Verdict: &decide.Verdict{Outcome: decide.Pass, Reason: reason}}
}

func TestLinesAreAppendedAndNeverChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when", "missing")
	for _, reasons := range [][]string{{"one"}, {"two", "three"}, {}} { // each by another worker
		f, err := record.New(dir)
		require.NoError(t, err)
		var all []judge.Entry
		for _, r := range reasons {
			all = append(all, verdict(r))
		}
		require.NoError(t, f.Append(context.Background(), all...))
	}
	text, err := os.ReadFile(filepath.Join(dir, "checkout-k3v9qa.jsonl"))
	require.NoError(t, err)
	var got []string
	for line := range strings.Lines(string(text)) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		got = append(got, e.Verdict.Reason)
	}
	require.Equal(t, []string{"one", "two", "three"}, got)
}

func TestWhatCannotBeWrittenIsAnError(t *testing.T) {
	f, err := record.New(t.TempDir())
	require.NoError(t, err)
	for _, name := range []string{"", "../elsewhere", "a/b", ".hidden"} {
		e := verdict("x")
		e.Release = name
		require.ErrorContains(t, f.Append(context.Background(), e), "is not the name of a release")
	}
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = record.New(file)
	require.ErrorContains(t, err, "make directory of records")
}
