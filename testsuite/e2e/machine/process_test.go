// SPDX-License-Identifier: Apache-2.0

package machine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// process is one of the machine: a number is used again, a number with a start time is not.
type process struct {
	pid, parent int
	state       string
	started     string
	command     string
}

// processes are those that run; what has ended and was not waited for does not count.
func processes(t *testing.T) []process {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	require.NoError(t, err)
	var out []process
	for _, file := range files {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		command, err := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if err != nil {
			continue
		}
		number, rest, _ := strings.Cut(string(stat), " ")
		fields := strings.Fields(rest[strings.LastIndex(rest, ")")+1:]) // from the third field on
		p := process{state: fields[0], started: fields[19], command: strings.ReplaceAll(string(command), "\x00", " ")}
		p.pid, err = strconv.Atoi(number)
		require.NoError(t, err)
		p.parent, err = strconv.Atoi(fields[1])
		require.NoError(t, err)
		if p.state != "Z" && p.state != "X" {
			out = append(out, p)
		}
	}
	return out
}

// family is a process with all that descend from it.
func family(t *testing.T, pid int) []process {
	t.Helper()
	all := processes(t)
	in := map[int]bool{pid: true}
	for grown := true; grown; {
		grown = false
		for _, p := range all {
			if in[p.parent] && !in[p.pid] {
				in[p.pid], grown = true, true
			}
		}
	}
	var out []process
	for _, p := range all {
		if in[p.pid] {
			out = append(out, p)
		}
	}
	return out
}

// noneLeft waits until none of the family runs, nor anything that was started with the directory.
func noneLeft(t *testing.T, before []process, dir string) {
	t.Helper()
	eventually(t, func(context.Context) error {
		for _, p := range processes(t) {
			for _, b := range before {
				if p.pid == b.pid && p.started == b.started {
					return fmt.Errorf("process %d still runs: %s", p.pid, p.command)
				}
			}
			if p.pid != os.Getpid() && strings.Contains(p.command, dir) {
				return fmt.Errorf("process %d belongs to %s: %s", p.pid, dir, p.command)
			}
		}
		return nil
	})
}
