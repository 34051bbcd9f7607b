// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// release is what all strategies share: what people have said, what was found in the cluster, how far
// it has come, and what would have to be undone.
type release struct {
	commands
	notices notices
	holds   holds
	in      ReleaseIn
	pace    pace
	status  Status
	limits  plan.Analysis
	// gates are those of the plan, one for each step of the status; nil where a step has none.
	gates []*plan.Gate

	// testers reach the candidate before everybody else; nil: nobody does. previewed is true once they may.
	testers *plan.Testers
	// sticky says how a client stays on the version that it got first; nil: it need not.
	sticky    *plan.Sticky
	previewed bool
	// mirror is what the plan says about copies of requests; nil: none are made. mirrored is true once they may be,
	// and copying what is copied now.
	mirror   *plan.Mirror
	mirrored bool
	copying  *plan.Mirror

	// checked are the checks that it will try.
	checked []plan.Check
	// job is the Job that may be there because of a check.
	job job

	tracks activities.Tracks
	// rolls is the workload whose pods are replaced in place; nil where there are two tracks.
	rolls *inPlace
	// created is when the last activity that makes an object has ended, in whatever way.
	created time.Time
	// recorded is true once there may be a record of the safe state that is this release's.
	recorded bool
	// size is how many pods the candidate has been given.
	size int32
	// left is true once the route leads to the root Service alone again.
	left bool
	// anyLimit are the Deployments of whose autoscalers a person has kept another lower limit.
	anyLimit []string
	route    activities.Route
	fence    activities.Fence
	undo     undoStack
	// restore takes an idle track that has the image already as it is.
	restore bool
	// safe is what a person could restore without this release.
	safe activities.SafeState
	// reference is what stable did when it last served beside the candidate, or before it.
	reference decide.Counts
	// history is what was known of stable before, evidence what the watches have found so far.
	history  judge.History
	evidence judge.State
	// cancel ends the way forward.
	cancel workflow.CancelFunc
}

// pace is how long a strategy waits for what, and where it leaves the new version.
type pace struct {
	bake, ready, settle plan.Duration
	// stepBack is how long an undo stays at each lower step; zero: it takes none.
	stepBack plan.Duration
	returns  bool
}

// tempo is the pace of the strategy that a plan names.
func tempo(s plan.Strategy) pace {
	switch {
	case s.Canary != nil:
		return pace{
			bake: s.Canary.Bake, ready: s.Canary.ReadyWithin, settle: s.Canary.SettleWithin,
			stepBack: s.Canary.StepBack, returns: s.Canary.Settle == plan.SettleReturn,
		}
	case s.Rolling != nil:
		return pace{bake: s.Rolling.Bake, ready: s.Rolling.ReadyWithin}
	case s.BlueGreen != nil:
		return pace{
			bake: s.BlueGreen.Bake, ready: s.BlueGreen.ReadyWithin, settle: s.BlueGreen.SettleWithin,
			returns: s.BlueGreen.Settle == plan.SettleReturn,
		}
	}
	return pace{}
}

// step of the plan, as the status shows it.
func (r *release) step(s StepStatus, gate *plan.Gate) {
	s.State = Pending
	r.status.Track = append(r.status.Track, s)
	r.gates = append(r.gates, gate)
	r.status.Steps = len(r.status.Track)
}

// prepare makes a release that has done nothing yet and hears every command.
func prepare(ctx workflow.Context, in ReleaseIn, strategy string, p pace) (*release, workflow.Context, error) {
	r := &release{
		commands: commands{seen: map[string]bool{}},
		in:       in, pace: p, limits: *in.Plan.Spec.Analysis,
		status: Status{
			ID: in.ID, Service: in.Plan.Metadata.Name, Environment: in.Plan.Metadata.Environment,
			Namespace: in.Plan.Spec.Target.Namespace, Strategy: strategy, Image: in.Image, RequestedBy: in.RequestedBy, PlanHash: in.PlanHash,
			Source: in.Source, Workload: in.Plan.Spec.Target.Kind, RootService: in.Plan.Spec.Target.Service, Bake: p.bake,
			Phase: Preflight, Started: workflow.Now(ctx),
		},
		holds: holds{standing: in.Holds},
	}
	if c := in.Plan.Spec.Strategy.Chosen; c != nil {
		r.status.Chosen = c.Reasons
	}
	if err := r.listen(ctx); err != nil {
		return nil, nil, err
	}
	if in.OverrideFreeze != "" {
		r.lift(ctx)
		r.note(ctx, "freezes overridden by %s: %s", in.RequestedBy, in.OverrideFreeze)
	}
	r.tell(ctx, plan.Started, started(in, strategy))
	ctx, r.cancel = workflow.WithCancel(ctx)
	return r, ctx, nil
}

// started is the first thing that a release tells.
func started(in ReleaseIn, strategy string) string {
	text := strategy + " requested by " + in.RequestedBy
	if in.Image != "" {
		text = in.Image + " by " + text
	}
	return text
}

// unplanned is how a workflow fails that was started with a plan of another strategy.
func unplanned(strategy string) error {
	return temporal.NewNonRetryableApplicationError("the plan has no "+strategy+" strategy, or lacks what it needs", string(Refused), nil)
}

