// SPDX-License-Identifier: Apache-2.0

package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/slipwayhq/slipway/workflows"
)

// Sight is what the pods of a release look like now, as a worker sees them: this program has no access to the
// cluster. The first call begins a look; one that has seen nothing yet returns the zero value.
func (c *Client) Sight(ctx context.Context, s workflows.Status) (workflows.Sight, error) {
	var out workflows.Sight
	if s.Stable == "" || s.Phase.Ended() {
		return out, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	id := workflows.LookoutID(s.Environment, s.Service)
	_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueue, WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary: "Pods of " + s.Environment + "/" + s.Service,
	}, workflows.Lookout, workflows.LookoutIn{
		Namespace: s.Namespace, Service: s.RootService, Kind: s.Workload, Workloads: slices.Compact([]string{s.Stable, s.Candidate}),
	})
	if err != nil {
		return out, fmt.Errorf("ask for the pods of %s: %w", s.Service, err)
	}
	described, err := c.temporal.DescribeWorkflowExecution(ctx, id, "")
	if err != nil {
		return out, fmt.Errorf("ask for the pods of %s: %w", s.Service, err)
	}
	for _, a := range described.GetPendingActivities() {
		if a.GetHeartbeatDetails() != nil {
			_ = converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &out) // not seen yet
		}
	}
	return out, nil
}

// Present is what the activities of a release say right now, in their own words: what was seen last, and why an
// attempt has failed that is being repeated. It is empty where there is nothing to say.
func (c *Client) Present(ctx context.Context, lane Lane) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	described, err := c.temporal.DescribeWorkflowExecution(ctx, lane.String(), "")
	if err != nil {
		return nil, explain(err, lane)
	}
	var out []string
	for _, a := range described.GetPendingActivities() {
		if n := a.GetAttempt(); n > 1 && a.GetLastFailure() != nil {
			out = append(out, fmt.Sprintf("%s, attempt %d: %s", a.GetActivityType().GetName(), n, a.GetLastFailure().GetMessage()))
		}
		var beat struct{ Reason, Says string }
		if a.GetHeartbeatDetails() == nil || converter.GetDefaultDataConverter().FromPayloads(a.GetHeartbeatDetails(), &beat) != nil {
			continue // it says nothing in words
		}
		if text := cmp.Or(beat.Says, beat.Reason); text != "" {
			out = append(out, text)
		}
	}
	return out, nil
}

// Messages is what became of what a release has told; the zero value where its plan names nobody.
func (c *Client) Messages(ctx context.Context, s workflows.Status) (workflows.MessengerStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var out workflows.MessengerStatus
	value, err := c.temporal.QueryWorkflow(ctx, workflows.MessengerID(s.Environment, s.Service, s.ID), "", workflows.MessagesQuery)
	if err == nil {
		err = value.Get(&out)
	}
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("ask for the messages of %s: %w", s.ID, err)
	}
	return out, nil
}

// Releases lists the newest release of every service, of one environment or, where that is empty, of all: newest
// first.
func (c *Client) Releases(ctx context.Context, environment string) ([]Past, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	query := workflows.ServiceAttribute.GetName() + " IS NOT NULL"
	if environment != "" {
		query = fmt.Sprintf("%s = '%s'", workflows.EnvironmentAttribute.GetName(), environment)
	}
	found, err := c.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: maxPage})
	if err != nil {
		return nil, fmt.Errorf("list releases: %w", err)
	}
	var out []Past
	known := map[string]bool{}
	for _, e := range found.Executions {
		if id := e.GetExecution().GetWorkflowId(); !known[id] {
			known[id] = true
			out = append(out, past(e))
		}
	}
	return out, nil
}

// Of asks a release by its ID how it is, or where that is empty the newest one.
func (c *Client) Of(ctx context.Context, lane Lane, id string) (workflows.Status, error) {
	if id == "" {
		return c.Status(ctx, lane)
	}
	p, err := c.find(ctx, lane, id)
	if err != nil {
		return workflows.Status{}, err
	}
	return c.statusOf(ctx, lane, p.run)
}

// Request is what a release was started with: the newest one's, where id is empty.
func (c *Client) Request(ctx context.Context, lane Lane, id string) (workflows.ReleaseIn, error) {
	p, err := c.find(ctx, lane, id)
	if err != nil {
		return workflows.ReleaseIn{}, err
	}
	return c.input(ctx, lane, p.run)
}

// find is the run of a release.
func (c *Client) find(ctx context.Context, lane Lane, id string) (Past, error) {
	all, err := c.History(ctx, lane, maxPage)
	if err != nil {
		return Past{}, err
	}
	for _, p := range all {
		if id == "" || p.ID == id {
			return p, nil
		}
	}
	if id == "" {
		return Past{}, fmt.Errorf("nothing was ever released to %s, as far back as Temporal knows", lane)
	}
	return Past{}, &UnknownError{Lane: lane, ID: id}
}

// Names are the services that releases are known of, as environment/name, for a shell that completes them.
func (c *Client) Names(ctx context.Context) ([]string, error) {
	all, err := c.Releases(ctx, "")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, p := range all {
		out = append(out, p.Lane.String())
	}
	slices.Sort(out)
	return out, nil
}

// completeWithin is how long a shell waits for names.
const completeWithin = 2 * time.Second

// Complete is Names for a shell: it is quick, or it knows none.
func (c *Client) Complete(ctx context.Context) []string {
	ctx, cancel := context.WithTimeout(ctx, completeWithin)
	defer cancel()
	names, err := c.Names(ctx)
	if err != nil {
		return nil
	}
	return names
}
