// SPDX-License-Identifier: Apache-2.0

package workflows_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// release is one run of a workflow in a world.
type release struct {
	t     *testing.T
	env   *testsuite.TestWorkflowEnvironment
	world *world.World
	in    workflows.ReleaseIn
	// before is how the world was found.
	before world.State
	// workflow that carries it out.
	workflow string
	fates    world.Fates
	// details are the different texts that Temporal's UI has shown.
	details []string
	// bareOnly sends every command as somebody types it into Temporal's UI.
	bareOnly bool
	status   workflows.Status
	err      error
}

func minutes(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Minute) }
func seconds(n int) plan.Duration { return plan.Duration(time.Duration(n) * time.Second) }

// twoSteps is a plan of 10 % and 50 %.
func twoSteps() plan.Plan {
	return plan.Plan{
		APIVersion: plan.APIVersion, Kind: plan.Kind,
		Metadata: plan.Metadata{Name: "checkout", Environment: "production"},
		Spec: plan.Spec{
			Target:  plan.Target{Namespace: "shop", Deployment: world.Stable, Service: "checkout"},
			Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
			Strategy: plan.Strategy{Canary: &plan.Canary{
				Steps: []plan.Step{{Weight: 10, Hold: minutes(5)}, {Weight: 50, Hold: minutes(10)}},
				Bake:  minutes(60), ReadyWithin: minutes(2), SettleWithin: seconds(10),
			}},
			Analysis: &plan.Analysis{
				Source: plan.Source{Prometheus: &plan.Prometheus{Preset: plan.PresetTraefik}},
				WarmUp: seconds(30), Interval: seconds(30), Block: seconds(30), Soak: minutes(1), History: minutes(60), Window: minutes(5),
				MinRequests: 100, FalseAlarms: 5, Misses: 5,
				Patience: minutes(2), AfterPatience: plan.AfterPatienceAsk, AskWithin: minutes(60),
				Errors: &plan.Errors{Tolerate: 1.25, Unacceptable: 2, Margin: new(0.5), SLO: new(10.0)},
			},
		},
	}
}

// asking is the plan with a gate after its first step.
func asking(g plan.Gate) plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.Steps[0].Gate = &g
	return p
}

// tested is the plan with testers, told by a cookie.
func tested() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.Testers = &plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: "always"}}
	return p
}

// copied is the plan with a candidate that proves itself by copies of all requests before the first weight.
func copied() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.Mirror = &plan.Mirror{Percent: 100, Hold: minutes(5)}
	return p
}

// sized is the plan with a candidate that grows with its weight.
func sized() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.Sizing = plan.SizingWeight
	return p
}

// leisurely is the plan with an undo that takes the steps back.
func leisurely() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy.Canary.StepBack = minutes(3)
	return p
}

// byPods is a plan without a router, of 25 % and 50 %.
func byPods() plan.Plan {
	p := twoSteps()
	p.Spec.Traffic = plan.Traffic{Replicas: &plan.Replicas{}}
	p.Spec.Strategy.Canary.Steps[0].Weight = 25
	p.Spec.Analysis.Source = plan.Source{}
	return p
}

// blueGreen is a plan with everything that a blue-green release can do.
func blueGreen() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy = plan.Strategy{BlueGreen: &plan.BlueGreen{
		Preview: &plan.Preview{
			Header: &plan.Header{Name: "X-Preview", Value: "green"},
			Checks: []plan.Check{{Name: "health", URL: "http://checkout.example/health", Status: 200, Contains: "ok", Within: seconds(30)}},
			Load:   &plan.LoadTest{URL: "http://checkout.example/", Rate: 10, For: seconds(10)},
		},
		Bake: minutes(60), ReadyWithin: minutes(2), SettleWithin: seconds(10),
	}}
	return p
}

// selector is the least blue-green plan: no router, no metrics.
func selector() plan.Plan {
	p := blueGreen()
	p.Spec.Traffic = plan.Traffic{Service: &plan.Selector{}}
	p.Spec.Strategy.BlueGreen.Preview = nil
	p.Spec.Analysis.Source = plan.Source{}
	return p
}

// inBatches is a plan of one pod, two pods and all three, with everything that a rolling release can do.
func inBatches() plan.Plan {
	p := twoSteps()
	p.Spec.Strategy = plan.Strategy{Rolling: &plan.Rolling{
		Batches:  []plan.Size{plan.Pods(1), plan.Percent(50), plan.Percent(100)},
		MaxSurge: new(plan.Percent(25)), MaxUnavailable: new(plan.Pods(0)), MinReady: seconds(10),
		Soak: minutes(5), Bake: minutes(60), ReadyWithin: minutes(2),
		Checks: []plan.Check{{Name: "health", URL: "http://checkout.example/health", Status: 200, Contains: "ok", Within: seconds(30)}},
	}}
	return p
}

