// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"time"

	"github.com/slipwayhq/slipway/testsuite/world"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// way is one way in which a service can be released, or taken back.
type way struct {
	plan plan.Plan
	// workflow that carries it out.
	workflow string
	world    func() *world.World
	// image that serves everything when it has gone well; undoes says that it is the former one.
	undoes bool
	// refused: preflight says no, after it has taken the fence.
	refused bool
}

// end of a release by it that nothing disturbs.
func (w way) end() workflows.Phase {
	if w.refused {
		return workflows.Refused
	}
	return workflows.Promoted
}

func seconds(n float64) plan.Duration { return plan.Duration(n * float64(time.Second)) }

// canary is a short plan of 10 % and 50 %.
func canary() plan.Plan {
	margin := 30.0
	return plan.Plan{
		APIVersion: plan.APIVersion, Kind: plan.Kind,
		Metadata: plan.Metadata{Name: "checkout", Environment: "production"},
		Spec: plan.Spec{
			Target:  plan.Target{Namespace: "shop", Deployment: world.Stable, Service: "checkout"},
			Traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}},
			Strategy: plan.Strategy{Canary: &plan.Canary{
				Steps: []plan.Step{{Weight: 10, Hold: seconds(6)}, {Weight: 50, Hold: seconds(6)}},
				Bake:  seconds(8), ReadyWithin: seconds(12), SettleWithin: seconds(4),
			}},
			Analysis: &plan.Analysis{
				Source: plan.Source{Prometheus: &plan.Prometheus{Preset: plan.PresetTraefik}},
				WarmUp: seconds(0.1), Interval: seconds(2), Window: seconds(10), MinRequests: 10,
				Block: seconds(2), Soak: seconds(2), History: seconds(20),
				Patience: seconds(4), AskWithin: seconds(20),
				Errors: &plan.Errors{Tolerate: 1.25, Margin: &margin},
			},
		},
	}
}

func changed(p plan.Plan, change func(*plan.Plan)) plan.Plan {
	change(&p)
	return p
}

func blueGreen() plan.Plan {
	return changed(canary(), func(p *plan.Plan) {
		p.Spec.Strategy = plan.Strategy{BlueGreen: &plan.BlueGreen{
			Preview: &plan.Preview{
				Header: &plan.Header{Name: "X-Preview", Value: "green"}, Checks: []plan.Check{health()},
				Load: &plan.LoadTest{URL: "http://checkout.example/", Rate: 2, For: seconds(2)},
			},
			Bake: seconds(8), ReadyWithin: seconds(12), SettleWithin: seconds(4),
		}}
	})
}

func rolling() plan.Plan {
	return changed(canary(), func(p *plan.Plan) {
		p.Spec.Strategy = plan.Strategy{Rolling: &plan.Rolling{
			Batches:  []plan.Size{plan.Pods(1), plan.Percent(100)},
			MaxSurge: new(plan.Percent(25)), MaxUnavailable: new(plan.Pods(0)),
			Soak: seconds(6), Bake: seconds(8), ReadyWithin: seconds(20), Checks: []plan.Check{health()},
		}}
	})
}

// health is a check by a request.
func health() plan.Check {
	return plan.Check{Name: "health", URL: "http://checkout.example/health", Status: 200, Contains: "ok", Within: seconds(8)}
}

// smoke is a check by a Job.
func smoke() plan.Check {
	return plan.Check{Name: "smoke", Job: &plan.JobCheck{CronJob: "smoke-tests"}, Within: seconds(20)}
}

// confirms is when the other system says yes.
const confirms = 14 * time.Second

// confirmed has a gate of another system after its first step.
func confirmed() plan.Plan {
	return changed(canary(), func(p *plan.Plan) {
		p.Spec.Strategy.Canary.Steps[0].Gate = &plan.Gate{
			Within: seconds(60), Confirm: &plan.Confirm{URL: "http://gate.example/check", Every: seconds(1)},
		}
	})
}

// unmeasured takes the metrics out of a plan.
func unmeasured(p *plan.Plan) { p.Spec.Analysis.Source = plan.Source{} }

// rolloutUndo is the one way that is no release of an image.
const rolloutUndo = "rollout undo"

