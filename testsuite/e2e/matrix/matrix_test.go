// SPDX-License-Identifier: Apache-2.0

package matrix_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/faults"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

var (
	all     = flag.Bool("all", false, "tell all cases")
	one     = flag.String("case", "", "tell the cases whose names match this expression")
	shard   = flag.String("shard", "1/1", "tell this part of the cases alone, such as 2/4")
	journal = flag.String("journal", "", "file that keeps what has passed; what stands in it is not told again")
	seats   = flag.Int("seats", 3, "how many cases are told side by side")
	sample  = flag.Int("sample", 3, "how many cases are drawn by lot where neither all nor some are asked for")
	seed    = flag.Uint64("seed", 0, "the seed of that lot; 0: the day")
	learn   = flag.Bool("learn", false, "write down anew which writes there are; with -case, those of the ways that match alone")
)

// world is the one sandbox of all cases.
var world *stage.Stage

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(stage.Tests(stage.OpenWithoutWorker, func(s *stage.Stage) int {
		world = s
		return m.Run()
	}))
}

// chosen are the cases to be told.
func chosen(t *testing.T) []faults.Case {
	t.Helper()
	cases := faults.Cases()
	if *one != "" {
		wanted, err := regexp.Compile(*one)
		require.NoError(t, err)
		return slices.DeleteFunc(cases, func(c faults.Case) bool { return !wanted.MatchString(c.ID) })
	}
	if *all {
		part, err := faults.ParseShard(*shard)
		require.NoError(t, err)
		return part.Of(cases)
	}
	if *seed == 0 {
		*seed = uint64(time.Now().Unix() / 86400)
	}
	t.Logf("a sample by -seed %d", *seed)
	return faults.Sample(cases, *sample, *seed)
}

// run is the tellings of one test.
type run struct {
	t       *testing.T
	seats   []*faults.Seat
	journal *faults.Journal
	// learns is true where each telling is what is usual.
	learns bool

	mu             sync.Mutex
	passed, failed int
	accounts       []faults.Account
}

// begin opens the seats.
func begin(t *testing.T, n int) *run {
	t.Helper()
	r := &run{t: t}
	for i := range n {
		seat, err := faults.OpenSeat(t.Context(), world, fmt.Sprintf("seat%d", i+1))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, seat.Close()) })
		r.seats = append(r.seats, seat)
	}
	return r
}

// tell tells cases side by side, those that need the sandbox for themselves last.
func (r *run) tell(cases []faults.Case) {
	r.t.Helper()
	var together, alone []faults.Case
	for _, c := range cases {
		switch {
		case r.journal != nil && r.journal.Passed(c.ID):
			r.passed++
		case c.Alone:
			alone = append(alone, c)
		default:
			together = append(together, c)
		}
	}
	todo := make(chan faults.Case)
	var group sync.WaitGroup
	for _, seat := range r.seats {
		group.Go(func() {
			for c := range todo {
				r.one(seat, c)
			}
		})
	}
	for _, c := range together {
		todo <- c
	}
	close(todo)
	group.Wait()
	for _, c := range alone {
		r.one(r.seats[0], c)
	}
}

// one tells a case and says what came of it.
func (r *run) one(seat *faults.Seat, c faults.Case) {
	began := time.Now()
	a, err := faults.Tell(context.Background(), seat, c)
	usual := faults.UsualOf()[c.Way.Name]
	if r.learns {
		usual = faults.Learn(a)
	}
	wrong := faults.Judge(a, usual)
	if err != nil {
		wrong = append([]string{"the sandbox: " + err.Error()}, wrong...)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.accounts = append(r.accounts, a)
	took, safe := time.Since(began).Round(100*time.Millisecond), ""
	if a.Safe > 0 {
		safe = fmt.Sprintf(", traffic safe after %s", a.Safe.Round(10*time.Millisecond))
	}
	if len(wrong) > 0 {
		r.failed++
		r.t.Errorf("FAILED %s (%s%s): shares %v\n  %s\n%s\nrepeat: make faults CASE='^%s$'",
			c.ID, took, safe, a.Shares, strings.Join(wrong, "\n  "), a.Story, regexp.QuoteMeta(c.ID))
		return
	}
	r.passed++
	r.t.Logf("passed %s (%s%s)", c.ID, took, safe)
	if r.journal != nil {
		if err := r.journal.Pass(c.ID); err != nil {
			r.t.Error(err)
		}
	}
}

func TestNoFaultBreaksAPromise(t *testing.T) {
	if *learn {
		learned(t)
		return
	}
	cases := chosen(t)
	require.NotEmpty(t, cases)
	r := begin(t, min(*seats, len(cases)))
	if *journal != "" {
		build, err := faults.Build(filepath.Join(world.Bin, "worker"))
		require.NoError(t, err)
		r.journal, err = faults.OpenJournal(*journal, build)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.journal.Close()) })
	}
	began := time.Now()
	r.tell(cases)
	t.Logf("matrix: %d passed, %d failed, in %s", r.passed, r.failed, time.Since(began).Round(time.Second))
}

// learned writes down which writes there are, as tellings without faults make them.
func learned(t *testing.T) {
	t.Helper()
	wanted, err := regexp.Compile(*one)
	require.NoError(t, err)
	usual, known := map[string]faults.Usual{}, faults.UsualOf()
	var quiet []faults.Case
	for _, w := range faults.Ways() {
		c := faults.Quiet(w)
		if old, ok := known[w.Name]; ok && !wanted.MatchString(c.ID) {
			usual[w.Name] = old
			continue
		}
		quiet = append(quiet, c)
	}
	require.NotEmpty(t, quiet)
	r := begin(t, min(*seats, len(quiet)))
	r.learns = true
	r.tell(quiet)
	for _, a := range r.accounts {
		usual[a.Case.Way.Name] = faults.Learn(a)
	}
	require.NoError(t, faults.Save(filepath.Join(world.Repository, "testsuite", "e2e", "faults", "writes.json"), usual))
}
