// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// others are the cases of everything but a death around a write.
func others() []Case {
	var out []Case
	for _, name := range []string{"canary", "blue-green", "rolling"} {
		w := wayOf(name)
		out = append(out, weathers(w)...)
		out = append(out, away(w)...)
		out = append(out, candidates(w)...)
	}
	return append(append(out, aborts()...), restarts())
}

// The long bake, and how often the worker is killed in it.
const (
	longBake = 2 * time.Minute
	deaths   = 20
	// within is how far its end may be from the time that was asked for.
	within = 2 * time.Second
)

// restarts are many deaths in one long bake, which must neither lengthen nor shorten it.
func restarts() Case {
	w := wayOf("canary")
	w.Plan = quick(stage.Quick{Steps: stage.Holding("1s", w.Steps[:2]...), Bake: longBake.String()})
	return Case{ID: "canary/killed-20-times-in-the-bake", Way: w, Ends: []End{Promoted}, Exact: true, Calm: true, Script: func(t *Telling) error {
		if err := t.UntilSays("the bake is judged"); err != nil {
			return err
		}
		began := time.Now()
		for range deaths {
			t.Kill()
			if err := pause(t.Context, 2*time.Second); err != nil {
				return err
			}
			t.starting.Wait()
		}
		if err := t.UntilShare(0); err != nil {
			return err
		}
		if off := time.Since(began) - longBake; off < -within || off > within {
			return fmt.Errorf("a bake of %s took %s longer", longBake, off.Round(10*time.Millisecond))
		}
		return nil
	}}
}

func writes(c faultproxy.Call) bool  { return c.Writes() }
func updates(c faultproxy.Call) bool { return c.Verb == "update" || c.Verb == "delete" }

// weathers are an API server in a bad state for as long as the release lasts. Whatever comes of it is whole.
func weathers(w Way) []Case {
	var out []Case
	whole := []End{Promoted, Undone, Refused}
	for _, one := range []struct {
		name string
		rule faultproxy.Rule
		ends []End
	}{
		{"conflicts", faultproxy.Rule{Match: updates, Share: 0.5, Fault: faultproxy.Fault{Status: http.StatusConflict}}, whole},
		{"throttled", faultproxy.Rule{Share: 0.3, Fault: faultproxy.Fault{Status: http.StatusTooManyRequests, RetryAfter: time.Second}}, whole},
		{"errors", faultproxy.Rule{Share: 0.1, Fault: faultproxy.Fault{Status: http.StatusInternalServerError}}, whole},
		{"slow", faultproxy.Rule{Fault: faultproxy.Fault{Delay: 300 * time.Millisecond}}, []End{Promoted}},
		{"now-and-then-dead-slow", faultproxy.Rule{Share: 0.1, Fault: faultproxy.Fault{Delay: 6 * time.Second}}, whole},
		{"answers-lost", faultproxy.Rule{Match: writes, Share: 0.5, Fault: faultproxy.Fault{Cut: faultproxy.AfterEffect}}, whole},
		{"connections-cut", faultproxy.Rule{Share: 0.1, Fault: faultproxy.Fault{Cut: faultproxy.BeforeEffect}}, whole},
	} {
		out = append(out, Case{ID: w.Name + "/api-" + one.name, Way: w, Rules: []faultproxy.Rule{one.rule}, Ends: one.ends})
	}
	return out
}

// begun waits until the new version has got something.
func begun(t *Telling, w Way) error {
	if w.InPlace {
		return t.Until("a pod was rolled", func() bool { return t.rolled() > 0 })
	}
	return t.UntilShare(w.Steps[0])
}

