// SPDX-License-Identifier: Apache-2.0

package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/match"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// What a desk bounds.
const (
	// AnswerWithin is when a sender has its answer, whatever Temporal is doing.
	AnswerWithin = 400 * time.Millisecond
	// handOverWithin is how long a hand-over may take that nobody waits for any more. The next delivery of the
	// event finds what became of it.
	handOverWithin = 5 * time.Second
	// maxFlights are hand-overs at once; one more is refused.
	maxFlights = 100
	// rememberFor is how long a request that was taken is answered without asking Temporal again.
	rememberFor = 10 * time.Second
	maxMemory   = 10_000
	// maxAhead is how far the sender's clock may be before ours.
	maxAhead = 5 * time.Minute
)

// Taker begins releases.
type Taker interface {
	Take(ctx context.Context, r client.Request) (client.Taken, error)
}

// Plans are those there are now.
type Plans interface {
	Plans() []plan.Plan
	// Mentioning are the broken files that may have meant a repository.
	Mentioning(repository string) []string
}

// Receipt is one release that an event has started, or had started before.
type Receipt struct {
	// ID of the release.
	ID string `json:"id"`
	// Service as "environment/name".
	Service string `json:"service"`
	Image   string `json:"image"`
	// Link answers how the release is.
	Link string `json:"link"`
	// Known is true where an earlier delivery has started it.
	Known bool `json:"known,omitempty"`
}

// Desk takes events in.
type Desk struct {
	plans Plans
	taker Taker
	now   func() time.Time
	// link of a release.
	link func(service, id string) string

	group   singleflight.Group
	flights chan struct{}

	mu     sync.Mutex
	recent map[string]memory
}

// memory is a request that was taken lately.
type memory struct {
	taken client.Taken
	until time.Time
}

// New makes a desk. Link is where people see a release.
func New(plans Plans, taker Taker, now func() time.Time, link func(service, id string) string) *Desk {
	return &Desk{plans: plans, taker: taker, now: now, link: link, flights: make(chan struct{}, maxFlights), recent: map[string]memory{}}
}

// Close takes every place for a hand-over, and so waits for what is being handed over: a few seconds at most.
// Whatever comes later is refused.
func (d *Desk) Close() {
	for range maxFlights {
		d.flights <- struct{}{}
	}
}

// Event hands over every release that an event starts. The error is a *sender.Answer; some releases may have
// been handed over all the same, and another delivery of the event does not start them again. MaxAge is how
// old an event may be, so that nobody can send an old one again.
func (d *Desk) Event(ctx context.Context, e sender.Event, maxAge time.Duration) ([]Receipt, error) {
	e = e.Bounded()
	if age := d.now().Sub(e.At); age > maxAge || age < -maxAhead {
		return nil, &sender.Answer{Status: http.StatusConflict, Text: fmt.Sprintf(
			"the event happened at %s, and events of the last %s are taken: nothing was started", e.At.UTC().Format(time.RFC3339), maxAge)}
	}
	requests, err := d.requests(e)
	if err != nil {
		return nil, err
	}
	receipts, errs := make([]Receipt, len(requests)), make([]error, len(requests))
	var wait sync.WaitGroup
	for i, r := range requests {
		wait.Go(func() { receipts[i], errs[i] = d.Request(ctx, r) })
	}
	wait.Wait()
	var out []Receipt
	for i := range requests {
		if errs[i] == nil {
			out = append(out, receipts[i])
		}
	}
	return out, firstOf(errs)
}

func firstOf(errs []error) error {
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}

// requests are the releases that an event asks for.
func (d *Desk) requests(e sender.Event) ([]client.Request, error) {
	var out []client.Request
	var why []string
	for _, p := range d.plans.Plans() {
		fit, ours := match.Plan(p, e)
		service := p.Metadata.Environment + "/" + p.Metadata.Name
		switch {
		case !ours:
		case fit.Why != "":
			why = append(why, service+": "+fit.Why)
		default:
			out = append(out, client.Request{
				Order: client.Order{Plan: p, Image: fit.Image, By: e.By, Source: source(e)},
				Key:   service + " " + e.Sender + " " + e.Key, Event: e.Order(), EventFrom: e.Sender + " " + e.Event, URL: e.URL,
			})
		}
	}
	switch {
	case len(out) > 1 && e.Run != 0:
		return nil, &sender.Answer{Status: http.StatusForbidden, Text: fmt.Sprintf(
			"nothing was started: the job waits for the outcome of one release, and %d plans take this event, such as %s/%s and %s/%s: give each an environment of its own at GitHub",
			len(out), out[0].Plan.Metadata.Environment, out[0].Plan.Metadata.Name, out[1].Plan.Metadata.Environment, out[1].Plan.Metadata.Name)}
	case len(out) > 0:
		return out, nil
	}
	return nil, d.unmatched(e, why)
}

// source is where a release comes from that an event asks for.
func source(e sender.Event) workflows.Source {
	s := client.Traced(e.Repository, e.Commit, e.URL)
	if e.Run != 0 {
		s.Run, s.Environment = e.Run, e.Environment
	}
	return s
}

