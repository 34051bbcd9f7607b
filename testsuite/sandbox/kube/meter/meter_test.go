// SPDX-License-Identifier: Apache-2.0

package meter_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox/kube/meter"
)

// fakeProcess is what a proc file system tells of one.
type fakeProcess struct {
	name                       string
	namespace                  int
	utime, stime, cutime       int
	anonymous, shared, inFiles int // kB
	starting                   bool
}

// fakeProc holds processes 1, 2, 3 and so on.
func fakeProc(t *testing.T, processes ...fakeProcess) meter.Meter {
	t.Helper()
	proc, programs := t.TempDir(), t.TempDir()
	for _, name := range []string{"starter", "program"} {
		require.NoError(t, os.WriteFile(filepath.Join(programs, name), nil, 0o600))
	}
	starter, err := os.Stat(filepath.Join(programs, "starter"))
	require.NoError(t, err)
	for _, name := range []string{"self", "sys", "net"} {
		require.NoError(t, os.Mkdir(filepath.Join(proc, name), 0o755))
	}
	for i, p := range processes {
		dir := filepath.Join(proc, strconv.Itoa(i+1))
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "ns"), 0o755))
		require.NoError(t, os.Symlink(fmt.Sprintf("mnt:[%d]", p.namespace), filepath.Join(dir, "ns", "mnt")))
		program := "program"
		if p.starting {
			program = "starter"
		}
		require.NoError(t, os.Symlink(filepath.Join(programs, program), filepath.Join(dir, "exe")))
		write := func(name, text string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
		}
		write("stat", fmt.Sprintf("%d (%s) S 1 7 7 0 -1 4194560 11 12 13 14 %d %d %d 0 20 0 5 0 99 1 2\n", i+1, p.name, p.utime, p.stime, p.cutime))
		write("status", fmt.Sprintf("Name:\t%s\nVmRSS:\t%8d kB\nRssAnon:\t%8d kB\nRssFile:\t%8d kB\nRssShmem:\t%8d kB\n",
			p.name, p.anonymous+p.inFiles+p.shared, p.anonymous, p.inFiles, p.shared))
		write("smaps_rollup", fmt.Sprintf("5500-7ffe ---p 00000000 00:00 0    [rollup]\nRss: %d kB\nPss_Anon: %d kB\nPss_File: %d kB\nPss_Shmem: %d kB\n",
			p.anonymous+p.inFiles, p.anonymous/2, p.inFiles, p.shared/2))
	}
	return meter.Meter{Proc: proc, Starter: starter}
}

func TestProcessesAreAddedUpByTheirMountNamespace(t *testing.T) {
	m := fakeProc(
		t,
		fakeProcess{name: "init", namespace: 10, utime: 1000, anonymous: 5000},
		fakeProcess{name: "shop", namespace: 11, utime: 100, stime: 20, cutime: 3, anonymous: 2048, shared: 1024, inFiles: 9000},
		fakeProcess{name: "a) name 1 2 (", namespace: 11, utime: 7, anonymous: 100},
		fakeProcess{name: "other", namespace: 12, stime: 1, anonymous: 4},
		fakeProcess{name: "kube", namespace: 12, stime: 20, anonymous: 60000, starting: true},
	)
	got, err := m.Read([]uint64{11, 12, 13})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[uint64]meter.Usage{
		11: {Processes: []int{2, 3}, CPU: 1300 * time.Millisecond, Memory: (2048 + 1024 + 100) << 10},
		12: {Processes: []int{4}, Starting: []int{5}, CPU: 10 * time.Millisecond, Memory: 4 << 10},
	}, got))
}

func TestAProcessThatEndsWhileItIsReadDoesNotCount(t *testing.T) {
	m := fakeProc(t, fakeProcess{name: "gone", namespace: 11, anonymous: 8}, fakeProcess{name: "here", namespace: 11, anonymous: 8})
	require.NoError(t, os.Remove(filepath.Join(m.Proc, "1", "status")))
	got, err := m.Read([]uint64{11})
	require.NoError(t, err)
	require.Equal(t, []int{2}, got[11].Processes)
	require.NoError(t, os.RemoveAll(filepath.Join(m.Proc, "2")))
	require.Zero(t, m.Proportional([]int{2}))
}

