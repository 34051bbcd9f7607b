// SPDX-License-Identifier: Apache-2.0

package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// Files are records in a directory.
type Files struct{ dir string }

// New keeps records in a directory, which is made if it is missing.
func New(dir string) (*Files, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("make directory of records: %w", err)
	}
	return &Files{dir: dir}, nil
}

var _ activities.Recorder = (*Files)(nil)

// Append writes all lines in one write, at the end of the release's file.
func (f *Files) Append(_ context.Context, entries ...judge.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	release, lines, err := Lines(entries...)
	if err != nil {
		return err
	}
	file, err := os.OpenFile(filepath.Join(f.dir, release+".jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640) //nolint:gosec // read by whoever may read the directory
	if err != nil {
		return fmt.Errorf("write record of %s: %w", release, err)
	}
	_, err = file.Write(lines)
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write record of %s: %w", release, err)
	}
	return nil
}