// unmeasured is the least rolling plan: no router, no metrics.
func unmeasured() plan.Plan {
	p := inBatches()
	p.Spec.Traffic, p.Spec.Analysis.Source = plan.Traffic{}, plan.Source{}
	p.Spec.Strategy.Rolling.Checks = nil
	return p
}

// strategies are a plan for each of the ways in which a release can go.
func strategies() map[string]plan.Plan {
	return map[string]plan.Plan{
		"canary": twoSteps(), "canary with testers": tested(), "canary sized for its weight": sized(), "canary by the number of pods": byPods(),
		"canary that steps back": leisurely(), "canary with a mirror": copied(), "canary with a Job": smokeTestedFirst(), "canary with checks at its steps": checkedAtSteps(),
		"blue-green": blueGreen(), "blue-green without a router": selector(), "blue-green with a Job": smokeTested(),
		"rolling": inBatches(), "rolling without metrics": unmeasured(), "rolling with a Job": smokeTestedInBatches(),
	}
}

// everyStrategy runs a test for each.
func everyStrategy(t *testing.T, test func(*testing.T, plan.Plan)) {
	t.Helper()
	for name, p := range strategies() {
		t.Run(name, func(t *testing.T) { test(t, p) })
	}
}

func bake(p plan.Plan) time.Duration {
	if c := p.Spec.Strategy.Canary; c != nil {
		return c.Bake.D()
	}
	if r := p.Spec.Strategy.Rolling; r != nil {
		return r.Bake.D()
	}
	return p.Spec.Strategy.BlueGreen.Bake.D()
}

func prepare(t *testing.T, p plan.Plan) *release {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	w := world.New()
	w.Bake = bake(p)
	return &release{
		t: t, env: suite.NewTestWorkflowEnvironment(), world: w, before: w.State(), workflow: workflows.Workflow(p.Spec.Strategy),
		in: workflows.ReleaseIn{ID: "checkout-abc123", Plan: p, Image: world.NewImage, RequestedBy: "alice", PlanHash: planHash},
	}
}

// planHash stands for that of any plan.
var planHash = strings.Repeat("ab", 32)

// run ends with the release.
func (r *release) run() *release {
	r.t.Helper()
	r.env.SetTestTimeout(20 * time.Second)
	r.world.Attach(r.env, func(n int, activity string) world.Fate {
		if r.fates == nil {
			return world.Answered
		}
		return r.fates(n, activity)
	})
	r.env.RegisterWorkflow(workflows.Canary)
	r.env.RegisterWorkflow(workflows.BlueGreen)
	r.env.RegisterWorkflow(workflows.Rollback)
	r.env.RegisterWorkflow(workflows.Rolling)
	return r.execute(r.workflow, r.in)
}

// execute ends with the workflow.
func (r *release) execute(workflow, in any) *release {
	r.t.Helper()
	r.env.ExecuteWorkflow(workflow, in)
	require.True(r.t, r.env.IsWorkflowCompleted())
	r.err = r.env.GetWorkflowError()
	r.status = r.query()
	require.Empty(r.t, r.world.Violations(), strings.Join(r.world.Timeline(), "\n"))
	return r
}

func (r *release) query() workflows.Status {
	r.t.Helper()
	value, err := r.env.QueryWorkflow(workflows.StatusQuery)
	require.NoError(r.t, err)
	var s workflows.Status
	require.NoError(r.t, value.Get(&s))
	return s
}

// watchDetails keeps what Temporal's UI would show, at every change a person could see.
func (r *release) watchDetails() {
	look := func() {
		value, err := r.env.QueryWorkflow("__temporal_workflow_metadata")
		require.NoError(r.t, err)
		var m sdkpb.WorkflowMetadata
		require.NoError(r.t, value.Get(&m))
		if n := len(r.details); m.CurrentDetails != "" && (n == 0 || r.details[n-1] != m.CurrentDetails) {
			r.details = append(r.details, m.CurrentDetails)
		}
	}
	for at := time.Second; at < 2*time.Hour; at += 10 * time.Second {
		r.env.RegisterDelayedCallback(look, at)
	}
}

// at tells the release something after a while, by signal, as a server says it that knows who decides.
func (r *release) at(after time.Duration, name string, cmd workflows.Command) {
	r.env.RegisterDelayedCallback(func() { r.env.SignalWorkflow(name, r.signed(name, cmd)) }, after)
}

