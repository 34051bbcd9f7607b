// SPDX-License-Identifier: Apache-2.0

package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/api/body"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/starter/server/shelf"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Release is how a release is. Place is set while it has not begun, Status from then on.
type Release struct {
	Place  *workflows.Place  `json:"place,omitempty"`
	Status *workflows.Status `json:"status,omitempty"`
}

// PlanFile is one file of the plans.
type PlanFile struct {
	File string `json:"file"`
	// Service as "environment/name"; empty where the file could not be read.
	Service string `json:"service,omitempty"`
	// Strategy of the plan.
	Strategy string `json:"strategy,omitempty"`
	// Triggers is how many it has.
	Triggers int `json:"triggers"`
	// Error says what is wrong with it; empty: nothing.
	Error string `json:"error,omitempty"`
}

func (a *API) listPlans(_ http.ResponseWriter, c *Call) (any, error) {
	out := []PlanFile{}
	for _, e := range a.Plans.Entries() {
		if f := planFile(e); f.Service == "" || c.Caller.May(access.Read, f.Service) {
			out = append(out, f)
		}
	}
	return out, nil
}

func planFile(e shelf.Entry) PlanFile {
	f := PlanFile{File: e.File, Error: e.Error}
	if e.Plan.Metadata.Name != "" {
		f.Service, f.Strategy, f.Triggers = e.Name(), e.Plan.Spec.Strategy.Name(), len(e.Plan.Spec.Triggers)
	}
	return f
}

func (a *API) start(_ http.ResponseWriter, c *Call) (any, error) {
	in := c.In.(*body.StartRequest)
	if _, err := client.ParseLane(in.Service); err != nil {
		return nil, fail(http.StatusBadRequest, "service: %v", err)
	}
	if c.Job == nil && !c.Caller.May(access.Start, in.Service) {
		return nil, forbidden(c.Caller, access.Start, in.Service)
	}
	p, ok := a.Plans.Plan(in.Service)
	if !ok {
		return nil, fail(http.StatusNotFound, "there is no plan of %s, or it is broken; see /api/v1/plans", in.Service)
	}
	if c.Job != nil {
		return a.startByJob(c, in)
	}
	link := sender.Event{URL: in.URL}.Bounded().URL
	order := client.Order{
		Plan: p, Image: in.Image, By: c.By(), Hotfix: in.Hotfix, Overrides: client.Overrides{Quarantine: in.Override, Freeze: in.OverrideFreeze},
		Source: workflows.Source{Repository: in.Repository, Commit: in.Commit, URL: link},
	}
	if err := order.CheckName(); err != nil {
		return nil, fail(http.StatusBadRequest, "%v", err)
	}
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	return a.Desk.Request(c.Context(), client.Request{Order: order, Key: in.Service + " " + whose(c.Caller) + " " + key, URL: link, Once: true})
}

// whose tells the keys of one caller from those of another. A token may have the name of a person.
func whose(c access.Caller) string {
	if c.How == access.HowToken {
		return "api " + c.Name
	}
	return "person " + c.Name
}

// startByJob starts what a trigger of the plan takes from the job, and nothing that a person would have to
// answer for.
func (a *API) startByJob(c *Call, in *body.StartRequest) (any, error) {
	if in.Hotfix || in.Override != "" || in.OverrideFreeze != "" {
		return nil, fail(http.StatusForbidden, "the token of a CI job starts no hotfix and overrides nothing; people do")
	}
	p, _ := a.Plans.Plan(in.Service)
	e := *c.Job
	e.Image, e.URL = in.Image, cmp.Or(in.URL, e.URL)
	return a.Desk.Job(c.Context(), p, e)
}

// How many releases are listed.
const (
	defaultLimit = 20
	maxLimit     = 1000
)

func (a *API) list(_ http.ResponseWriter, c *Call) (any, error) {
	limit := defaultLimit
	if text := c.URL.Query().Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxLimit {
			return nil, fail(http.StatusBadRequest, "limit %q: write a number from 1 to %d", text, maxLimit)
		}
		limit = n
	}
	return a.Releases.History(c.Context(), c.Lane(), limit)
}

func (a *API) get(_ http.ResponseWriter, c *Call) (any, error) {
	return a.find(c.Context(), c.Lane(), c.Release())
}

func (a *API) find(ctx context.Context, l client.Lane, id string) (Release, error) {
	s, place, err := a.Releases.Find(ctx, l, id)
	if err != nil {
		return Release{}, err
	}
	if place != nil {
		return Release{Place: place}, nil
	}
	return shown(s), nil
}

// shown is a status whose lists are lists, also where nothing is in them.
func shown(s workflows.Status) Release {
	if s.Track == nil {
		s.Track = []workflows.StepStatus{}
	}
	if s.Log == nil {
		s.Log = []workflows.Event{}
	}
	return Release{Status: &s}
}

// tell gives a command. An abort of what only waits is a withdrawal.
func (a *API) tell(c *Call, name string) (any, error) {
	in := c.In.(*body.CommandRequest)
	needing := map[string]string{workflows.Abort: "an abort", workflows.Reject: "a reject"}
	if what, ok := needing[name]; ok && in.Reason == "" {
		return nil, fail(http.StatusBadRequest, "%s needs a reason", what)
	}
	key, err := c.key()
	if err != nil {
		return nil, err
	}
	now, err := a.find(c.Context(), c.Lane(), c.Release())
	switch {
	case err != nil:
		return nil, err
	case now.Place != nil && now.Place.State == workflows.PlaceQueued && name == workflows.Abort:
		err = a.Releases.Withdraw(c.Context(), c.Lane(), workflows.Withdrawal{ID: now.Place.ID, By: c.By(), Reason: in.Reason})
		if err != nil {
			return nil, err
		}
		return a.find(c.Context(), c.Lane(), c.Release())
	case now.Place != nil:
		return nil, fail(http.StatusConflict, "%s has not begun: %s", c.Release(), now.Place.Reason)
	}
	seen := client.SeenIn(*now.Status)
	seen.Where = cmp.Or(in.Where, seen.Where)
	groups, err := vouched(c.Caller, *now.Status, name)
	if err != nil {
		return nil, err
	}
	decided, err := a.Releases.Decide(c.Context(), client.Decision{
		Lane: c.Lane(), Command: name, Who: c.By(), Groups: groups, How: c.Caller.How, Reason: in.Reason,
		ID: whose(c.Caller) + " " + key, Seen: seen,
	})
	if decided.Queued {
		return now, nil
	}
	return shown(decided.Status), err
}

// vouched are the groups of a caller that a statement names: those that the release asks, and for a promotion, which
// stands for every gate that is left, all of them. The others are nobody's concern.
func vouched(c access.Caller, now workflows.Status, command string) ([]string, error) {
	switch {
	case !workflows.NeedsStatement(command):
		return nil, nil
	case command != workflows.Promote:
		var asked []string
		if now.Asks != nil {
			asked = now.Asks.Approvers
		}
		return slices.DeleteFunc(slices.Clone(c.Groups), func(g string) bool { return !slices.Contains(asked, g) }), nil
	case len(c.Groups) > statement.MaxGroups:
		return nil, fail(http.StatusConflict, "%s has %d groups, and a promotion names at most %d: approve when the release asks", c, len(c.Groups), statement.MaxGroups)
	}
	return c.Groups, nil
}
