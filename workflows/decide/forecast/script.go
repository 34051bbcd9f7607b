// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// script writes the steps down in their order, with what holds at each.
type script struct {
	plan     plan.Plan
	replicas int
	steps    []Step
	// noReturn is the number of the step from which on undo is refused, wayBack what there is instead.
	noReturn int
	wayBack  string
	// back says how users come back to stable.
	back string

	// share of users on the new version now.
	share int
	// extra pods beside those of the service now.
	extra plan.Size
	// undo is what would take everything back now, last action first.
	undo []string
	// undoWithin bounds that, once requests have gone to the new version.
	undoWithin plan.Duration
	// spent are the user-minutes so far.
	spent float64
}

// add a step, with what holds now.
func (s *script) add(step Step) {
	s.spent += exposed(s.share, step.Takes)
	step.Number, step.Share, step.UserMinutes = len(s.steps)+1, s.share, s.spent
	step.Extra, step.ExtraPods = s.extra, s.extraPods()
	step.Undo, step.UndoWithin = append([]string{}, s.undo...), s.undoWithin
	s.steps = append(s.steps, step)
}

// extraPods is their number; nil when it is not known.
func (s *script) extraPods() *int {
	if s.extra.Percent && s.replicas == 0 {
		return nil
	}
	n := s.extra.Up(s.replicas)
	return &n
}

// push what takes the next action back in front of what is there.
func (s *script) push(undo string) { s.undo = append([]string{undo}, s.undo...) }

// settle bounds the wait for the router.
func (s *script) settle() plan.Duration {
	if c := s.plan.Spec.Strategy.Canary; c != nil {
		return c.SettleWithin
	}
	return s.plan.Spec.Strategy.BlueGreen.SettleWithin
}

func (s *script) measured() bool { return s.plan.Spec.Analysis.Source.Prometheus != nil }

// gateway reports whether requests come through a router in front of the Service.
func (s *script) gateway() bool { return s.plan.Spec.Traffic.Service == nil }

// warmUp is left out of the comparison, which cannot be longer than the watch.
func (s *script) warmUp(watch plan.Duration) plan.Duration {
	if !s.measured() {
		return 0
	}
	return min(s.plan.Spec.Analysis.WarmUp, watch)
}

// The steps that the strategies with two tracks share.

func (s *script) preflight() {
	s.back = "users are back on stable in a second or two"
	what := "look at target and route"
	if s.measured() {
		what = "look at target, route and metrics"
	}
	s.add(Step{What: what})
}

func (s *script) deploy(within plan.Duration) {
	s.push("remove the candidate")
	s.extra = plan.Percent(100)
	s.add(Step{What: "deploy the candidate, of stable's size", Until: "ready", Within: within})
}

// serve is how the candidate's requests come back: step by step where the plan says so, then the router
// confirms it, and the pods drain.
func (s *script) serve() {
	slow := s.stepBack()
	if s.undoWithin > 0 {
		s.undoWithin += slow
		return
	}
	back := "send all requests back to stable"
	if slow > 0 {
		back += fmt.Sprintf(", staying %s at each lower step", slow)
	}
	s.push(back)
	s.undoWithin = s.settle() + plan.Duration(decide.Drain)
}

// stepBack is how long an undo stays at each lower step; zero: it takes none.
func (s *script) stepBack() plan.Duration {
	if c := s.plan.Spec.Strategy.Canary; c != nil {
		return c.StepBack
	}
	return 0
}

// shift sends the candidate its share and watches it.
func (s *script) shift(weight int, hold plan.Duration) {
	s.serve()
	s.share = weight
	s.add(Step{
		What:  fmt.Sprintf("shift %d %%, watch and judge", weight),
		Takes: hold, WarmUp: s.warmUp(hold), Until: "served", Within: s.settle(),
	})
}

func (s *script) gate(g *plan.Gate) {
	if g == nil {
		return
	}
	who := "anybody"
	if len(g.Approvers) > 0 {
		who = strings.Join(g.Approvers, ", ")
	}
	until := "approved"
	if g.Quorum > 1 {
		until = fmt.Sprintf("approved by %d", g.Quorum)
	}
	if g.Confirm != nil {
		who, until = who+" and "+g.Confirm.Name(), until+" and confirmed"
		if g.Quorum == 0 {
			who, until = g.Confirm.Name(), "confirmed"
		}
	}
	s.add(Step{What: "ask " + who, Until: until, Within: g.Within})
}

// promote sends everybody to the candidate; with a router, callers inside the cluster too.
func (s *script) promote() {
	what := "point the Service at the candidate"
	s.serve()
	s.share = 100
	if s.gateway() {
		what = "send everybody to the candidate"
		s.push("point the Service back")
	}
	s.add(Step{What: what, Until: "served", Within: s.settle()})
}

// finish bakes, tidies the route and retires stable: the point of no return.
func (s *script) finish(bake plan.Duration) {
	s.add(Step{What: "bake, with stable kept warm", Takes: bake, WarmUp: s.warmUp(bake)})
	if s.gateway() {
		s.add(Step{What: "leave the route with one backend", Until: "served", Within: s.settle()})
	}
	wayBack := "slipway rollback " + s.plan.Metadata.Environment + "/" + s.plan.Metadata.Name
	if !s.returns() {
		s.leave("retire stable: scale it to zero", wayBack)
		return
	}
	extra, ready := s.extra, s.ready()
	s.leave("bring the new version back onto the original Deployment, if it is on the copy", wayBack)
	last := &s.steps[len(s.steps)-1]
	s.extra = extra
	last.Until, last.Within, last.Extra, last.ExtraPods = "ready and served", ready+s.settle()+plan.Duration(decide.Drain), extra, s.extraPods()
}

// returns reports whether the new version does not stay where it was released.
func (s *script) returns() bool {
	if c := s.plan.Spec.Strategy.Canary; c != nil {
		return c.Settle == plan.SettleReturn
	}
	return s.plan.Spec.Strategy.BlueGreen.Settle == plan.SettleReturn
}

// ready bounds the wait for pods.
func (s *script) ready() plan.Duration {
	if c := s.plan.Spec.Strategy.Canary; c != nil {
		return c.ReadyWithin
	}
	return s.plan.Spec.Strategy.BlueGreen.ReadyWithin
}

// leave is the last step, from which on nothing is undone.
func (s *script) leave(what, wayBack string) {
	s.extra, s.undoWithin = plan.Size{}, 0
	s.undo = []string{"not any more: " + wayBack}
	s.noReturn, s.wayBack = len(s.steps)+1, wayBack
	s.add(Step{What: what})
}
