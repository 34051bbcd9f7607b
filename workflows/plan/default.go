// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"slices"
	"time"
)

// The defaults of a plan: those of a careful production release. Each field's docstring repeats its own.
const (
	defaultHold         = Duration(5 * time.Minute)
	defaultBake         = Duration(time.Hour)
	defaultReadyWithin  = Duration(10 * time.Minute)
	defaultSettleWithin = Duration(time.Minute)
	defaultGateWithin   = Duration(24 * time.Hour)
	defaultConfirmEvery = Duration(10 * time.Second)
	defaultQuorum       = 1
	defaultMirror       = 100
	defaultWarmUp       = Duration(2 * time.Minute)
	defaultSoakStep     = Duration(2 * time.Minute)
	defaultHistory      = Duration(6 * time.Hour)
	defaultFalseAlarms  = 5
	defaultMisses       = 5
	defaultInterval     = Duration(10 * time.Second)
	defaultWindow       = Duration(5 * time.Minute)
	defaultMinRequests  = 100
	defaultPatience     = Duration(10 * time.Minute)
	defaultAskWithin    = Duration(24 * time.Hour)
	defaultStatus       = 200
	defaultCheckWithin  = Duration(30 * time.Second)
	defaultJobWithin    = Duration(5 * time.Minute)
	defaultLoadRate     = 20
	defaultLoadFor      = Duration(30 * time.Second)
	defaultTolerate     = Ratio(1.25)
	defaultUnacceptable = Ratio(2)
	defaultMargin       = 0.5
	defaultSlowMargin   = 1
	defaultErrorSLO     = 10
	defaultUnit         = Duration(time.Second)
	defaultAskEvery     = Duration(30 * time.Second)
	blockTicks          = 3
	autoHold            = Duration(10 * time.Minute)
	autoHoldUnsure      = Duration(20 * time.Minute)
	defaultMinReady     = Duration(10 * time.Second)
	defaultSoak         = Duration(time.Minute)
	defaultRollingBake  = Duration(10 * time.Minute)
	defaultCoolDown     = Duration(10 * time.Minute)
	defaultReason       = "a freeze of the plan"
	defaultTimezone     = "UTC"
	defaultTellWithin   = Duration(time.Hour)
)

// fill writes every default into the fields that were left out.
func (p *Plan) fill() {
	p.Spec.Target.fill()
	if g := p.Spec.Traffic.GatewayAPI; g != nil {
		or(&g.Kind, KindHTTPRoute)
	}
	if p.Spec.Config == nil {
		p.Spec.Config = &Config{}
	}
	if p.Spec.Config.Snapshot == nil {
		p.Spec.Config.Snapshot = new(true)
	}
	if p.Spec.Strategy.Canary != nil {
		p.Spec.Strategy.Canary.fill(p.Spec.Traffic)
	}
	if p.Spec.Strategy.BlueGreen != nil {
		p.Spec.Strategy.BlueGreen.fill()
	}
	if p.Spec.Strategy.Rolling != nil {
		p.Spec.Strategy.Rolling.fill(p.Spec.Target.Kind)
	}
	if a := p.Spec.Strategy.Auto; a != nil {
		a.fill()
	}
	if p.Spec.Analysis == nil && (p.Spec.Strategy.Name() != StrategyCanary || p.Spec.Traffic.Uncounted()) {
		p.Spec.Analysis = &Analysis{}
	}
	if p.Spec.Analysis != nil {
		p.Spec.Analysis.fill()
	}
	if p.Spec.Lane == nil {
		p.Spec.Lane = &Lane{}
	}
	p.Spec.Lane.fill()
	for i := range p.Spec.Freeze {
		p.Spec.Freeze[i].fill()
	}
	for i := range p.Spec.Triggers {
		p.Spec.Triggers[i].fill(p.Metadata.Environment)
	}
	for i := range p.Spec.Notifications {
		or(&p.Spec.Notifications[i].Severity, Info)
		or(&p.Spec.Notifications[i].Within, defaultTellWithin)
	}
}

func (l *Lane) fill() {
	or(&l.Newer, NewerCoalesce)
	or(&l.MaxQueue, maxQueue)
	or(&l.CoolDown, defaultCoolDown)
}

func (f *Freeze) fill() {
	or(&f.Reason, defaultReason)
	if len(f.Days) > 0 {
		or(&f.Timezone, defaultTimezone)
	}
}

func (t *Target) fill() {
	or(&t.Kind, KindDeployment)
	if t.Tracks != nil {
		or(&t.Deployment, t.Tracks.Blue)
		return
	}
	or(&t.Service, t.Deployment)
}

func (c *Canary) fill(t Traffic) {
	sizing := SizingFull
	if t.Replicas != nil {
		sizing = SizingWeight
	}
	or(&c.Sizing, sizing)
	or(&c.Settle, SettleSwap)
	or(&c.Bake, defaultBake)
	or(&c.ReadyWithin, defaultReadyWithin)
	or(&c.SettleWithin, defaultSettleWithin)
	fillChecks(c.Checks)
	if m := c.Mirror; m != nil {
		or(&m.Hold, defaultHold)
		or(&m.Percent, defaultMirror)
	}
	for i := range c.Steps {
		or(&c.Steps[i].Hold, defaultHold)
		fillChecks(c.Steps[i].Checks)
		c.Steps[i].Gate.fill()
	}
}

