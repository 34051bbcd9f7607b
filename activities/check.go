// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// RunCheckIn tries a check until it passes or the deadline has passed.
type RunCheckIn struct {
	Check    plan.Check `json:"check"`
	Deadline time.Time  `json:"deadline"`
}

// ApplyLoadIn sends a stream of requests.
type ApplyLoadIn struct {
	Load plan.LoadTest `json:"load"`
}

// Checked says how a check went. Not passing is a value, not an error.
type Checked struct {
	Passed bool `json:"passed"`
	// Reason in plain words, with its numbers.
	Reason string `json:"reason"`
}

// Request is one GET or POST.
type Request struct {
	URL     string
	Headers map[string]string
	// Body of a POST.
	Body string
}

// Answer is what came back. A request that got none is an error instead, and then only Took is set.
type Answer struct {
	Status int
	// Body is its first 64 KiB.
	Body string
	// Took is the time from the request to its whole answer, by the clock of who sent it.
	Took time.Duration
}

// Prober sends requests. It follows no redirect and gives up on its own.
type Prober interface {
	Get(context.Context, Request) (Answer, error)
	Post(context.Context, Request) (Answer, error)
}

// Checks try a version before users do.
type Checks struct {
	Prober Prober
	Jobs   Jobs
	Clock  Clock
}

// RunCheck heartbeats until the check passes or the deadline has passed.
func (a *Checks) RunCheck(ctx context.Context, in RunCheckIn) (Checked, error) {
	return poll(ctx, a.Clock, in.Deadline, func(ctx context.Context) (Checked, bool, error) {
		answer, err := a.Prober.Get(ctx, Request{URL: in.Check.URL, Headers: in.Check.Headers})
		if err != nil {
			return Checked{Reason: err.Error()}, false, nil // no answer is an answer to this question
		}
		c := assess(in.Check, answer)
		return c, c.Passed, nil
	})
}

// assess compares an answer with what the check asks for.
func assess(c plan.Check, a Answer) Checked {
	switch {
	case a.Status != c.Status:
		return Checked{Reason: fmt.Sprintf("%s answered %d, not %d", c.URL, a.Status, c.Status)}
	case !strings.Contains(a.Body, c.Contains):
		return Checked{Reason: fmt.Sprintf("the answer of %s does not contain %q", c.URL, c.Contains)}
	}
	return Checked{Passed: true, Reason: fmt.Sprintf("%s answered %d", c.URL, a.Status)}
}

// ApplyLoad sends requests at their times, whether or not earlier ones were answered, and judges them
// all. Another attempt begins anew.
func (a *Checks) ApplyLoad(ctx context.Context, in ApplyLoadIn) (Checked, error) {
	var all tally
	var group sync.WaitGroup
	gap := time.Second / time.Duration(in.Load.Rate)
	total := int(in.Load.For.D() / gap)
	for sent := range total {
		group.Go(func() { all.add(a.send(ctx, in.Load)) })
		if sent%in.Load.Rate == 0 {
			activity.RecordHeartbeat(ctx)
		}
		if err := a.Clock.wait(ctx, gap); err != nil {
			group.Wait()
			return Checked{}, err
		}
	}
	group.Wait()
	return all.judge(in.Load), nil
}

// send asks once; what failed has a reason.
func (a *Checks) send(ctx context.Context, l plan.LoadTest) (time.Duration, string) {
	answer, err := a.Prober.Get(ctx, Request{URL: l.URL, Headers: l.Headers})
	switch {
	case err != nil:
		return answer.Took, err.Error()
	case answer.Status >= 500:
		return answer.Took, fmt.Sprintf("status %d", answer.Status)
	}
	return answer.Took, ""
}

// tally is how the requests of a load went.
type tally struct {
	mu     sync.Mutex
	took   []time.Duration
	failed int
	reason string
}

func (t *tally) add(took time.Duration, failure string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.took = append(t.took, took)
	if failure != "" {
		t.failed++
		t.reason = failure
	}
}

// judge compares the tally with the plan's limits.
func (t *tally) judge(l plan.LoadTest) Checked {
	n := len(t.took)
	if n == 0 {
		return Checked{Reason: "no request was sent"}
	}
	slices.Sort(t.took)
	p99 := t.took[(n-1)*99/100]
	reason := fmt.Sprintf("%d of %d requests failed, p99 %s", t.failed, n, p99.Round(time.Millisecond))
	switch share := 100 * float64(t.failed) / float64(n); {
	case share > l.Errors:
		return Checked{Reason: fmt.Sprintf("%s: over %g %% (the last: %s)", reason, l.Errors, t.reason)}
	case l.P99 > 0 && p99 > l.P99.D():
		return Checked{Reason: fmt.Sprintf("%s: over %s", reason, l.P99)}
	}
	return Checked{Passed: true, Reason: reason}
}
