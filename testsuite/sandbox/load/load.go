// SPDX-License-Identifier: Apache-2.0

// Package load sends requests at a steady rate and accounts for every one of them.
//
// It is an open loop: a request is sent when it is due, however slow the earlier ones are, up to
// maxInFlight at once. A request has failed when it got no answer or one of 500 and above.
package load

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// maxInFlight bounds the requests under way; beyond it the loop is no longer open.
const maxInFlight = 2000

// Options of a run.
type Options struct {
	// URL to get; Host is the Host header, if it is another.
	URL, Host string
	// Header of every request.
	Header http.Header
	// Rate in requests per second.
	Rate int
	// NewConnections opens a connection for every request, as users that come and go do.
	NewConnections bool
	// Timeout of a request; default 5s.
	Timeout time.Duration
}

// Result is one request.
type Result struct {
	// At is when it was sent, Latency how long its answer took.
	At      time.Time
	Latency time.Duration
	// Version is the answer's X-Version header; empty where there was no answer.
	Version string
	// Status is 0 where there was no answer; Err then says why.
	Status int
	Err    string
}

// Failed reports whether a user would call it that.
func (r Result) Failed() bool { return r.Status == 0 || r.Status >= 500 }

// Answered is when its answer was complete.
func (r Result) Answered() time.Time { return r.At.Add(r.Latency) }

// Run is load under way.
type Run struct {
	attacker *vegeta.Attacker
	done     chan struct{}

	mu      sync.Mutex
	results []Result
}

// Start begins to send.
func Start(o Options) *Run {
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	r := &Run{done: make(chan struct{})}
	r.attacker = vegeta.NewAttacker(
		vegeta.Timeout(o.Timeout), vegeta.KeepAlive(!o.NewConnections), vegeta.Workers(50), vegeta.MaxWorkers(maxInFlight),
		vegeta.Connections(maxInFlight), vegeta.MaxBody(256),
	)
	target := vegeta.Target{Method: http.MethodGet, URL: o.URL, Header: http.Header{}}
	maps.Copy(target.Header, o.Header)
	if o.Host != "" {
		target.Header.Set("Host", o.Host)
	}
	results := r.attacker.Attack(vegeta.NewStaticTargeter(target), vegeta.Rate{Freq: o.Rate, Per: time.Second}, 0, "load")
	go r.collect(results)
	return r
}

func (r *Run) collect(results <-chan *vegeta.Result) {
	defer close(r.done)
	for one := range results {
		result := Result{At: one.Timestamp, Latency: one.Latency, Status: int(one.Code), Version: one.Headers.Get("X-Version")}
		if one.Code == 0 {
			result.Err = one.Error
		}
		r.mu.Lock()
		r.results = append(r.results, result)
		r.mu.Unlock()
	}
}

// Stop sends no more, waits for the requests under way, and returns what became of all.
func (r *Run) Stop() Report {
	r.attacker.Stop()
	<-r.done
	return Summarize(r.Results())
}

// Results are the requests that have ended so far, in the order they were sent.
func (r *Run) Results() []Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(r.results)
	slices.SortStableFunc(out, func(a, b Result) int { return a.At.Compare(b.At) })
	return out
}

// Since are the results of requests sent at or after t.
func (r *Run) Since(t time.Time) []Result {
	return slices.DeleteFunc(r.Results(), func(x Result) bool { return x.At.Before(t) })
}

// Report sums results up.
type Report struct {
	Seconds  float64 `json:"seconds"`
	Requests int     `json:"requests"`
	Failed   int     `json:"failed_requests"`
	// ByVersion and FailedByVersion count by the version that answered; "none" where nothing did.
	ByVersion       map[string]int `json:"by_version"`
	FailedByVersion map[string]int `json:"failed_by_version"`
	// P99 of the latency of all answers, in seconds.
	P99 float64 `json:"p99_seconds"`
	// Errors are the distinct reasons of requests without an answer.
	Errors []string `json:"errors,omitempty"`
}

// Summarize makes a report.
func Summarize(results []Result) Report {
	p := Report{Requests: len(results), ByVersion: map[string]int{}, FailedByVersion: map[string]int{}}
	if len(results) == 0 {
		return p
	}
	p.Seconds = results[len(results)-1].At.Sub(results[0].At).Seconds()
	for _, r := range results {
		version := cmp.Or(r.Version, "none")
		p.ByVersion[version]++
		if r.Failed() {
			p.Failed++
			p.FailedByVersion[version]++
		}
		if r.Err != "" && !slices.Contains(p.Errors, r.Err) {
			p.Errors = append(p.Errors, r.Err)
		}
	}
	slow := slices.SortedFunc(slices.Values(results), func(a, b Result) int { return cmp.Compare(a.Latency, b.Latency) })
	p.P99 = slow[(len(slow)-1)*99/100].Latency.Seconds()
	return p
}