// preflight looks at everything the release will need, and changes nothing but the fence and the record of
// what was found.
func (r *release) preflight(ctx workflow.Context) error {
	if err := r.announce(ctx); err != nil {
		return err
	}
	r.at(ctx, moment{next: "check the target, the route and the metrics"})
	target := r.in.Plan.Spec.Target
	found, err := call(ctx, reading(), "Look at "+target.Namespace+"/"+target.Deployment+" and its route", traffic.InspectTarget,
		activities.InspectTargetIn{Target: target, Config: r.config(), Image: r.in.Image, Route: r.wished()})
	if err != nil {
		return err
	}
	tracks := found.Tracks
	r.tracks, r.route = tracks, found.Route
	r.status.Stable, r.status.StableImage, r.status.Candidate = tracks.Stable, tracks.StableImage, tracks.Candidate
	r.status.Pods = int(tracks.Replicas)
	if err := r.knownAndFenced(ctx); err != nil {
		return err
	}
	for _, n := range tracks.Notes {
		r.note(ctx, "preflight: %s", n)
	}
	r.note(ctx, "preflight passed: stable is %s, candidate will be %s", tracks.Stable, tracks.Candidate)
	return nil
}

// wished is the route as the plan names it, with what its router must be able to do.
func (r *release) wished() activities.Route {
	target := r.in.Plan.Spec.Target
	out := activities.Route{
		Namespace: target.Namespace, Traffic: r.in.Plan.Spec.Traffic, Stable: target.Service, Also: target.AlsoSwitch, Testers: r.testers,
	}
	if r.sticky != nil {
		out.Sticky = r.sticky.Cookie
	}
	if r.mirror != nil {
		out.Mirror = r.mirror.Percent
	}
	return out
}

// announce makes the release findable.
func (r *release) announce(ctx workflow.Context) error {
	all := []temporal.SearchAttributeUpdate{
		ServiceAttribute.ValueSet(r.status.Service), EnvironmentAttribute.ValueSet(r.status.Environment),
		StrategyAttribute.ValueSet(r.status.Strategy), PhaseAttribute.ValueSet(string(Preflight)), WeightAttribute.ValueSet(0),
		RequesterAttribute.ValueSet(keyword(r.in.RequestedBy)),
	}
	if _, digest, ok := strings.Cut(r.in.Image, "@"); ok {
		all = append(all, DigestAttribute.ValueSet(keyword(digest)))
	}
	if c := r.in.Source.Commit; c != "" {
		all = append(all, CommitAttribute.ValueSet(keyword(c)))
	}
	return r.attributes(ctx, all...)
}

// knownAndFenced is the end of every preflight: the checks' CronJobs are there, the metrics know the service, and the
// fence is ours.
func (r *release) knownAndFenced(ctx workflow.Context) error {
	if err := r.inspectJobs(ctx); err != nil {
		return err
	}
	if r.measured() {
		history, err := call(ctx, recalling(), "Look at what the metrics know of the service", analysis.CheckMetrics,
			activities.WatchIn{Analysis: r.limits, Route: r.counted()})
		if err != nil {
			return err
		}
		r.history = history
		if s := judge.New(r.limits, history); !s.R {
			r.note(ctx, "judged by blocks of %s alone, with a tolerance of 1.5x at least: %s", plan.Duration(s.Interval*time.Duration(s.Block)), s.WhyNot)
		}
	}
	in := activities.TakeFenceIn{
		Target: r.in.Plan.Spec.Target, ReleaseID: r.in.ID, Lane: ReleaseID(r.status.Environment, r.status.Service),
	}
	if r.rolls == nil {
		r.safe = r.safeState(ctx)
		in.Safe, r.recorded = &r.safe, true
	}
	var err error
	r.fence.Release, err = call(ctx, claiming(), "Take the fence, record the safe state", cluster.TakeFence, in)
	switch {
	case err == nil:
	case fault.Of(err) == fault.Invalid: // it belongs to another plan
		r.recorded = false
	default:
		r.created = workflow.Now(ctx)
	}
	return err
}

// config is what the plan says about configuration. A plan from before it could say so says nothing.
func (r *release) config() plan.Config {
	if c := r.in.Plan.Spec.Config; c != nil {
		return *c
	}
	return plan.Config{}
}

// finish retires the old track and tells that the release is over.
func (r *release) finish(ctx workflow.Context) (Status, error) {
	if r.returns() {
		return r.goHome(ctx)
	}
	if err := r.retire(ctx); err != nil {
		return r.leave(ctx, "scale "+r.tracks.Stable+" to zero", err)
	}
	return r.end(ctx, Promoted, fmt.Sprintf("%s serves everything from %s", r.in.Image, r.tracks.Candidate))
}

// leave tells what is left to do of a release whose new version serves everything.
func (r *release) leave(ctx workflow.Context, left string, err error) (Status, error) {
	if fault.Of(err) == fault.Fenced {
		return r.callPerson(ctx, []string{"see who serves now, before anything is scaled: " + plain(err)}, "somebody else has taken the service over")
	}
	return r.callPerson(ctx, []string{left + ": " + plain(err)}, "the new version serves everything")
}

// end writes the last line of the story.
func (r *release) end(ctx workflow.Context, p Phase, outcome string) (Status, error) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	r.status.Ended, r.status.Outcome = workflow.Now(ctx), outcome
	r.note(ctx, "%s: %s", p, outcome)
	r.tell(ctx, endEvent(p), outcome)
	err := r.enter(ctx, p, OutcomeAttribute.ValueSet(cut(outcome)))
	r.answerLast(ctx)
	r.at(ctx, moment{next: "nothing: the release has ended"})
	return r.status, err
}

// write is the identity of the next mutation.
func (r *release) write() activities.Write {
	r.fence.Step++
	return activities.Write{ReleaseID: r.in.ID, Fence: r.fence}
}