// ways are all of them, by name.
func ways() map[string]way {
	out := map[string]way{}
	add := func(name string, p plan.Plan) {
		out[name] = way{plan: p, workflow: workflows.Workflow(p.Spec.Strategy), world: world.New}
	}
	add("canary", canary())
	add("canary with testers", changed(canary(), func(p *plan.Plan) {
		p.Spec.Strategy.Canary.Testers = &plan.Testers{Cookie: &plan.Cookie{Name: "canary", Value: "always"}}
	}))
	add("canary with a mirror", changed(canary(), func(p *plan.Plan) {
		p.Spec.Strategy.Canary.Mirror = &plan.Mirror{Percent: 100, Hold: seconds(6)}
	}))
	add("canary with checks", changed(canary(), func(p *plan.Plan) { p.Spec.Strategy.Canary.Checks = []plan.Check{health(), smoke()} }))
	add("canary with checks at its steps", changed(canary(), func(p *plan.Plan) {
		steps := p.Spec.Strategy.Canary.Steps
		steps[0].Checks, steps[1].Checks = []plan.Check{smoke(), health()}, []plan.Check{smoke()}
	}))
	add("canary sized for its weight", changed(canary(), func(p *plan.Plan) { p.Spec.Strategy.Canary.Sizing = plan.SizingWeight }))
	add("canary by pods", changed(canary(), func(p *plan.Plan) {
		p.Spec.Traffic = plan.Traffic{Replicas: &plan.Replicas{}}
		p.Spec.Strategy.Canary.Steps[0].Weight = 25
		unmeasured(p)
	}))
	add("canary that steps back", changed(canary(), func(p *plan.Plan) { p.Spec.Strategy.Canary.StepBack = seconds(3) }))
	add("canary that settles by return", changed(canary(), func(p *plan.Plan) { p.Spec.Strategy.Canary.Settle = plan.SettleReturn }))
	out["canary that another system lets go on"] = way{plan: confirmed(), workflow: "Canary", world: func() *world.World {
		w := world.New()
		w.ConfirmsFrom = confirms
		return w
	}}
	out["canary that is refused with its fence"] = way{plan: changed(canary(), func(p *plan.Plan) {
		p.Spec.Traffic = plan.Traffic{Replicas: &plan.Replicas{}} // of four pods, none is 10 %
		unmeasured(p)
	}), workflow: "Canary", world: world.New, refused: true}
	add("blue-green", blueGreen())
	add("blue-green with a Job", changed(blueGreen(), func(p *plan.Plan) {
		p.Spec.Strategy.BlueGreen.Preview = &plan.Preview{Checks: []plan.Check{smoke()}}
	}))
	add("blue-green with a gate", changed(blueGreen(), func(p *plan.Plan) {
		p.Spec.Strategy.BlueGreen.Preview, p.Spec.Strategy.BlueGreen.Gate = nil, &plan.Gate{Quorum: 1, Within: seconds(20)}
	}))
	add("blue-green by selector", changed(blueGreen(), func(p *plan.Plan) {
		p.Spec.Traffic, p.Spec.Strategy.BlueGreen.Preview = plan.Traffic{Service: &plan.Selector{}}, nil
		unmeasured(p)
	}))
	add("rolling", rolling())
	add("rolling with a Job", changed(rolling(), func(p *plan.Plan) { p.Spec.Strategy.Rolling.Checks = []plan.Check{smoke()} }))
	add("rolling without metrics", changed(rolling(), func(p *plan.Plan) {
		p.Spec.Traffic, p.Spec.Strategy.Rolling.Checks = plan.Traffic{}, nil
		unmeasured(p)
	}))
	out["rollback"] = way{plan: canary(), workflow: workflows.RollbackWorkflow, world: world.Swapped, undoes: true}
	out[rolloutUndo] = way{
		plan: rolling(), workflow: workflows.RolloutUndoWorkflow, undoes: true,
		world: func() *world.World { return world.New().Rolled() },
	}
	return out
}

// bake is how long the old version must stay after the new one has got everything.
func (w way) bake() time.Duration {
	switch s := w.plan.Spec.Strategy; {
	case w.workflow == workflows.RollbackWorkflow:
		return time.Minute
	case w.undoes: // it stays where it is
		return 0
	case s.Canary != nil:
		return s.Canary.Bake.D()
	case s.Rolling != nil:
		return s.Rolling.Bake.D()
	default:
		return s.BlueGreen.Bake.D()
	}
}
