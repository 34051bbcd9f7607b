// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// terminal is a real one, with somebody who sees and presses.
type terminal struct {
	hand *os.File
	// line is what a program takes for its terminal.
	line *os.File

	mu   sync.Mutex
	seen bytes.Buffer
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	hand, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = hand.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(hand.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(hand.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	line, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = line.Close() })
	x := &terminal{hand: hand, line: line}
	go func() {
		var b [4096]byte
		for {
			n, err := hand.Read(b[:])
			if err != nil {
				return
			}
			x.mu.Lock()
			x.seen.Write(b[:n])
			x.mu.Unlock()
		}
	}()
	return x
}

func (x *terminal) shows(text string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return strings.Contains(x.seen.String(), text)
}

func (x *terminal) press(t *testing.T, keys string) {
	t.Helper()
	_, err := x.hand.WriteString(keys)
	require.NoError(t, err)
}

func TestAPersonAtATerminalSeesThePodsAndDecides(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "seen"})
	r := begin(t, shop, stage.Quick{Steps: []string{"{weight: 10, hold: 2s, gate: {approvers: [ada], within: 1m}}", "{weight: 50, hold: 30s}"}}, image(t, "v2"))
	r.until("people are asked", func() bool { return detailsContain(t, shop, "approval by 1 of [ada]") })
	x := openTerminal(t)
	watch := world.Command(t.Context(), "watch", shop.Lane())
	watch.Stdin, watch.Stdout, watch.Stderr = x.line, x.line, x.line
	require.NoError(t, watch.Start())
	told(t, "the gate is shown", func() bool { return x.shows("approval by 1 of [ada] (people)") && x.shows("[a] approve") })
	told(t, "the pods are shown", func() bool { return x.shows("seen-green  2/2 ready  (candidate)") && x.shows("✔ seen-green-") })
	x.press(t, "a")
	told(t, "it asks back", func() bool { return x.shows("approve? [y] yes") })
	x.press(t, "y")
	told(t, "it is accepted", func() bool { return x.shows("approve: accepted") })
	r.untilShare(50)
	x.press(t, "xnot today\r")
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "aborted by ada: not today")
	require.Error(t, watch.Wait())
	require.Equal(t, 2, watch.ProcessState.ExitCode(), "it ends as the release does")
	told(t, "the end is shown", func() bool { return x.shows("undone: aborted by ada: not today") })
}

func TestTheCommandLineShowsAReleaseToPeopleAndMachines(t *testing.T) {
	t.Parallel()
	shop := openShop(t, stage.ShopOptions{Namespace: "shown"})
	v2 := image(t, "v2")
	q := stage.Quick{Steps: stage.Holding("2s", 10)}
	r := begin(t, shop, q, v2)
	r.untilShare(10)
	stream, err := world.Slipway(t.Context(), "watch", shop.Lane(), "-o", "json")
	require.NoError(t, err)
	require.Zero(t, stream.Code, stream.Err)
	said, _ := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	var phases []string
	for line := range strings.Lines(stream.Out) {
		var s struct{ ID, Phase string }
		require.NoError(t, json.Unmarshal([]byte(line), &s), line)
		phases = append(phases, s.Phase)
	}
	require.Equal(t, "promoted", phases[len(phases)-1])
	require.Contains(t, phases, "stepping")

	run := func(code int, args ...string) string {
		said, err := world.Slipway(t.Context(), args...)
		require.NoError(t, err)
		require.Equal(t, code, said.Code, said.Err)
		return said.Out
	}
	var s struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(run(0, "status", shop.Lane(), "-o", "json")), &s))
	told(t, "the list has it", func() bool {
		for line := range strings.Lines(run(0, "get", "-e", "test")) {
			if words := strings.Fields(line); slices.Equal(words[:3], []string{shop.Lane(), s.ID, "promoted"}) {
				return true
			}
		}
		return false
	})
	require.Contains(t, run(0, "get", shop.Lane()), s.ID)
	require.NotContains(t, run(0, "get", "--running"), s.ID)
	require.Contains(t, run(0, "logs", shop.Lane()), "shifted 10 % to shown-green")
	require.Contains(t, run(0, "logs", shop.Lane(), s.ID, "-f"), "promoted: "+v2)
	require.Contains(t, run(0, "describe", shop.Lane(), s.ID), "\nstory\n")
	names := strings.Split(run(0, "__complete", "watch", "test/sho"), "\n")
	require.True(t, slices.Contains(names, shop.Lane()), names)
	require.Contains(t, run(0, "__complete", "describe", shop.Lane(), ""), s.ID)

	plan, err := shop.Plan(q)
	require.NoError(t, err)
	require.Contains(t, run(0, "diff", "-f", plan, "--image", v2), "the same as release "+s.ID)
	q.Steps = stage.Holding("3s", 20)
	plan, err = shop.Plan(q)
	require.NoError(t, err)
	differs := run(1, "diff", "-f", plan, "--image", shop.Image)
	for _, line := range []string{"-# image: " + v2, "+# image: " + shop.Image, "-      - hold: 2s", "+      - hold: 3s"} {
		require.Contains(t, differs, line)
	}
}
