// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/statement"
)

// Result is what became of a scenario.
type Result struct {
	// Violations name the promise that was broken, when and how; none: all were kept.
	Violations []string
	// Phases are the ends of the releases.
	Phases []workflows.Phase
	// Hits are the faults that were met, Uses how often each activity was asked for.
	Hits map[Pair]int
	Uses map[string]int
	Took time.Duration
	// Story is what a person would read who has to find out why.
	Story string
}

// run is one release.
type run struct {
	id     string
	status workflows.Status
	err    error
	// stopped is when it was told to go back; zero: it was not.
	stopped time.Time
	// cancelled in Temporal, which the last write of a good release does not hear.
	cancelled bool
}

// simulation is a scenario under way.
type simulation struct {
	*site
	way  way
	env  *testsuite.TestWorkflowEnvironment
	runs map[string]*run
	// order is the order in which releases have begun.
	order []string
}

const (
	// nobodyLeft is when a person ends what still waits for people.
	nobodyLeft = 20 * time.Minute
	// endless is when a release that has not ended never will.
	endless = 8 * time.Hour
	// grace is how old what a release knows may be when it acts on it.
	grace = 8 * time.Second
	// single is the workflow ID of a release that is alone.
	single = "release"
)

// Run plays a scenario. The same scenario has the same result.
func Run(s Scenario) Result {
	m := prepare(s)
	w := m.world
	var start any = workflows.ReleaseIn{ID: "checkout-1", Plan: m.way.plan, Image: m.oracle.goal, PlanHash: planHash, RequestedBy: "alice"}
	if m.way.workflow == workflows.RolloutUndoWorkflow {
		start = workflows.UndoIn{ID: "checkout-1", Plan: m.way.plan, PlanHash: planHash, RequestedBy: "alice"}
	}
	m.people()
	failed := m.execute(start)
	out := Result{Hits: m.hits, Uses: m.counts, Took: w.Elapsed()}
	m.over = true
	m.drain(2 * time.Hour)
	var runs []run
	for _, id := range m.order {
		r := *m.runs[id]
		runs = append(runs, r)
		out.Phases = append(out.Phases, r.status.Phase)
		m.oracle.judge(r)
		m.oracle.cost(r, m.tasks)
		if s.Second == 0 {
			m.oracle.swift(r, m.tasks)
		}
	}
	if failed != "" {
		m.oracle.violate("I5", "%s", failed)
	} else {
		m.oracle.settled(runs)
	}
	out.Violations = m.oracle.wrong
	out.Story = story(w, runs)
	return out
}

// execute ends with the workflow. It returns why it could not.
func (m *simulation) execute(start any) (failed string) {
	defer func() {
		if p := recover(); p != nil {
			failed = fmt.Sprint(p)
		}
	}()
	if m.scenario.Second > 0 {
		m.env.ExecuteWorkflow(both, m.way.workflow, start, m.scenario.Second)
	} else {
		m.env.ExecuteWorkflow(m.way.workflow, start)
	}
	if !m.env.IsWorkflowCompleted() {
		return "the workflow has not ended"
	}
	return ""
}

// both lets a second release of the same service begin while the first one runs.
func both(ctx workflow.Context, name string, in workflows.ReleaseIn, second time.Duration) error {
	one := func(id string) workflow.Future {
		in.ID = "checkout-" + id
		return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id}), name, in)
	}
	first := one(single)
	if err := workflow.Sleep(ctx, second); err != nil || first.IsReady() {
		return err
	}
	other := one("second")
	return errors.Join(ended(ctx, first), ended(ctx, other))
}

// ended waits; how a release has ended is told elsewhere.
func ended(ctx workflow.Context, f workflow.Future) error {
	if err := f.Get(ctx, nil); temporal.IsCanceledError(err) {
		return err
	}
	return nil
}