// signed is a command with a statement about the place where the release is now, where it needs one.
func (r *release) signed(name string, cmd workflows.Command) workflows.Command {
	r.t.Helper()
	if !workflows.NeedsStatement(name) || cmd.ID == "" || cmd.By == "" || cmd.Statement != nil || r.bareOnly {
		return cmd
	}
	s := r.query()
	return r.sign(statement.Statement{
		ID: cmd.ID, Who: cmd.By, How: "slack", What: name, Reason: cmd.Reason,
		Release: s.ID, Step: s.Where(), Digest: s.Digest(), PlanHash: s.PlanHash,
	})
}

func (r *release) sign(s statement.Statement) workflows.Command {
	r.t.Helper()
	if s.At.IsZero() {
		s.At = r.env.Now().Truncate(time.Millisecond)
	}
	if s.Expires.IsZero() {
		s.Expires = s.At.Add(time.Hour)
	}
	signed, err := world.Key().Sign(s)
	require.NoError(r.t, err)
	return workflows.Command{Statement: &signed}
}

// by is a command with an ID made of its sender and its time.
func by(name string) workflows.Command {
	return workflows.Command{ID: "id-" + name, By: name, Reason: "said " + name}
}

// answer is what the sender of an update got.
type answer struct {
	err    error
	status workflows.Status
}

// tell is at by update.
func (r *release) tell(after time.Duration, name string, cmd workflows.Command) *answer {
	a := &answer{err: errors.New("no answer")}
	r.env.RegisterDelayedCallback(func() { r.update(name, r.signed(name, cmd), a) }, after)
	return a
}

func (r *release) update(name string, cmd workflows.Command, a *answer) {
	r.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
		OnAccept: func() {},
		OnReject: func(err error) { a.err = err },
		OnComplete: func(out any, err error) {
			a.err = err
			if s, ok := out.(workflows.Status); ok {
				a.status = s
			}
		},
	}, cmd)
}

// promoted asserts that the new version serves everything and the old one is put away.
func (r *release) promoted() {
	r.t.Helper()
	require.NoError(r.t, r.err)
	require.Equal(r.t, workflows.Promoted, r.status.Phase, r.story())
	if r.in.Plan.Spec.Strategy.Rolling != nil {
		require.Empty(r.t, cmp.Diff(world.State{
			Tracks:  map[string]world.Track{world.Stable: {Image: world.NewImage, Size: world.Replicas}},
			Serving: world.Stable, Rollout: world.Rollout{New: world.Replicas},
		}, r.world.State()))
		return
	}
	require.Empty(r.t, cmp.Diff(world.State{
		Tracks: map[string]world.Track{
			world.Stable:    {Image: world.OldImage},
			world.Candidate: {Image: world.NewImage, Size: world.Replicas},
		},
		Services: []string{world.Candidate + "-only"},
		Serving:  world.Candidate,
	}, r.world.State()))
}

// undone asserts that the release said why it was undone and left nothing behind.
func (r *release) undone(why string) {
	r.t.Helper()
	require.NoError(r.t, r.err)
	require.Equal(r.t, workflows.Undone, r.status.Phase, r.story())
	require.Contains(r.t, r.status.Outcome, why)
	r.clean()
}

// clean asserts that the world is as it was found.
func (r *release) clean() {
	r.t.Helper()
	require.Empty(r.t, cmp.Diff(r.before, r.world.State()), r.story())
}

// failed asserts the kind of the failure, and that it carries the status.
func (r *release) failed(phase workflows.Phase, why string) {
	r.t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(r.t, r.err, &app)
	require.Equal(r.t, string(phase), app.Type())
	require.True(r.t, app.NonRetryable())
	require.Contains(r.t, app.Message(), why)
	var s workflows.Status
	require.NoError(r.t, app.Details(&s))
	require.Empty(r.t, cmp.Diff(r.status, s))
}

// story is what a person would read who has to find out why a test failed.
func (r *release) story() string {
	lines := r.world.Timeline()
	for _, e := range r.status.Log {
		lines = append(lines, e.At.Format(time.TimeOnly)+"  "+e.Text)
	}
	return strings.Join(lines, "\n")
}

// said reports how many lines of the story contain text.
func (r *release) said(text string) int {
	n := 0
	for _, e := range r.status.Log {
		if strings.Contains(e.Text, text) {
			n++
		}
	}
	return n
}

// onCompleted calls f when the n-th activity has ended, before the workflow hears of it.
func (r *release) onCompleted(n int, f func()) {
	i := 0
	r.env.SetOnActivityCompletedListener(func(_ *activity.Info, _ converter.EncodedValue, err error) {
		if errors.Is(err, activity.ErrResultPending) {
			return
		}
		if i++; i == n {
			f()
		}
	})
}
