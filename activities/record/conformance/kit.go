// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/decide/opinion"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Place is where workers keep records.
type Place interface {
	// Worker is another worker that writes there. What it was given stands there once it has ended.
	Worker(t *testing.T) (r activities.Recorder, end func())
	// Read is the record of a release, as whoever judges it again reads it.
	Read(t *testing.T, release string) []byte
	// Stands is everything that stands there, by name.
	Stands(t *testing.T) map[string]string
}

// Run tests one kind of store; place makes an empty one.
func Run(t *testing.T, place func(t *testing.T) Place) {
	t.Helper()
	tests := map[string]func(*testing.T, Place){
		"lines come back in their order":                inOrder,
		"what stands there is never changed":            unchanged,
		"workers that write at once lose nothing":       atOnce,
		"a watch that was taken over is one watch":      takenOver,
		"a watch is whole though its beginning is lost": beginningLost,
		"what is no name of a release is refused":       refused,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, place(t)) })
	}
}

const release = "checkout-k3v9qa"

func start() time.Time { return time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC) }

// limits are those of a watch.
const limits = `{"source":{"prometheus":{"preset":"app"}},"warmUp":"20s","interval":"10s","block":"30s","soak":"30s","history":"16m40s",` +
	`"window":"5m","minRequests":100,"falseAlarms":5,"misses":5,"patience":"10m","afterPatience":"ask","askWithin":"1h",` +
	`"errors":{"tolerate":"1.25x","unacceptable":"2x","margin":0.5,"slo":10}}`

func watch(t *testing.T) judge.Entry {
	t.Helper()
	w := judge.Watch{Weight: 10, Start: start()}
	require.NoError(t, json.Unmarshal([]byte(limits), &w.Analysis))
	return judge.Entry{Release: release, At: start(), Watch: &w}
}

// tick number n, in which much fails at the candidate.
func tick(n int) judge.Entry {
	end := start().Add(time.Duration(n) * 10 * time.Second)
	return judge.Entry{Release: release, At: end, Tick: &judge.Judged{Tick: judge.Tick{
		End: end, Stable: decide.Counts{Requests: 900, Errors: 1}, Candidate: decide.Counts{Requests: 100, Errors: 2},
		StablePods: 4, CandidatePods: 4, Routed: [2]float64{900, 100},
	}}}
}

func verdict(reason string) judge.Entry {
	return judge.Entry{Release: release, At: start(), Verdict: &decide.Verdict{Outcome: decide.Pass, Reason: reason}}
}

func write(t *testing.T, p Place, entries ...judge.Entry) {
	t.Helper()
	r, end := p.Worker(t)
	for _, e := range entries {
		require.NoError(t, r.Append(context.Background(), e))
	}
	end()
}

func read(t *testing.T, p Place, release string) []judge.Entry {
	t.Helper()
	var out []judge.Entry
	for line := range bytes.Lines(p.Read(t, release)) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal(line, &e))
		out = append(out, e)
	}
	return out
}

func inOrder(t *testing.T, p Place) {
	t.Helper()
	other := verdict("of another release")
	other.Release = "checkout-k3v9qa-2" // which begins as the first one does
	want := []judge.Entry{watch(t), tick(1), tick(2), verdict("one"), watch(t), tick(3), verdict("two")}
	r, end := p.Worker(t)
	require.NoError(t, r.Append(context.Background()), "nothing is written of nothing")
	require.NoError(t, r.Append(context.Background(), want[0], want[1]))
	require.NoError(t, r.Append(context.Background(), other))
	for _, e := range want[2:] {
		require.NoError(t, r.Append(context.Background(), e))
	}
	end()
	require.Empty(t, cmp.Diff(want, read(t, p, release)))
	require.Empty(t, cmp.Diff([]judge.Entry{other}, read(t, p, other.Release)))
}

func unchanged(t *testing.T, p Place) {
	t.Helper()
	var before map[string]string
	for i := range 3 {
		write(t, p, watch(t), tick(1), verdict(fmt.Sprint(i)))
		after := p.Stands(t)
		for name, text := range before {
			require.True(t, strings.HasPrefix(after[name], text), "%s was changed:\n%s", name, cmp.Diff(text, after[name]))
		}
		before = after
	}
	require.Len(t, read(t, p, release), 9)
}

func atOnce(t *testing.T, p Place) {
	t.Helper()
	const workers, lines = 4, 20
	var group sync.WaitGroup
	for w := range workers {
		r, end := p.Worker(t)
		group.Go(func() {
			defer end()
			for i := range lines {
				if err := r.Append(context.Background(), verdict(fmt.Sprintf("%d/%02d", w, i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]int{}
	for _, e := range read(t, p, release) {
		worker, _, _ := strings.Cut(e.Verdict.Reason, "/")
		require.Equal(t, fmt.Sprintf("%s/%02d", worker, seen[worker]), e.Verdict.Reason, "each worker's lines are in its order")
		seen[worker]++
	}
	require.Equal(t, map[string]int{"0": lines, "1": lines, "2": lines, "3": lines}, seen)
}

func replay(t *testing.T, entries []judge.Entry) []judge.Replayed {
	t.Helper()
	out, err := judge.Replay(entries, func(*plan.Analysis) error { return nil }, opinion.Read)
	require.NoError(t, err)
	return out
}

func takenOver(t *testing.T, p Place) {
	t.Helper()
	write(t, p, watch(t), tick(1), tick(2), tick(3))
	write(t, p, watch(t), tick(3), tick(4), tick(5), tick(6), verdict("then"))
	got := replay(t, read(t, p, release))
	require.Len(t, got, 1)
	want := replay(t, []judge.Entry{watch(t), tick(1), tick(2), tick(3), tick(4), tick(5), tick(6), verdict("then")})
	require.NotZero(t, want[0].Now.Candidate.Requests)
	require.Empty(t, cmp.Diff(want[0].Now, got[0].Now), "no tick counts twice")
	require.Equal(t, "then", got[0].Then.Reason)
}

func beginningLost(t *testing.T, p Place) {
	t.Helper()
	write(t, p, watch(t), tick(4), tick(5), verdict("then"))
	got := replay(t, read(t, p, release))
	require.Len(t, got, 1)
	require.Equal(t, 2, got[0].Ticks)
}

func refused(t *testing.T, p Place) {
	t.Helper()
	r, end := p.Worker(t)
	for _, name := range []string{"", "../elsewhere", "a/b", ".hidden"} {
		e := verdict("x")
		e.Release = name
		require.ErrorContains(t, r.Append(context.Background(), e), "is not the name of a release")
	}
	end()
	for name := range p.Stands(t) {
		require.NotContains(t, name, ".jsonl")
	}
}
