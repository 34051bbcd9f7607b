// SPDX-License-Identifier: Apache-2.0

package api

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/access"
	"github.com/slipwayhq/slipway/starter/server/api/body"
	"github.com/slipwayhq/slipway/starter/server/intake"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/starter/server/shelf"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Releases are reached through Temporal.
type Releases interface {
	Find(ctx context.Context, l client.Lane, id string) (workflows.Status, *workflows.Place, error)
	History(ctx context.Context, l client.Lane, limit int) ([]client.Past, error)
	Decide(ctx context.Context, d client.Decision) (client.Decided, error)
	Withdraw(ctx context.Context, l client.Lane, w workflows.Withdrawal) error
}

// Plans are those of the server.
type Plans interface {
	Plan(service string) (plan.Plan, bool)
	Entries() []shelf.Entry
}

// Desk takes releases in.
type Desk interface {
	Request(ctx context.Context, r client.Request) (intake.Receipt, error)
	Job(ctx context.Context, p plan.Plan, e sender.Event) (intake.Receipt, error)
}

// API serves routes.
type API struct {
	Releases Releases
	Plans    Plans
	Desk     Desk
	Tokens   *access.Tokens
	// Jobs are nil where tokens of CI jobs are not taken, People where those of people are not.
	Jobs   *access.Jobs
	People *access.People
	Logger *slog.Logger
	Now    func() time.Time
	// Look is the pause between two looks of a stream at its release.
	Look time.Duration
	// Stop ends every stream.
	Stop <-chan struct{}

	streams chan struct{}
}

// Register adds the routes, and those of others, to a mux.
func (a *API) Register(mux *http.ServeMux, others ...Route) {
	a.streams = make(chan struct{}, maxStreams)
	all := append(a.Routes(), others...)
	for _, r := range all {
		mux.Handle(r.Method+" "+r.Path, a.handler(r))
	}
	description := Describe(all)
	mux.HandleFunc("GET /api/v1/openapi.json", func(w http.ResponseWriter, _ *http.Request) { Write(w, http.StatusOK, description) })
	mux.HandleFunc("/api/", func(w http.ResponseWriter, r *http.Request) {
		Write(w, http.StatusNotFound, Failure{Error: r.Method + " " + r.URL.Path + " is not there; see /api/v1/openapi.json"})
	})
}

// The paths of one service, and of one release of it.
const (
	servicePath = "/api/v1/releases/{environment}/{service}"
	releasePath = servicePath + "/{release}"
)

// Routes are those of releases and plans.
func (a *API) Routes() []Route {
	return []Route{
		{
			Method: http.MethodGet, Path: "/api/v1/plans", Name: "listPlans", Summary: "Lists the plan files, the broken ones with what is wrong with them.",
			Right: access.Read, Out: []PlanFile{}, Status: http.StatusOK, Serve: a.listPlans,
		},
		{
			Method: http.MethodPost, Path: "/api/v1/releases", Name: "startRelease", Right: access.Start,
			Summary:    "Starts a release by the plan of a service. Requests with one Idempotency-Key start one.",
			Parameters: []Parameter{keyParameter()},
			In:         func() any { return &body.StartRequest{} }, Out: intake.Receipt{}, Status: http.StatusAccepted, Serve: a.start,
		},
		{
			Method: http.MethodGet, Path: servicePath, Name: "listReleases", Summary: "Lists the releases of a service that have begun, newest first.",
			Right: access.Read, Parameters: []Parameter{limitParameter()}, Out: []client.Past{}, Status: http.StatusOK, Serve: a.list,
		},
		{
			Method: http.MethodGet, Path: releasePath, Name: "getRelease", Summary: "Tells how a release is: on its way in, waiting in its lane, running, or ended.",
			Right: access.Read, Out: Release{}, Status: http.StatusOK, Serve: a.get,
		},
		{
			Method: http.MethodGet, Path: releasePath + "/events", Name: "followRelease", Summary: "Follows a release to its end: an event for every change, at most one a second.",
			Right: access.Read, Out: Release{}, Status: http.StatusOK, Streams: true, Serve: a.follow,
		},
		a.telling(workflows.Pause, access.Steer, "Keeps a release at its present weight; the watch goes on."),
		a.telling(workflows.Resume, access.Steer, "Lets a release go on after a pause."),
		a.telling(workflows.Abort, access.Steer, "Ends a release and undoes it, or takes one that waits out of its lane; it needs a reason."),
		a.telling(workflows.Approve, access.Approve, "Approves what a release asks for, in the name of the caller."),
		a.telling(workflows.Reject, access.Approve, "Answers what a release asks for with a no: it is undone; it needs a reason."),
		a.telling(workflows.Promote, access.Approve, "Skips the remaining steps and sends everybody to the candidate; the bake still follows."),
	}
}

// telling is the route of a command.
func (a *API) telling(name string, right access.Right, summary string) Route {
	return Route{
		Method: http.MethodPost, Path: releasePath + "/" + name, Name: name + "Release", Summary: summary, Right: right, Parameters: []Parameter{keyParameter()},
		In: func() any { return &body.CommandRequest{} }, Out: Release{}, Status: http.StatusOK,
		Serve: func(_ http.ResponseWriter, c *Call) (any, error) { return a.tell(c, name) },
	}
}

// takesJobs reports whether CI jobs may call a route.
func (a *API) takesJobs(r Route) bool {
	return a.Jobs != nil && slices.Contains([]string{"startRelease", "getRelease", "followRelease"}, r.Name)
}
