// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// openWithin bounds the start of a sandbox for tests.
const openWithin = 2 * time.Minute

// Opener is Open or OpenWithoutWorker.
type Opener func(context.Context, Options) (*Stage, error)

// Tests opens one stage for the tests of a package, hands it over, and ends it after them. It returns the
// exit code.
func Tests(open Opener, run func(*Stage) int) int {
	code, err := tests(open, run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func tests(open Opener, run func(*Stage) int) (code int, err error) {
	repository, err := filepath.Abs("../../..") // seen from a package of end-to-end tests
	if err != nil {
		return 0, fmt.Errorf("find repository: %w", err)
	}
	dir, err := os.MkdirTemp("", "slipway-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ctx, cancel := context.WithTimeout(context.Background(), openWithin)
	defer cancel()
	s, err := open(ctx, Options{Repository: repository, Dir: dir, Out: os.Stderr})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return run(s), nil
}
