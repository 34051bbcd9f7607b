// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
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
	"github.com/slipwayhq/slipway/workflows/statement"
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
type Client struct {
	temporal client.Client
	key      statement.Private
}

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

// DialLater is Dial for a server: it does not wait for Temporal, and reaches it as soon as it is there.
func DialLater(logger *slog.Logger) (*Client, error) {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return nil, fmt.Errorf("read Temporal's configuration: %w", err)
	}
	options.Logger = log.NewStructuredLogger(logger)
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("prepare for Temporal at %s: %w; set TEMPORAL_ADDRESS", options.HostPort, err)
	}
	return New(c), nil
}

// Answers reports whether Temporal answers.
func (c *Client) Answers(ctx context.Context) error {
	if _, err := c.temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		return fmt.Errorf("ask Temporal: %w", err)
	}
	return nil
}

// New uses a Temporal client that somebody else has made and will close by Close.
func New(temporal client.Client) *Client { return &Client{temporal: temporal} }

// SignWith gives the key by which [Client.Decide] signs. It returns the client itself.
func (c *Client) SignWith(key statement.Private) *Client {
	c.key = key
	return c
}

// Close ends the connection.
func (c *Client) Close() { c.temporal.Close() }

// Order is what to release, and who wants it.
type Order struct {
	Plan  plan.Plan
	Image string
	By    string
	// Hotfix goes before everything that waits, and what runs is undone.
	Hotfix bool
	Overrides
	// Source is where the release comes from, for those who are told of it.
	Source workflows.Source
}

// Overrides say why a rule does not count this time; they are kept with the release. Empty: it counts.
type Overrides struct {
	// Quarantine of an image that was taken back, and the cool-down after an undo.
	Quarantine string
	// Freeze, also of a line that is stopped.
	Freeze string
}

// Check refuses, before anything is asked of Temporal, an image that is not pinned by its digest, and a source
// that nobody could report to.
func (o Order) Check() error { return errors.Join(pinned(o.Image), traceable(o.Source)) }

// CheckName refuses an image that has neither tag nor digest, or that is none, and a source that is none. What
// [Client.Take] is given may have a tag alone.
func (o Order) CheckName() error {
	ref, err := reference.ParseNormalizedNamed(o.Image)
	if err != nil {
		return fmt.Errorf("image %q: %w", o.Image, err)
	}
	if reference.IsNameOnly(ref) {
		return fmt.Errorf("image %q has neither tag nor digest: write it with one, such as %s@sha256:…", o.Image, ref)
	}
	return traceable(o.Source)
}

// Release hands a release to its lane and returns where it stands there. An image that is not pinned by
// digest is refused, and so is what the lane refuses.
func (c *Client) Release(ctx context.Context, o Order) (workflows.Place, error) {
	if err := o.Check(); err != nil {
		return workflows.Place{}, err
	}
	lane := laneOf(o.Plan)
	return c.submit(ctx, lane, workflows.Submission{
		Workflow: workflows.Workflow(o.Plan.Spec.Strategy), Hotfix: o.Hotfix, Override: o.Quarantine,
		Release: workflows.ReleaseIn{ID: newID(lane), Plan: o.Plan, Image: o.Image, RequestedBy: o.By, OverrideFreeze: o.Freeze, Source: o.Source},
	})
}

// laneOf is the lane of a plan.
func laneOf(p plan.Plan) Lane {
	return Lane{Environment: p.Metadata.Environment, Name: p.Metadata.Name}
}

// newID is a name that people can say.
func newID(l Lane) string { return l.Name + "-" + strings.ToLower(rand.Text()[:6]) }

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

// maxRepository is the longest name that a repository can have, with its groups.
const maxRepository = 255

// Traced is the source of what an event asks for. What the event does not say as it would have to is left out:
// nothing is refused for it.
func Traced(repository, commit, link string) workflows.Source {
	s := workflows.Source{URL: link}
	if traceable(s) != nil {
		s.URL = ""
	}
	whole := workflows.Source{Repository: repository, Commit: commit, URL: s.URL}
	if repository == "" || commit == "" || traceable(whole) != nil {
		return s
	}
	return whole
}

// traceable accepts no source, or a repository with the full hash of a commit.
func traceable(s workflows.Source) error {
	// No part is "." or "..": it becomes a part of addresses.
	repository := regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/\.?[A-Za-z0-9_-][A-Za-z0-9._-]*)+$`)
	commit := regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	switch {
	case (s.Repository == "") != (s.Commit == ""):
		return errors.New("a commit and its repository belong together: give both, or neither")
	case s.Repository != "" && (len(s.Repository) > maxRepository || !repository.MatchString(s.Repository)):
		return fmt.Errorf("repository %q: write it as its host names it, such as acme/checkout", s.Repository)
	case s.Commit != "" && !commit.MatchString(s.Commit):
		return fmt.Errorf("commit %q: write the full hash, 40 or 64 hexadecimal digits", s.Commit)
	}
	if u, err := url.Parse(s.URL); s.URL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		return fmt.Errorf("%q is not a URL of what asked for the release; write one such as https://ci.example/runs/1", s.URL)
	}
	return nil
}

// Status asks the newest release of a lane how it is, also after it has ended.
func (c *Client) Status(ctx context.Context, lane Lane) (workflows.Status, error) {
	return c.statusOf(ctx, lane, "")
}

// statusOf asks one run, or where that is empty the newest one.
func (c *Client) statusOf(ctx context.Context, lane Lane, run string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s workflows.Status
	value, err := c.temporal.QueryWorkflow(ctx, lane.String(), run, workflows.StatusQuery)
	if err != nil {
		return s, explain(err, lane)
	}
	if err := value.Get(&s); err != nil {
		return s, fmt.Errorf("read status of %s: %w", lane, err)
	}
	return s, nil
}

// update is a command on its way; an ID that Temporal has seen is answered as before.
type update struct {
	id  string
	cmd workflows.Command
}

// tell gives a release a command and returns how it is once it has been obeyed. A command that the
// release refuses is an error with the reason.
func (c *Client) tell(ctx context.Context, lane Lane, name string, u update) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var s workflows.Status
	handle, err := c.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: lane.String(), UpdateID: u.id, UpdateName: name,
		Args: []any{u.cmd}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &s)
	}
	if refused, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return s, &RefusedError{fmt.Sprintf("%s %s: refused: %s", name, lane, refused.Message())}
	}
	if err != nil {
		return s, explain(err, lane)
	}
	return s, nil
}

// RefusedError is a no of a lane or a release, with its reason: asking again does not help.
type RefusedError struct{ text string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.text }

// MissingError is a release, or a lane, that is not there.
type MissingError struct{ text string }

// Error says what is not there, and what to do.
func (e *MissingError) Error() string { return e.text }

// explain says what an error of Temporal means for a release.
func explain(err error, lane Lane) error {
	if _, ok := errors.AsType[*serviceerror.NotFound](err); ok {
		return &MissingError{fmt.Sprintf("no release of %s is running; `slipway history %s` lists the former ones", lane, lane)}
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