// Job hands over the release that a CI job asks for by its token, if a trigger of the plan takes it. The
// token counts once. The error is a *sender.Answer.
func (d *Desk) Job(ctx context.Context, p plan.Plan, e sender.Event) (Receipt, error) {
	e = e.Bounded()
	fit, ours := match.Plan(p, e)
	service := p.Metadata.Environment + "/" + p.Metadata.Name
	switch {
	case !ours && fit.Why == "":
		return Receipt{}, &sender.Answer{Status: http.StatusForbidden, Text: fmt.Sprintf(
			"the plan of %s has no trigger for %s of %s: nothing was started", service, e.Repository, e.Sender)}
	case fit.Why != "":
		return Receipt{}, &sender.Answer{Status: http.StatusForbidden, Text: "nothing was started. " + service + ": " + fit.Why}
	}
	receipt, err := d.Request(ctx, client.Request{
		Order: client.Order{Plan: p, Image: fit.Image, By: e.By, Source: client.Traced(e.Repository, e.Commit, e.URL)}, Key: e.Sender + " " + e.Key, Event: e.At, EventFrom: e.Sender + " " + e.Event, URL: e.URL, Once: true,
	})
	if answer, ok := errors.AsType[*sender.Answer](err); ok && answer.Status == http.StatusConflict {
		return Receipt{}, &sender.Answer{Status: http.StatusUnauthorized, Text: "the token counts once. " + answer.Text}
	}
	return receipt, err
}

// unmatched says why an event starts nothing. A plan that is broken may have taken it: such an event is to be
// sent again.
func (d *Desk) unmatched(e sender.Event, why []string) error {
	if broken := d.plans.Mentioning(e.Repository); len(broken) > 0 {
		return &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf(
			"the plans %s are broken, and may have taken this event: nothing was started; correct them and deliver it again", strings.Join(broken, ", "))}
	}
	if len(why) == 0 {
		return &sender.Answer{Status: http.StatusNotFound, Text: fmt.Sprintf(
			"no plan has a trigger for %s of %s: nothing was started", e.Repository, e.Sender)}
	}
	const most = 10
	if len(why) > most {
		why = append(why[:most], "…")
	}
	return &sender.Answer{Status: http.StatusForbidden, Text: "nothing was started. " + strings.Join(why, "; ")}
}

// Request hands one release over. The error is a *sender.Answer.
func (d *Desk) Request(ctx context.Context, r client.Request) (Receipt, error) {
	service := r.Plan.Metadata.Environment + "/" + r.Plan.Metadata.Name
	taken, err := d.handOver(ctx, r)
	if err != nil {
		return Receipt{}, refusal(service, err)
	}
	return Receipt{ID: taken.ID, Service: service, Image: r.Image, Link: d.link(service, taken.ID), Known: taken.Known}, nil
}

// errBusy is a hand-over too many, errLate one that takes too long.
var (
	errBusy = errors.New("too many releases are being handed over")
	errLate = errors.New("no answer from Temporal in time")
)

// refusal is what a sender is told.
func refusal(service string, err error) error {
	if used, ok := errors.AsType[*client.UsedError](err); ok {
		return &sender.Answer{Status: http.StatusConflict, Text: fmt.Sprintf("the same key was used before, for release %s: nothing was started", used.ID)}
	}
	if refused, ok := errors.AsType[*client.RefusedError](err); ok {
		return &sender.Answer{Status: http.StatusUnprocessableEntity, Text: refused.Error()}
	}
	return &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf(
		"the release of %s could not be handed over (%v): deliver it again; it is started once", service, err)}
}

// handOver waits for Temporal until the sender must have its answer. Deliveries of one event that come at once
// share one request.
func (d *Desk) handOver(ctx context.Context, r client.Request) (client.Taken, error) {
	if taken, ok := d.remembered(r); ok {
		return taken, nil
	}
	flight := context.WithoutCancel(ctx)
	landed := d.group.DoChan(identity(r), func() (any, error) { return d.fly(flight, r) })
	ctx, cancel := context.WithTimeout(ctx, AnswerWithin)
	defer cancel()
	select {
	case one := <-landed:
		taken, _ := one.Val.(client.Taken)
		return taken, one.Err
	case <-ctx.Done():
		return client.Taken{}, errLate
	}
}

// identity is all that two requests must have in common to be one.
func identity(r client.Request) string {
	return r.Plan.Metadata.Environment + "/" + r.Plan.Metadata.Name + " " + r.Image + " " + r.Key
}

// fly hands a request over, also when nobody waits for it any more.
func (d *Desk) fly(ctx context.Context, r client.Request) (client.Taken, error) {
	select {
	case d.flights <- struct{}{}:
		defer func() { <-d.flights }()
	default:
		return client.Taken{}, errBusy
	}
	ctx, cancel := context.WithTimeout(ctx, handOverWithin)
	defer cancel()
	taken, err := d.taker.Take(ctx, r)
	if err == nil {
		d.remember(r, taken)
	}
	return taken, err
}

func (d *Desk) remembered(r client.Request) (client.Taken, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m, ok := d.recent[identity(r)]
	if !ok || d.now().After(m.until) {
		return client.Taken{}, false
	}
	m.taken.Known = true
	return m.taken, true
}

// remember forgets everything when it is too much: it only saves requests.
func (d *Desk) remember(r client.Request, taken client.Taken) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.recent) >= maxMemory {
		clear(d.recent)
	}
	d.recent[identity(r)] = memory{taken: taken, until: d.now().Add(rememberFor)}
}