func TestMemoryThatProcessesShareCountsOnceWhereItMatters(t *testing.T) {
	m := fakeProc(t,
		fakeProcess{name: "parent", namespace: 11, anonymous: 1000, shared: 200, inFiles: 4000},
		fakeProcess{name: "child", namespace: 11, anonymous: 1000, shared: 200, inFiles: 4000})
	got, err := m.Read([]uint64{11})
	require.NoError(t, err)
	require.EqualValues(t, 2400<<10, got[11].Memory)
	require.EqualValues(t, 1200<<10, m.Proportional(got[11].Processes))
}

func TestTheKernelTellsOfThisProcessAndItsChildren(t *testing.T) {
	m := meter.Meter{Proc: "/proc"}
	own, err := m.Namespace(os.Getpid())
	require.NoError(t, err)
	all, err := m.Read([]uint64{own})
	require.NoError(t, err)
	require.Contains(t, all[own].Processes, os.Getpid())
	require.Positive(t, m.Proportional([]int{os.Getpid()}))

	child := exec.CommandContext(t.Context(), "sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done")
	require.NoError(t, child.Run())
	used := child.ProcessState.UserTime()
	require.Greater(t, used, 20*time.Millisecond)
	alone, err := onlySelf(t).Read([]uint64{own})
	require.NoError(t, err)
	require.GreaterOrEqual(t, alone[own].CPU, used-20*time.Millisecond, "a child that was waited for counts for its parent")
	require.Positive(t, alone[own].Memory)
}

func TestAStarterIsNotMeasuredUntilItHasBecomeAProgram(t *testing.T) {
	self, err := os.Stat("/proc/self/exe")
	require.NoError(t, err)
	m := onlySelf(t)
	m.Starter = self
	own, err := m.Namespace(os.Getpid())
	require.NoError(t, err)
	got, err := m.Read([]uint64{own})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[uint64]meter.Usage{own: {Starting: []int{os.Getpid()}}}, got))
}

// onlySelf shows this process alone.
func onlySelf(t *testing.T) meter.Meter {
	t.Helper()
	proc := t.TempDir()
	pid := strconv.Itoa(os.Getpid())
	require.NoError(t, os.Symlink(filepath.Join("/proc", pid), filepath.Join(proc, pid)))
	return meter.Meter{Proc: proc}
}

// series adds a sample each 250 ms, each with more processor time.
func series(h *meter.History, from time.Time, step time.Duration, samples int) time.Time {
	at, cpu := from, time.Duration(0)
	for range samples {
		h.Add(at, meter.Usage{CPU: cpu, Memory: 1 << 20})
		at, cpu = at.Add(250*time.Millisecond), cpu+step
	}
	return at
}

func TestARateLooksBackOneWindow(t *testing.T) {
	var h meter.History
	at := series(&h, time.Unix(0, 0), 50*time.Millisecond, 100)
	got, ok := h.Rate()
	require.True(t, ok)
	want := meter.Rate{At: at.Add(-250 * time.Millisecond), Window: meter.Window, Cores: 0.2, Memory: 1 << 20}
	require.Empty(t, cmp.Diff(want, got))
}

func TestARateTakesASecondToTell(t *testing.T) {
	var h meter.History
	_, ok := h.Rate()
	require.False(t, ok)
	at := series(&h, time.Unix(0, 0), 100*time.Millisecond, 4)
	_, ok = h.Rate()
	require.False(t, ok)
	h.Add(at, meter.Usage{CPU: 400 * time.Millisecond})
	got, ok := h.Rate()
	require.True(t, ok)
	require.Equal(t, time.Second, got.Window)
	require.InDelta(t, 0.4, got.Cores, 1e-9)
}

func TestAProcessThatEndsTakesNothingBackFromTheRate(t *testing.T) {
	var h meter.History
	at := time.Unix(0, 0)
	for _, cpu := range []time.Duration{0, 500, 100, 200} {
		h.Add(at, meter.Usage{CPU: cpu * time.Millisecond})
		at = at.Add(time.Second)
	}
	got, ok := h.Rate()
	require.True(t, ok)
	require.InDelta(t, 0.2, got.Cores, 1e-9, "500 ms, nothing, and 100 ms in three seconds")
}
