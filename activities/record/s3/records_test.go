// SPDX-License-Identifier: Apache-2.0

package s3_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/record/s3"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// shelf is a bucket whose moods a test decides.
type shelf struct {
	mu    sync.Mutex
	stood map[string]string
	tries int
	err   error         // what it answers; nil: it takes everything
	slow  time.Duration // how long it takes; it does not care for whoever has waited enough
}

func (s *shelf) String() string { return "s3://records" }

func (s *shelf) Put(ctx context.Context, key string, body []byte) error {
	s.mu.Lock()
	slow, err := s.slow, s.err
	s.tries++
	s.mu.Unlock()
	if slow > 0 { // a timer that is due at once is run by whoever asks, which the race detector cannot bear in a bubble
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(slow):
		}
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.stood[key]; ok {
		return fmt.Errorf("%s was written twice", key)
	}
	s.stood[key] = string(body)
	return nil
}

func (s *shelf) set(err error, slow time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.slow = err, slow
}

func (s *shelf) tried() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tries
}

// objects of the records there, in the order of their names.
func (s *shelf) objects() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, key := range slices.Sorted(maps.Keys(s.stood)) {
		if strings.HasSuffix(key, ".jsonl") {
			out = append(out, s.stood[key])
		}
	}
	return out
}

func keep(s *shelf) (*s3.Records, *log) {
	s.stood = map[string]string{}
	var l log
	return s3.Keep(s, activities.Clock{Now: time.Now, After: time.After}, slog.New(slog.NewTextHandler(&l, nil))), &l
}

// log is read while it is written.
type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func tick(says string) judge.Entry {
	return judge.Entry{Release: "checkout-1", Tick: &judge.Judged{Says: says}}
}

func lines(t *testing.T, objects []string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(strings.Join(objects, "")) {
		var e judge.Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		out = append(out, e.Tick.Says)
	}
	return out
}

func TestLinesOfAMinuteAreOneObject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r, log := keep(s)
		const ticks = 3 * 360 // three hours
		var want []string
		for i := range ticks {
			want = append(want, fmt.Sprint(i))
			require.NoError(t, r.Append(t.Context(), tick(fmt.Sprint(i))))
			time.Sleep(10 * time.Second)
		}
		require.NoError(t, r.Close(t.Context()))
		require.LessOrEqual(t, len(s.objects()), 3*60+1)
		require.Equal(t, want, lines(t, s.objects()), "in the order of their names")
		require.Empty(t, log.String())
	})
}

func TestAWorkerThatIsKilledLosesNoMoreThanAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r, _ := keep(s)
		for i := range 30 {
			require.NoError(t, r.Append(t.Context(), tick(fmt.Sprint(i))))
			time.Sleep(10 * time.Second)
		}
		require.GreaterOrEqual(t, len(lines(t, s.objects())), 30-7, "a minute, and the second in which that is seen")
		require.NoError(t, r.Close(t.Context()))
	})
}

func TestHowAWatchBeganAndEndedIsWrittenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		r, _ := keep(s)
		require.NoError(t, r.Append(t.Context(), judge.Entry{Release: "checkout-1", Watch: &judge.Watch{}}, tick("first")))
		time.Sleep(time.Second)
		require.Len(t, s.objects(), 1)
		require.NoError(t, r.Append(t.Context(), tick("second")))
		time.Sleep(2 * time.Second)
		require.Len(t, s.objects(), 1)
		require.NoError(t, r.Append(t.Context(), judge.Entry{Release: "checkout-1", Verdict: &decide.Verdict{}}))
		time.Sleep(time.Second)
		require.Len(t, s.objects(), 2)
		require.NoError(t, r.Close(t.Context()))
	})
}

func TestAStoreThatIsAwayIsWaitedForWithinALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{err: errors.New("busy")}
		r, log := keep(s)
		began, large := time.Now(), strings.Repeat("x", 100_000)
		taken, refused := 0, 0
		for range 350 { // 35 MB
			err := r.Append(t.Context(), tick(large))
			if err == nil {
				taken++
				continue
			}
			refused++
			require.ErrorContains(t, err, "write record of checkout-1: 32 MiB wait for s3://records already: ")
		}
		require.Equal(t, began, time.Now(), "nobody waits for it")
		require.InDelta(t, 335, taken, 2)
		time.Sleep(time.Hour)
		require.Less(t, s.tried(), 4*70, "it is not asked all the time")
		require.Equal(t, 1, strings.Count(log.String(), "records cannot be written; they wait in memory"))
		require.Contains(t, log.String(), "busy")

		s.set(nil, 0)
		time.Sleep(2 * time.Minute)
		require.Contains(t, log.String(), fmt.Sprintf(`msg="records are written again" store=s3://records lost=%d`, refused))
		require.NoError(t, r.Append(t.Context(), tick(large)), "there is room again")
		require.NoError(t, r.Close(t.Context()))
		require.Equal(t, taken+1, strings.Count(strings.Join(s.objects(), ""), "\n"))
	})
}

func TestASlowStoreDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{slow: 25 * time.Second}
		r, log := keep(s)
		began := time.Now()
		for i := range 100 {
			require.NoError(t, r.Append(t.Context(), judge.Entry{Release: fmt.Sprintf("checkout-%d", i), Verdict: &decide.Verdict{}}))
		}
		require.Equal(t, began, time.Now())
		time.Sleep(11 * time.Minute)
		require.Len(t, s.objects(), 100)
		s.set(nil, time.Hour)
		require.NoError(t, r.Append(t.Context(), tick("never")))
		time.Sleep(2 * time.Minute)
		require.Contains(t, log.String(), "context deadline exceeded", "an attempt ends")
		ctx, done := context.WithTimeout(t.Context(), 5*time.Second)
		defer done()
		began = time.Now()
		require.ErrorContains(t, r.Close(ctx), "bytes are lost, which s3://records has not taken")
		require.LessOrEqual(t, time.Since(began), 5*time.Second)
	})
}

func TestAWorkerThatEndsSendsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{err: errors.New("busy")}
		r, _ := keep(s)
		require.NoError(t, r.Append(t.Context(), tick("last")))
		time.Sleep(10 * time.Minute) // attempts are a minute apart by now
		s.set(nil, 0)
		began := time.Now()
		require.NoError(t, r.Close(t.Context()))
		require.LessOrEqual(t, time.Since(began), time.Second)
		require.Equal(t, []string{"last"}, lines(t, s.objects()))
	})
}

func TestAClockThatIsSetBackKeepsTheOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, back := &shelf{stood: map[string]string{}}, time.Duration(0)
		var mu sync.Mutex
		now := func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return time.Now().Add(-back)
		}
		r := s3.Keep(s, activities.Clock{Now: now, After: time.After}, slog.New(slog.DiscardHandler))
		var want []string
		for i := range 20 {
			if i == 10 {
				mu.Lock()
				back = time.Hour
				mu.Unlock()
			}
			want = append(want, fmt.Sprint(i))
			require.NoError(t, r.Append(t.Context(), tick(fmt.Sprint(i))))
			time.Sleep(30 * time.Second)
		}
		require.NoError(t, r.Close(t.Context()))
		require.Equal(t, want, lines(t, s.objects()))
	})
}
