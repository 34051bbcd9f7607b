// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// idle is how long a worker does nothing before its memory is read.
const idle = 10 * time.Second

// footprint is what a worker takes on disk and in memory.
func footprint(ctx context.Context, s *stage.Stage) ([]Figure, error) {
	info, err := os.Stat(filepath.Join(s.Bin, "worker"))
	if err != nil {
		return nil, fmt.Errorf("measure worker: %w", err)
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(idle):
	}
	rss, err := residentMB(s.Worker.Pid())
	if err != nil {
		return nil, err
	}
	return []Figure{{"worker's program", float64(info.Size()) / 1e6, 80, "MB"}, {"idle worker's memory (RSS)", rss, 80, "MB"}}, nil
}

// residentMB reads VmRSS of a process.
func residentMB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("measure worker: %w", err)
	}
	for line := range bytes.Lines(text) {
		if value, ok := strings.CutPrefix(string(line), "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			if err != nil {
				return 0, fmt.Errorf("measure worker: %w", err)
			}
			return kib * 1024 / 1e6, nil
		}
	}
	return 0, fmt.Errorf("measure worker: process %d has no VmRSS", pid)
}