func (g *Gate) fill() {
	if g == nil {
		return
	}
	or(&g.Within, defaultGateWithin)
	if c := g.Confirm; c != nil {
		or(&c.Every, defaultConfirmEvery)
		if len(g.Approvers) == 0 {
			return // it answers in the place of people, unless a quorum says otherwise
		}
	}
	or(&g.Quorum, defaultQuorum)
}

func (b *BlueGreen) fill() {
	or(&b.Settle, SettleSwap)
	or(&b.Bake, defaultBake)
	or(&b.ReadyWithin, defaultReadyWithin)
	or(&b.SettleWithin, defaultSettleWithin)
	b.Gate.fill()
	if b.Preview != nil {
		b.Preview.fill()
	}
}

func (p *Preview) fill() {
	fillChecks(p.Checks)
	if p.Load != nil {
		or(&p.Load.Rate, defaultLoadRate)
		or(&p.Load.For, defaultLoadFor)
	}
}

func fillChecks(all []Check) {
	for i := range all {
		if all[i].Job != nil {
			or(&all[i].Within, defaultJobWithin)
			continue
		}
		or(&all[i].Status, defaultStatus)
		or(&all[i].Within, defaultCheckWithin)
	}
}

func (r *Rolling) fill(kind string) {
	if len(r.Batches) == 0 {
		r.Batches = []Size{Percent(25), Percent(50), Percent(100)}
	}
	switch kind {
	case KindDeployment:
		or(&r.MaxSurge, new(Percent(25)))
		or(&r.MaxUnavailable, new(Pods(0)))
		or(&r.MinReady, defaultMinReady)
	case KindDaemonSet:
		or(&r.MaxUnavailable, new(Pods(1)))
	}
	or(&r.Soak, defaultSoak)
	or(&r.Bake, defaultRollingBake)
	or(&r.ReadyWithin, defaultReadyWithin)
	r.Gate.fill()
	fillChecks(r.Checks)
}

// Complete has every default, also where it was written before there was one.
func (a Analysis) Complete() Analysis {
	if a.Errors != nil {
		a.Errors = new(*a.Errors)
	}
	if a.Latency != nil {
		a.Latency = new(*a.Latency)
	}
	if p := a.Source.Prometheus; p != nil && p.Queries != nil {
		a.Source.Prometheus = &Prometheus{Preset: p.Preset, Queries: new(*p.Queries)}
	}
	if a.Guards != nil {
		a.Guards = a.Guards.copy()
	}
	a.fill()
	return a
}

func (a *Analysis) fill() {
	if p := a.Source.Prometheus; p != nil && p.Queries != nil {
		or(&p.Queries.Unit, defaultUnit)
	}
	or(&a.WarmUp, defaultWarmUp)
	or(&a.Interval, defaultInterval)
	or(&a.Block, blockTicks*a.Interval)
	or(&a.Soak, defaultSoakStep)
	or(&a.History, defaultHistory)
	or(&a.Window, defaultWindow)
	or(&a.MinRequests, defaultMinRequests)
	or(&a.FalseAlarms, defaultFalseAlarms)
	or(&a.Misses, defaultMisses)
	or(&a.Patience, defaultPatience)
	or(&a.AfterPatience, AfterPatienceAsk)
	or(&a.AskWithin, defaultAskWithin)
	if a.Errors == nil {
		a.Errors = &Errors{}
	}
	a.Errors.fill()
	if a.Latency != nil {
		a.Latency.fill()
	}
	if a.Guards == nil && a.Source.Prometheus != nil {
		a.Guards = &Guards{}
	}
	if a.Guards != nil {
		a.Guards.fill()
	}
}

func (g *Guards) fill() {
	or(&g.Restarts, &Times{})
	g.Restarts.fill(3, Duration(10*time.Minute))
	or(&g.OOMKills, &Times{})
	g.OOMKills.fill(1, Duration(30*time.Minute))
	if g.Flapping != nil {
		g.Flapping.fill(5, Duration(10*time.Minute))
	}
	for i := range g.Checks {
		or(&g.Checks[i].Status, defaultStatus)
		or(&g.Checks[i].Every, defaultAskEvery)
		or(&g.Checks[i].Failures, 2)
	}
	for i := range g.Rules {
		g.Rules[i] = g.Rules[i].Complete()
	}
}

// Complete has every default.
func (r Rule) Complete() Rule {
	or(&r.For, 2)
	or(&r.Then, ThenRollback)
	return r
}

func (t *Times) fill(limit int, within Duration) {
	or(&t.Limit, limit)
	or(&t.Within, within)
	or(&t.Tolerate, defaultUnacceptable)
}

// copy of guards that can be filled in without changing these.
func (g Guards) copy() *Guards {
	for _, t := range []**Times{&g.Restarts, &g.OOMKills, &g.Flapping} {
		if *t != nil {
			*t = new(**t)
		}
	}
	g.Checks, g.Rules = slices.Clone(g.Checks), slices.Clone(g.Rules)
	return &g
}

func (e *Errors) fill() {
	or(&e.Tolerate, defaultTolerate)
	or(&e.Unacceptable, max(defaultUnacceptable, e.Tolerate))
	if e.Margin == nil {
		e.Margin = new(defaultMargin)
	}
	if e.SLO == nil {
		e.SLO = new(float64(defaultErrorSLO))
	}
}

func (l *Latency) fill() {
	or(&l.Tolerate, defaultTolerate)
	or(&l.Unacceptable, max(defaultUnacceptable, l.Tolerate))
	if l.Margin == nil {
		l.Margin = new(float64(defaultSlowMargin))
	}
}

// or sets a field that was left out.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
