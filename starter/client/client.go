// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"

	"github.com/distribution/reference"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// patience is how long a person waits for an answer before hearing that there is none.
const patience = 10 * time.Second

// Lane is one service in one environment: at most one release at a time.
type Lane struct{ Environment, Name string }

// String is "environment/name", which is also the workflow's ID.
func (l Lane) String() string { return l.Environment + "/" + l.Name }

// ParseLane reads "environment/name", each a DNS label as in a plan.
func ParseLane(s string) (Lane, error) {
	environment, name, ok := strings.Cut(s, "/")
	if !ok || !plan.IsLabel(environment) || !plan.IsLabel(name) {
		return Lane{}, fmt.Errorf("%q is not a service: write it as environment/name, such as production/checkout", s)
	}
	return Lane{Environment: environment, Name: name}, nil
}

// Client reaches releases.
type Client struct{ temporal client.Client }

// Dial reaches the Temporal that TEMPORAL_* variables or a profile name.
func Dial(ctx context.Context) (*Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	options.Logger = silent{}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("reach Temporal at %s: %w; set TEMPORAL_ADDRESS", options.HostPort, err)
	}
	return New(c), nil
}

// New uses a Temporal client that somebody else has made and will close by Close.
func New(temporal client.Client) *Client { return &Client{temporal: temporal} }

// Close ends the connection.
func (c *Client) Close() { c.temporal.Close() }

// Order is what to release, and who wants it.
type Order struct {
	Plan  plan.Plan
	Image string
	By    string
}

// Check refuses, before anything is asked of Temporal, an image that is not pinned by its digest.
func (o Order) Check() error { return pinned(o.Image) }

// Release starts a release and returns its ID. A lane that is taken is an error that names the release
// which has it; an image that is not pinned by digest is refused.
func (c *Client) Release(ctx context.Context, o Order) (string, error) {
	if err := o.Check(); err != nil {
		return "", err
	}
	id := name(o.Plan)
	s := start{
		id: id, plan: o.Plan, image: o.Image, by: o.By, what: o.Plan.Spec.Strategy.Name() + " of " + o.Image,
		workflow: workflows.Workflow(o.Plan.Spec.Strategy),
		in:       workflows.ReleaseIn{ID: id, Plan: o.Plan, Image: o.Image, RequestedBy: o.By},
	}
	return id, c.start(ctx, s)
}

// Return is a way back: which revision of a workload, and who wants it.
type Return struct {
	Plan plan.Plan
	// Revision as `kubectl rollout history` numbers them; 0: the one before the present.
	Revision int64
	By       string
}

// Check refuses, before anything is asked of Temporal, a plan whose workload is not replaced in place.
func (r Return) Check() error {
	if r.Plan.Spec.Strategy.Rolling == nil {
		return fmt.Errorf("the plan's strategy is %s, which leaves the pods of a track as they are; undo brings back the pods of a rolling release",
			r.Plan.Spec.Strategy.Name())
	}
	if r.Revision < 0 {
		return fmt.Errorf("revision %d: write one that `kubectl rollout history` shows, or leave it out", r.Revision)
	}
	return nil
}

// Undo starts the way back to a former revision and returns its ID. It takes the lane as a release does.
func (c *Client) Undo(ctx context.Context, r Return) (string, error) {
	if err := r.Check(); err != nil {
		return "", err
	}
	id := name(r.Plan)
	return id, c.start(ctx, start{
		id: id, plan: r.Plan, by: r.By, what: "undo", workflow: "RolloutUndo",
		in: workflows.UndoIn{ID: id, Plan: r.Plan, Revision: r.Revision, RequestedBy: r.By},
	})
}

// name is a new ID that people can say.
func name(p plan.Plan) string { return p.Metadata.Name + "-" + strings.ToLower(rand.Text()[:6]) }

// start is a workflow that takes a lane.
type start struct {
	id, workflow    string
	what, image, by string
	plan            plan.Plan
	in              any
}

func (c *Client) start(ctx context.Context, s start) error {
	lane := Lane{Environment: s.plan.Metadata.Environment, Name: s.plan.Metadata.Name}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := c.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: lane.String(), TaskQueue: workflows.TaskQueue,
		// A worker that dies costs a release seconds, not the default ten.
		WorkflowTaskTimeout:                      2 * time.Second,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            s.id + ": " + s.what,
		Memo:                                     map[string]any{memoID: s.id, memoImage: s.image, memoBy: s.by},
	}, s.workflow, s.in)
	if _, ok := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); ok {
		return fmt.Errorf("a release of %s is running: see `slipway status %s`; wait for it, or abort it", lane, lane)
	}
	if err != nil {
		return fmt.Errorf("start %s: %w", s.id, err)
	}
	return nil
}

// pinned accepts "repository@sha256:…" only: a tag can be moved between the approval and the pull.
func pinned(image string) error {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return fmt.Errorf("image %q: %w", image, err)
	}
	if _, ok := ref.(reference.Digested); !ok {
		return fmt.Errorf("image %q is not pinned: write it with its digest, such as %s@sha256:…", image, reference.TrimNamed(ref))
	}
	return nil
}

// Status asks the newest release of a lane how it is, also after it has ended.
func (c *Client) Status(ctx context.Context, lane Lane) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s workflows.Status
	value, err := c.temporal.QueryWorkflow(ctx, lane.String(), "", workflows.StatusQuery)
	if err != nil {
		return s, explain(err, lane)
	}
	if err := value.Get(&s); err != nil {
		return s, fmt.Errorf("read status of %s: %w", lane, err)
	}
	return s, nil
}

// Tell gives a release a command and returns how it is once it has been obeyed. A command that the
// release refuses is an error with the reason.
func (c *Client) Tell(ctx context.Context, lane Lane, name string, cmd workflows.Command) (workflows.Status, error) {
	if cmd.ID == "" {
		cmd.ID = rand.Text()
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s workflows.Status
	handle, err := c.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: lane.String(), UpdateID: cmd.ID, UpdateName: name,
		Args: []any{cmd}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &s)
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return s, fmt.Errorf("%s %s: refused: %s", name, lane, refused.Message())
	}
	if err != nil {
		return s, explain(err, lane)
	}
	return s, nil
}

// explain says what an error of Temporal means for a release.
func explain(err error, lane Lane) error {
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return fmt.Errorf("no release of %s is running; `slipway history %s` lists the former ones", lane, lane)
	}
	var late *serviceerror.DeadlineExceeded
	if errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no worker answered for %s within %s: is one running? The release itself is safe: %w", lane, patience, err)
	}
	return fmt.Errorf("ask release of %s: %w", lane, err)
}

// silent keeps the SDK's own lines off a person's terminal.
type silent struct{}

var _ log.Logger = silent{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
