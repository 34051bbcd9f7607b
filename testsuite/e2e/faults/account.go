// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// Account is what was seen of a release from outside.
type Account struct {
	Case Case
	// Shop is the name of the service, Image the one that was released.
	Shop, Image string
	Said        stage.Said
	// States of the route's weights, and Shares of the candidate in them, without repetitions.
	States []stage.Seen
	Shares []int
	// Ready pods over time, and how many pods were made.
	Ready []Pods
	Made  int
	Load  load.Report
	// Before and After are what the team owns, Kept all objects that were not there before.
	Before, After stage.World
	Kept          []string
	// Marks are annotations that are left on the route, Record how that of the safe state has ended.
	Marks  []string
	Record activities.End
	// Activities are how often each was scheduled.
	Activities map[string]int
	// Writes that came by at the API server; those from From on are the way back's.
	Writes []faultproxy.Call
	From   int
	// Met is how many calls met a fault.
	Met int
	// Safe is how long an abort took until traffic was safe; 0: nobody looked.
	Safe time.Duration
	// Story is the release's own account of itself, where it did not end as it should.
	Story string
	// Trouble is what a script found wrong; nil: nothing.
	Trouble error
}

// ended is the end that the release tells of; empty: none of these.
func (a Account) ended() End {
	switch {
	case a.Said.Code == 0:
		return Promoted
	case a.Said.Code == 2:
		return Undone
	case a.Said.Code == 1 && strings.Contains(a.Said.Out, " refused: "):
		return Refused
	}
	return ""
}

// rate of the load on each service, in requests per second.
const rate = 40

// Tell tells one case on a seat. An error is one of the sandbox, and says nothing about Slipway.
func Tell(ctx context.Context, seat *Seat, c Case) (a Account, err error) {
	a = Account{Case: c, Shop: seat.next()}
	o := stage.ShopOptions{Namespace: a.Shop, Replicas: c.Way.Replicas, Rate: rate}
	if c.Way.Labelled {
		o.Labels = map[string]string{cluster.LabelService: a.Shop}
	}
	shop, err := seat.OpenShop(ctx, o)
	if err != nil {
		return a, err
	}
	defer func() {
		shop.Close()
		gone := seat.Kube.CoreV1().Namespaces().Delete(context.WithoutCancel(ctx), a.Shop, metav1.DeleteOptions{})
		if !apierrors.IsNotFound(gone) {
			err = errors.Join(err, gone)
		}
	}()
	t := &Telling{Seat: seat, Context: ctx, Shop: shop, said: make(chan stage.Said, 1)}
	command, before, err := t.prepare(&a)
	if err != nil {
		return a, err
	}
	if err := t.release(&a, command); err != nil { //nolint:contextcheck // a telling carries its context to what people do in it
		return a, err
	}
	return a, t.look(&a, before)
}

// prepare writes the plan, lets what came before the release be, and looks at everything. It returns the command
// that begins the release.
func (t *Telling) prepare(a *Account) (command, before []string, err error) {
	plan, err := a.Case.Way.Plan(t.Shop)
	if err != nil {
		return nil, nil, err
	}
	if a.Image, err = t.PutImage("v2", a.Case.Env); err != nil {
		return nil, nil, err
	}
	command = []string{"release", "-f", plan, "--image", a.Image, "--wait"}
	if back := a.Case.Way.Back; back != "" {
		said, err := t.Slipway(t.Context, command...)
		if err != nil || said.Code != 0 {
			return nil, nil, fmt.Errorf("release what is to be taken back: %w %s", err, said.Out+said.Err)
		}
		a.Image, command = t.Shop.Image, []string{back, t.Shop.Lane(), "--wait"}
		if a.Case.Way.InPlace {
			command = []string{back, "-f", plan, "--wait"}
		}
	}
	if a.Before, err = t.Shop.World(t.Context); err != nil {
		return nil, nil, err
	}
	before, err = namesOf(t.Context, t.Shop)
	return command, before, err
}

// release lets it go its way, and watches.
func (t *Telling) release(a *Account, command []string) error {
	made, err := t.Shop.CountPods(t.Context)
	if err != nil {
		return err
	}
	pods, err := watchPods(t.Context, t.Shop)
	if err != nil {
		return err
	}
	t.API.Reset()
	t.Metrics.Reset()
	t.API.Set(a.Case.Rules...)
	t.Shop.Cut()
	t.began = time.Now()
	ctx, cancel := context.WithTimeout(t.Context, endWithin)
	defer cancel()
	go func() {
		said, err := t.Slipway(ctx, command...)
		if err != nil {
			said = stage.Said{Err: err.Error(), Code: -1}
		}
		t.said <- said
	}()
	if script := a.Case.script(); script != nil {
		a.Trouble = script(t)
	}
	a.Said = <-t.said
	if ctx.Err() != nil {
		a.Trouble = errors.Join(a.Trouble, fmt.Errorf("it has not ended within %s", endWithin))
	}
	a.Safe = t.Safe
	a.Met, a.From, a.Writes = t.API.Met()+t.Metrics.Met(), t.from, t.API.Writes()
	t.API.Set()
	t.Metrics.Set()
	a.Load, a.Ready, a.Made = load.Summarize(t.Shop.Cut()), pods.stop(), made.Stop()
	a.States, a.Shares = t.Shop.Route.Every(t.began), t.Shares()
	return t.steady()
}

// look takes what is left behind.
func (t *Telling) look(a *Account, before []string) error {
	if !slices.Contains(a.Case.Ends, a.ended()) || a.Trouble != nil {
		said, err := t.Slipway(t.Context, "describe", t.Shop.Lane())
		if err != nil {
			return err
		}
		a.Story = said.Out + said.Err
	}
	after, err := namesOf(t.Context, t.Shop)
	if err != nil {
		return err
	}
	a.Kept = slices.DeleteFunc(after, func(name string) bool { return slices.Contains(before, name) })
	if a.After, err = t.Shop.World(t.Context); err != nil {
		return err
	}
	if a.Marks, a.Record, err = marksOf(t.Context, t.Shop); err != nil {
		return err
	}
	h, err := stage.History(t.Context, t.temporal, t.Shop.Lane())
	if err != nil {
		return err
	}
	a.Activities = map[string]int{}
	for _, e := range h.Events {
		if s := e.GetActivityTaskScheduledEventAttributes(); s != nil {
			a.Activities[s.ActivityType.Name]++
		}
	}
	return nil
}
