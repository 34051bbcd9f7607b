// SPDX-License-Identifier: Apache-2.0

// Package meter tells what containers use, from the statistics that the kernel keeps of every process.
//
// The processes of a container are those of its mount namespace: a process cannot leave it by becoming a
// daemon, and a command that is run in the container later joins it. That takes neither cgroups nor root.
package meter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// tick is the unit in which the kernel tells processor time: USER_HZ is 100.
const tick = 10 * time.Millisecond

// Meter reads a proc file system.
type Meter struct {
	// Proc is where it is mounted.
	Proc string
	// Starter is the program that becomes each container's own. Until then it is no part of the container:
	// it may need more memory than what it becomes.
	Starter os.FileInfo
}

// Usage is what the processes of a mount namespace use.
type Usage struct {
	// Processes are the numbers of those that are measured, Starting of those that are still the starter.
	Processes, Starting []int
	// CPU is the processor time of those that run and of those that they have waited for. It shrinks when
	// a process ends that nobody waits for.
	CPU time.Duration
	// Memory in bytes that the kernel could not take back: anonymous and shared memory, no files. What
	// processes share after a fork counts for each of them.
	Memory int64
}

// Read returns the usage of mount namespaces, by the numbers that Namespace tells. What ends while it is
// read does not count; a namespace without processes is missing.
func (m Meter) Read(namespaces []uint64) (map[uint64]Usage, error) {
	entries, err := os.ReadDir(m.Proc)
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	out := map[uint64]Usage{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		namespace, err := m.Namespace(pid)
		if err != nil || !slices.Contains(namespaces, namespace) {
			continue
		}
		out[namespace] = m.add(out[namespace], pid)
	}
	return out, nil
}

// add leaves out a process that has ended.
func (m Meter) add(u Usage, pid int) Usage {
	program, err := os.Stat(m.file(pid, "exe"))
	if err == nil && m.Starter != nil && os.SameFile(program, m.Starter) {
		u.Starting = append(u.Starting, pid)
		return u
	}
	cpu, err1 := cpuOf(m.file(pid, "stat"))
	memory, err2 := kilobytes(m.file(pid, "status"), "RssAnon:", "RssShmem:")
	if errors.Join(err1, err2) != nil {
		return u
	}
	u.Processes, u.CPU, u.Memory = append(u.Processes, pid), u.CPU+cpu, u.Memory+memory
	return u
}

func (m Meter) file(pid int, name string) string {
	return filepath.Join(m.Proc, strconv.Itoa(pid), name)
}

// Namespace is the number of a process's mount namespace.
func (m Meter) Namespace(pid int) (uint64, error) {
	link, err := os.Readlink(m.file(pid, "ns/mnt")) // "mnt:[4026531841]"
	if err != nil {
		return 0, fmt.Errorf("find mount namespace: %w", err)
	}
	number, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimPrefix(link, "mnt:["), "]"), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("find mount namespace: %w", err)
	}
	return number, nil
}

// Proportional is the memory of processes, in bytes, as in Usage, where what several share counts once.
// It costs more to read. It takes Linux 5.4; a process that has ended holds nothing.
func (m Meter) Proportional(processes []int) int64 {
	var all int64
	for _, pid := range processes {
		some, err := kilobytes(m.file(pid, "smaps_rollup"), "Pss_Anon:", "Pss_Shmem:")
		if err == nil {
			all += some
		}
	}
	return all
}

// cpuOf reads the times of a process and of its children that have ended: fields 14 to 17 of its stat.
func cpuOf(file string) (time.Duration, error) {
	const first, last = 14 - 3, 17 - 3 // seen from the third field, behind the name, which may hold anything
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read processor time: %w", err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) <= last {
		return 0, fmt.Errorf("read processor time: no such fields in %q", text)
	}
	var ticks int64
	for _, field := range fields[first : last+1] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// kilobytes adds up lines such as "RssAnon:     1234 kB", and returns bytes. A line that is missing
// counts nothing: the kernel's own threads have none.
func kilobytes(file string, names ...string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read memory: %w", err)
	}
	var all int64
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || !slices.Contains(names, fields[0]) {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("read memory: %w", err)
		}
		all += n << 10
	}
	return all, nil
}