func prepare(s Scenario) *simulation {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	way := ways()[s.Way]
	way.plan.Spec.Analysis.Interval = seconds(s.Interval.Seconds())
	w := way.world()
	w.ReadyAfter, w.SettleAfter, w.Bake, w.Grace = s.Ready, s.Settle, way.bake(), grace
	w.BadFromWeight, w.BadFrom = s.BadFromWeight, s.BadFrom
	m := &simulation{way: way, env: suite.NewTestWorkflowEnvironment(), runs: map[string]*run{}}
	m.site = &site{
		server: &server{worker: suite.NewTestActivityEnvironment(), returns: map[string]reflect.Type{}, counts: map[string]int{}},
		world:  w, scenario: s, hits: map[Pair]int{},
	}
	m.engine.env = m.env
	goal := world.NewImage
	if way.undoes {
		goal = world.OldImage
	}
	m.oracle = &oracle{
		way: way, world: w, now: m.now, began: w.Follow(m.now), goal: goal, before: w.State(),
		fences: map[string]activities.Fence{}, edited: map[string]time.Time{},
	}
	m.env.SetStartTime(m.oracle.began)
	m.closed, m.silent, m.enter = m.oracle.closed, m.oracle.silent, m.begun
	if s.Second > 0 { // the environment lets only the parent look by itself
		m.stir = func(run string) { _ = m.env.SignalWorkflowByID(run, "stir", nil) }
	}
	m.register()
	return m
}

func (m *simulation) register() {
	clock := activities.Clock{Now: m.now, After: m.After, Pulse: m.Pulse}
	selector := router{m.site, world.Selector{World: m.world}, theService}
	routers := activities.Routers{"gatewayAPI": gateway{router{m.site, m.world, theRoute}}, "service": selector, "replicas": selector}
	onlooker := activities.Onlooker{Keeper: m.site, Routers: routers}
	m.server.register(&activities.Cluster{Workloads: m.site, Clock: clock, Onlooker: onlooker})
	m.server.register(&activities.Rollout{Rollouts: m.site, Clock: clock})
	m.server.register(&activities.Traffic{Routers: routers, Targets: m.site, Pods: m.site, Clock: clock, Keeper: m.site})
	m.server.register(&activities.Checks{Prober: m.site, Jobs: m.site, Clock: clock})
	m.server.register(&activities.Analysis{Source: metrics{m.site}, Clock: clock, Onlooker: onlooker})
	m.env.RegisterActivity(&activities.Approvals{Keys: statement.Keys{{Public: world.Key().Public(), For: statement.Anybody}}})
	m.worker.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{m.server}})
	m.env.SetWorkerOptions(worker.Options{
		Interceptors: []interceptor.WorkerInterceptor{&ends{simulation: m}, outside{m.server}}, DeadlockDetectionTimeout: time.Minute,
	})
	m.env.SetTestTimeout(5 * time.Second)
	m.env.SetWorkflowRunTimeout(endless)
	for _, w := range []any{workflows.Canary, workflows.BlueGreen, workflows.Rolling, workflows.Rollback, workflows.RolloutUndo, both} {
		m.env.RegisterWorkflow(w)
	}
}

// ends keeps how every release has ended.
type ends struct {
	interceptor.WorkerInterceptorBase
	*simulation
}

// InterceptWorkflow implements interceptor.WorkerInterceptor.
func (e *ends) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &end{simulation: e.simulation}
	in.Next = next
	return in
}

type end struct {
	interceptor.WorkflowInboundInterceptorBase
	*simulation
}

// ExecuteWorkflow implements interceptor.WorkflowInboundInterceptor.
func (e *end) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	info := workflow.GetInfo(ctx)
	if info.WorkflowType.Name == "both" {
		return e.Next.ExecuteWorkflow(ctx, in)
	}
	r := &run{id: info.WorkflowExecution.ID}
	e.runs[r.id] = r
	e.order = append(e.order, r.id)
	out, err := e.Next.ExecuteWorkflow(ctx, in)
	r.err = err
	if s, ok := out.(workflows.Status); ok {
		r.status = s
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && app.HasDetails() {
		r.err = app.Details(&r.status)
	}
	for _, l := range r.status.Log {
		if (r.stopped.IsZero() || l.At.Before(r.stopped)) && strings.HasPrefix(l.Text, "abort by ") && !strings.Contains(l.Text, " refused: ") {
			r.stopped = l.At
		}
	}
	return out, err
}

// story is the timeline of the world with what the releases said.
func story(w *world.World, runs []run) string {
	lines := w.Timeline()
	for _, r := range runs {
		lines = append(lines, "--- "+r.id+" "+string(r.status.Phase)+": "+r.status.Outcome)
		for _, e := range r.status.Log {
			lines = append(lines, e.At.Sub(r.status.Started).String()+"  "+e.Text)
		}
	}
	return strings.Join(lines, "\n")
}