// away are parts that are gone for a while, or for good.
func away(w Way) []Case {
	gone := faultproxy.Rule{Fault: faultproxy.Fault{Cut: faultproxy.BeforeEffect}}
	after := func(do func(*Telling) error) func(*Telling) error {
		return func(t *Telling) error {
			if err := begun(t, w); err != nil {
				return err
			}
			return do(t)
		}
	}
	one := func(name string, do func(*Telling) error, ends ...End) Case {
		return Case{ID: w.Name + "/" + name, Way: w, Script: after(do), Ends: ends, Calm: true}
	}
	temporal := func(name string, d time.Duration) Case {
		c := one(name, func(t *Telling) error {
			if err := t.Sandbox.Kill(t.Context, "temporal"); err != nil {
				return err
			}
			if err := pause(t.Context, d); err != nil {
				return err
			}
			return t.StartPart(t.Context, "temporal")
		}, Promoted, Undone)
		c.Alone = true
		return c
	}
	killed := one("worker-killed-in-the-hold", func(t *Telling) error {
		t.Kill()
		return nil
	}, Promoted)
	killed.Exact = true
	return []Case{
		killed,
		one("api-gone-60s", func(t *Telling) error {
			t.API.Set(gone)
			defer t.API.Set()
			return pause(t.Context, time.Minute)
		}, Promoted, Undone),
		one("prometheus-gone", func(t *Telling) error {
			t.Metrics.Set(gone)
			return t.UntilSays("owner: people")
		}, Undone),
		temporal("temporal-killed", 0), temporal("temporal-gone-1s", time.Second), temporal("temporal-gone-30s", 30*time.Second),
	}
}

// pause lets a fault last.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// candidates are new versions that cannot serve.
func candidates(w Way) []Case {
	return []Case{
		{ID: w.Name + "/pods-never-ready", Way: w, Env: map[string]string{"START_DELAY": "10m"}, Ends: []End{Undone}, Calm: true},
		{ID: w.Name + "/pods-crash-looping", Way: w, Env: map[string]string{"CRASH_AFTER": "1s"}, Ends: []End{Undone}, Calm: true, Bad: true},
	}
}

// aborts are those in the middle of faults, each with the time that it may take until traffic is safe.
func aborts() []Case {
	var out []Case
	for _, name := range []string{"canary-aborted", "blue-green-aborted"} {
		w := wayOf(name)
		at := w.Steps[len(w.Steps)-1]
		one := func(name string, limit time.Duration, before, over func(*Telling) error) Case {
			return Case{ID: w.Name + "/" + name, Way: w, Ends: []End{Undone}, Calm: true, Script: func(t *Telling) error {
				if err := t.UntilShare(at); err != nil {
					return err
				}
				if err := before(t); err != nil {
					return err
				}
				return t.safeWithin(limit, over)
			}}
		}
		half := []faultproxy.Rule{
			{Share: 0.25, Fault: faultproxy.Fault{Status: http.StatusInternalServerError}},
			{Share: 0.34, Fault: faultproxy.Fault{Cut: faultproxy.BeforeEffect}},
		}
		out = append(
			out,
			one("half-of-all-calls-fail", 5*time.Second, func(t *Telling) error { t.API.Set(half...); return nil }, nil),
			one("after-the-worker-was-killed", 3*time.Second, func(t *Telling) error { t.Kill(); return nil }, nil),
			one("while-the-api-is-gone", 10*time.Second, func(t *Telling) error {
				t.API.Set(faultproxy.Rule{Fault: faultproxy.Fault{Cut: faultproxy.BeforeEffect}})
				return nil
			}, func(t *Telling) error {
				defer t.API.Set()
				return pause(t.Context, time.Minute)
			}),
		)
	}
	return out
}

// safeWithin aborts and takes the time from the command until the route sends nobody to the candidate; where
// something must be over before that can be, from its end.
func (t *Telling) safeWithin(limit time.Duration, over func(*Telling) error) error {
	from := time.Now()
	if err := t.Abort(); err != nil {
		return err
	}
	if over != nil {
		if err := over(t); err != nil {
			return err
		}
		from = time.Now()
	}
	if err := t.Until("everybody is sent back", func() bool { s := t.Shares(); return len(s) > 0 && s[len(s)-1] == 0 }); err != nil {
		return err
	}
	t.Safe = time.Since(from)
	t.API.Set() // what comes after it is no matter of seconds
	if t.Safe > limit {
		return fmt.Errorf("traffic was safe after %s; it may take %s", t.Safe.Round(10*time.Millisecond), limit)
	}
	return nil
}
