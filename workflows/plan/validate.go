// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxSteps and maxChecks bound the history of a release, maxQueue that of a lane.
const (
	maxSteps  = 50
	maxChecks = 20
	maxQueue  = 20
)

// maxStepBack bounds how long an undo stays at each lower step.
const maxStepBack = Duration(10 * time.Minute)

// checker collects problems.
type checker struct{ problems []*Problem }

func (c *checker) must(ok bool, field, format string, args ...any) {
	if !ok {
		c.problems = append(c.problems, &Problem{Field: field, Message: fmt.Sprintf(format, args...)})
	}
}

// Validate checks a complete plan that was not read from a file, such as one that came over the wire.
// Auto must have been resolved: [Load] does.
func (p *Plan) Validate() []*Problem {
	problems := p.check()
	if p.Spec.Strategy.Auto != nil {
		problems = append(problems, &Problem{Field: "spec.strategy.auto", Message: "nothing was chosen yet; read the plan from its file"})
	}
	return problems
}

func (p *Plan) check() []*Problem {
	var c checker
	c.must(p.APIVersion == APIVersion, "apiVersion", "must be %q", APIVersion)
	c.must(p.Kind == Kind, "kind", "must be %q", Kind)
	c.label("metadata.name", p.Metadata.Name, true)
	c.label("metadata.environment", p.Metadata.Environment, true)
	c.target(p.Spec.Target)
	if st := p.Spec.Strategy; st.Rolling == nil && st.Auto == nil || p.Spec.Traffic != (Traffic{}) {
		c.traffic(p.Spec.Traffic)
	}
	c.strategy(p.Spec)
	if a := p.Spec.Analysis; a != nil {
		c.analysis(a, p.Spec)
	}
	if l := p.Spec.Lane; l != nil {
		c.lane(*l)
	}
	c.freezes(p.Spec.Freeze)
	c.triggers(p.Spec.Triggers, p.Spec.Notifications)
	if p.Spec.Config != nil {
		c.config(*p.Spec.Config)
	}
	c.notifications(p.Spec.Notifications)
	return c.problems
}

func (c *checker) target(t Target) {
	c.label("spec.target.namespace", t.Namespace, true)
	c.label("spec.target.deployment", t.Deployment, true)
	c.must(slices.Contains([]string{KindDeployment, KindStatefulSet, KindDaemonSet}, t.Kind), "spec.target.kind",
		"must be %s, %s or %s", KindDeployment, KindStatefulSet, KindDaemonSet)
	c.label("spec.target.service", t.Service, t.Deployment != "")
	if t.Tracks != nil {
		c.tracks(t)
	}
	c.label("spec.target.container", t.Container, false)
	for i, name := range t.AlsoSwitch {
		field := fmt.Sprintf("spec.target.alsoSwitch[%d]", i)
		c.label(field, name, true)
		c.must(name != t.Service, field, "is the Service itself")
	}
	// The candidate's name is the Deployment's with "-green" behind it.
	c.must(len(t.Deployment) <= 57, "spec.target.deployment", "must be at most 57 characters, to leave room for a track's name")
}

// tracks are two Deployments that a team keeps by hand.
func (c *checker) tracks(t Target) {
	const at = "spec.target.tracks"
	c.label(at+".blue", t.Tracks.Blue, true)
	c.label(at+".green", t.Tracks.Green, true)
	c.must(t.Tracks.Blue != t.Tracks.Green, at+".green", "must be another Deployment than blue")
	c.must(t.Deployment == t.Tracks.Blue, "spec.target.deployment", "leave it out where tracks names both Deployments")
	c.must(t.Service != "", "spec.target.service", "name the Service whose selector tells which of the tracks serves")
	c.must(len(t.AlsoSwitch) == 0, "spec.target.alsoSwitch", "is not for tracks kept by hand: their other Services are left as they are")
}

func (c *checker) config(f Config) {
	for i, name := range f.Secrets {
		c.name(fmt.Sprintf("spec.config.secrets[%d]", i), name)
	}
	c.must(len(f.Secrets) == 0 || f.Snapshots(), "spec.config.secrets", "are snapshotted with the ConfigMaps; write snapshot: true, or leave both out")
}

// settle is what becomes of the roles of the tracks.
func (c *checker) settle(field, settle string, t Target) {
	c.must(settle == SettleSwap || settle == SettleReturn, field, "must be %s or %s", SettleSwap, SettleReturn)
	c.must(settle != SettleReturn || t.Tracks == nil, field, "two tracks kept by hand are swapped; there is no original to return to")
}

func (c *checker) traffic(t Traffic) {
	const at = "spec.traffic"
	_, set := t.Router()
	c.must(set > 0, at, "name the router: gatewayAPI: {route: …}, traefik, ingress or istio; or, without one, service: {} to switch the Service's selector, or replicas: {} for a canary by the number of pods")
	c.must(set < 2, at, "name one router, not several")
	if g := t.GatewayAPI; g != nil {
		c.name(at+".gatewayAPI.route", g.Route)
		c.must(g.Kind == KindHTTPRoute || g.Kind == KindGRPCRoute, at+".gatewayAPI.kind", "must be %s or %s", KindHTTPRoute, KindGRPCRoute)
	}
	if t.Traefik != nil {
		c.name(at+".traefik.service", t.Traefik.Service)
	}
	if t.Ingress != nil {
		c.name(at+".ingress.name", t.Ingress.Name)
	}
	if t.Istio != nil {
		c.name(at+".istio.virtualService", t.Istio.VirtualService)
	}
}

func (c *checker) strategy(s Spec) {
	set := 0
	if s.Strategy.Canary != nil {
		set++
		c.canary(s.Strategy.Canary, s.Traffic)
		c.testers("spec.strategy.canary.testers", s.Strategy.Canary.Testers, s.Traffic)
		c.sticky("spec.strategy.canary.sticky", s.Strategy.Canary.Sticky, s.Traffic)
		c.mirror("spec.strategy.canary.mirror", s.Strategy.Canary.Mirror, s.Traffic)
		c.settle("spec.strategy.canary.settle", s.Strategy.Canary.Settle, s.Target)
	}
	if s.Strategy.BlueGreen != nil {
		set++
		c.blueGreen(s.Strategy.BlueGreen, s.Traffic)
		c.must(s.Traffic.Replicas == nil, "spec.traffic.replicas", "the number of pods shifts a canary; to switch without a router write service: {}")
		c.settle("spec.strategy.blueGreen.settle", s.Strategy.BlueGreen.Settle, s.Target)
	}
	if s.Strategy.Rolling != nil {
		set++
		c.rolling(s.Strategy.Rolling, s.Target.Kind)
	}
	if s.Strategy.Auto != nil {
		c.auto(s.Strategy)
		return
	}
	c.must(set > 0, "spec.strategy", "name the strategy: canary: {steps: …}, blueGreen: {} or rolling: {}, or auto: {} to have it chosen")
	c.must(set < 2, "spec.strategy", "name one strategy, not several")
	if chosen := s.Strategy.Chosen; chosen != nil {
		c.must(chosen.Strategy == s.Strategy.Name(), "spec.strategy.chosen", "says %q, but the plan has another strategy; leave chosen out, Slipway writes it", chosen.Strategy)
	}
	c.must(s.Strategy.Rolling != nil || s.Target.Kind == KindDeployment, "spec.target.kind",
		"only rolling releases a %s: a second one beside it would be another set of members; write strategy: {rolling: {}}", s.Target.Kind)
	c.must(s.Strategy.Rolling == nil || s.Target.Tracks == nil, "spec.target.tracks", "rolling replaces the pods of one workload, and these are two; name canary or blueGreen, or one deployment")
	c.must(s.Strategy.Rolling == nil || s.Traffic.Service == nil, "spec.traffic.service", "rolling switches no Service; leave spec.traffic out")
	if s.Strategy.Canary != nil {
		c.must(s.Traffic.Service == nil, "spec.traffic.service", "a Service knows no weights, which a canary needs; name a router: gatewayAPI: {route: …}, or replicas: {}")
		c.must(s.Analysis != nil || s.Traffic.Uncounted(), "spec.analysis", "say where the numbers come from: source: {prometheus: {preset: traefik}}")
	}
}

// auto is checked before it has chosen: what a strategy needs of the rest of the plan is part of the choice.
func (c *checker) auto(s Strategy) {
	c.profile("spec.strategy.auto.", *s.Auto)
	c.must(s.Chosen == nil, "spec.strategy.chosen", "stands beside auto; leave it out, Slipway writes it")
}

func (c *checker) blueGreen(b *BlueGreen, t Traffic) {
	const at = "spec.strategy.blueGreen"
	if b.Gate != nil {
		c.gate(at+".gate", b.Gate)
	}
	if b.Preview != nil {
		c.preview(at+".preview", b.Preview, t)
	}
}

func (c *checker) preview(at string, p *Preview, t Traffic) {
	if h := p.Header; h != nil {
		c.reaches(at+".header", Testers{Header: h}, t)
		c.header(at+".header", h)
	}
	c.checks(at, p.Checks)
	if l := p.Load; l != nil {
		c.url(at+".load.url", l.URL)
		c.must(l.Rate >= 1 && l.Rate <= 500, at+".load.rate", "must be 1 to 500 requests per second")
		c.must(l.Errors >= 0 && l.Errors <= 100, at+".load.errors", "must be from 0 to 100 percent")
	}
}

func (c *checker) checks(at string, all []Check) {
	c.must(len(all) <= maxChecks, at+".checks", "at most %d checks", maxChecks)
	names := map[string]bool{}
	for i, check := range all {
		field := fmt.Sprintf("%s.checks[%d]", at, i)
		c.label(field+".name", check.Name, true)
		c.must(!names[check.Name], field+".name", "must differ from the other checks")
		names[check.Name] = true
		if check.Job != nil {
			c.job(field, check)
			continue
		}
		c.must(check.URL != "", field, "say what is checked: url: http://…, or job: {cronJob: …}")
		if check.URL != "" {
			c.url(field+".url", check.URL)
		}
		c.must(check.Status >= 100 && check.Status <= 599, field+".status", "must be an HTTP status, 100 to 599")
	}
}

// job has nothing of a request beside it.
func (c *checker) job(field string, check Check) {
	c.must(check.URL == "" && len(check.Headers) == 0 && check.Status == 0 && check.Contains == "", field,
		"is a Job or a request, not both; leave url, headers, status and contains out")
	c.name(field+".job.cronJob", check.Job.CronJob)
	c.must(check.Within.D() >= time.Second, field+".within", "must be at least 1s")
}

func (c *checker) rolling(r *Rolling, kind string) {
	const at = "spec.strategy.rolling"
	c.must(len(r.Batches) >= 1 && len(r.Batches) <= maxSteps, at+".batches", "give 1 to %d batches, such as [25%%, 50%%, 100%%]", maxSteps)
	before := Size{}
	for i, b := range r.Batches {
		field := fmt.Sprintf("%s.batches[%d]", at, i)
		c.must(b.N >= 1 && (!b.Percent || b.N <= 100), field, "must be a number of pods from 1, or a share from 1%% to 100%%")
		c.must(b.Percent != before.Percent || b.N > before.N, field, "must be above the batch before it (%s)", before)
		before = b
	}
	c.limits(at, r, kind)
	c.must(r.MinReady.D()%time.Second == 0, at+".minReady", "must be whole seconds")
	c.checks(at, r.Checks)
	if r.Gate != nil {
		c.gate(at+".gate", r.Gate)
	}
}

// limits are those of Kubernetes for each kind.
func (c *checker) limits(at string, r *Rolling, kind string) {
	surge, unavailable := r.MaxSurge, r.MaxUnavailable
	if kind != KindDeployment {
		c.must(surge == nil, at+".maxSurge", "a %s has no pods above its size; leave it out", kind)
		c.must(r.MinReady == 0, at+".minReady", "only a Deployment needs it; leave it out")
	}
	switch {
	case kind == KindStatefulSet:
		c.must(unavailable == nil, at+".maxUnavailable", "a StatefulSet replaces one pod after the other; leave it out")
	case unavailable != nil && unavailable.N == 0 && (surge == nil || surge.N == 0):
		c.must(false, at+".maxUnavailable", "must be above 0 where there is no maxSurge, or no pod could ever be replaced")
	}
	for _, l := range []struct {
		field string
		size  *Size
	}{{".maxSurge", surge}, {".maxUnavailable", unavailable}} {
		c.must(l.size == nil || l.size.N >= 0 && (!l.size.Percent || l.size.N <= 100), at+l.field, "must be a number of pods, or a share from 0%% to 100%%")
	}
}

func (c *checker) testers(at string, s *Testers, t Traffic) {
	if s == nil {
		return
	}
	c.reaches(at, *s, t)
	c.must(s.Header != nil || s.Cookie != nil, at, "say how testers are told from others: header: {name: …, value: …}, or cookie")
	c.must(s.Header == nil || s.Cookie == nil, at, "name a header or a cookie, not both")
	if s.Header != nil {
		c.header(at+".header", s.Header)
	}
	if s.Cookie != nil {
		c.must(isToken(s.Cookie.Name), at+".cookie.name", "must be the name of a cookie, not %q", s.Cookie.Name)
		c.must(isCookieValue(s.Cookie.Value), at+".cookie.value", "must be the value of a cookie: printable, without spaces, quotes, commas, semicolons and backslashes")
	}
}

func (c *checker) sticky(at string, s *Sticky, t Traffic) {
	if s == nil {
		return
	}
	router, _ := t.Router()
	reason := router.RefusesSticky()
	c.must(reason == "", at, "%s", reason)
	c.must(isToken(s.Cookie), at+".cookie", "must be the name of a cookie, not %q", s.Cookie)
}

func (c *checker) mirror(at string, m *Mirror, t Traffic) {
	if m == nil {
		return
	}
	reason := t.RefusesMirror()
	c.must(reason == "", at, "%s", reason)
	c.must(m.Percent >= 1 && m.Percent <= 100, at+".percent", "must be a whole percentage from 1 to 100")
	c.must(m.Hold > 0, at+".hold", "must be a length of time above zero")
}

// reaches finds a router that can tell testers from others.
func (c *checker) reaches(at string, s Testers, t Traffic) {
	router, _ := t.Router()
	reason := router.Refuses(s)
	c.must(reason == "", at, "%s", reason)
}

func (c *checker) header(at string, h *Header) {
	c.must(isToken(h.Name), at+".name", "must be the name of an HTTP header, not %q", h.Name)
	c.must(h.Value != "", at+".value", "must not be empty")
}

func (c *checker) url(field, value string) {
	u, err := url.Parse(value)
	c.must(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", field,
		"must be a whole address, such as http://checkout-green.shop/health, not %q", value)
}

// isToken reports whether a name can be that of a header or a cookie, by RFC 9110, section 5.6.2.
func isToken(name string) bool {
	return regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}$").MatchString(name)
}

// isCookieValue follows RFC 6265, section 4.1.1.
func isCookieValue(value string) bool {
	return regexp.MustCompile(`^[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]{1,1000}$`).MatchString(value)
}

// maxByPods is the largest weight by the number of pods: beyond it the candidate would be bigger than stable.
const maxByPods = 50

func (c *checker) canary(s *Canary, t Traffic) {
	const at = "spec.strategy.canary"
	c.must(s.Sizing == SizingFull || s.Sizing == SizingWeight, at+".sizing", "must be %s or %s", SizingFull, SizingWeight)
	c.must(t.Replicas == nil || s.Sizing != SizingFull, at+".sizing", "with traffic.replicas the candidate's pods are its weight; leave sizing out")
	c.must(s.StepBack >= 0 && s.StepBack <= maxStepBack, at+".stepBack", "must be at most %s: users stay on a version that is not wanted for so long at each step", maxStepBack)
	c.must(s.StepBack == 0 || t.Replicas == nil, at+".stepBack", "is not possible with traffic.replicas, where a weight is made of pods")
	c.checks(at, s.Checks)
	c.must(len(s.Checks) == 0 || t.Replicas == nil, at+".checks", "with traffic.replicas the candidate's pods serve users as soon as they are ready; name a router to check them before that")
	c.must(len(s.Steps) > 0, at+".steps", "give at least one step, such as {weight: 10, hold: 5m}")
	c.must(len(s.Steps) <= maxSteps, at+".steps", "at most %d steps", maxSteps)
	before := 0
	for i, step := range s.Steps {
		field := fmt.Sprintf("%s.steps[%d]", at, i)
		inRange := step.Weight >= 1 && step.Weight <= 99
		c.must(inRange, field+".weight", "must be a whole percentage from 1 to 99; 100 follows the last step by itself")
		c.must(!inRange || step.Weight > before, field+".weight", "must be above the step before it (%d)", before)
		c.must(t.Replicas == nil || step.Weight <= maxByPods, field+".weight",
			"must be at most %d with traffic.replicas: above it the candidate would need more pods than stable; the promotion follows the last step", maxByPods)
		c.must(step.Hold > 0, field+".hold", "must be a length of time above zero")
		before = max(before, step.Weight)
		c.checks(field, step.Checks)
		if g := step.Gate; g != nil {
			c.gate(field+".gate", g)
		}
	}
}

func (c *checker) gate(field string, g *Gate) {
	c.must(g.Quorum >= 1 || g.Quorum == 0 && g.Confirm != nil, field+".quorum", "must be at least 1")
	if h := g.Confirm; h != nil {
		c.url(field+".confirm.url", h.URL)
		c.must(!strings.ContainsAny(h.Name(), "@#"), field+".confirm.url", "must name neither a password nor a part of a page")
		c.must(h.Every.D() >= time.Second && h.Every.D() <= 10*time.Minute, field+".confirm.every", "must be from 1s to 10m")
	}
	group := func(a string) bool { return strings.HasPrefix(a, "@") }
	c.must(len(g.Approvers) == 0 || slices.ContainsFunc(g.Approvers, group) || g.Quorum <= len(g.Approvers), field+".quorum",
		"asks for %d approvals, but names %d approvers", g.Quorum, len(g.Approvers))
	for i, a := range g.Approvers {
		at := fmt.Sprintf("%s.approvers[%d]", field, i)
		c.must(strings.TrimSpace(a) != "" && a != "@", at, "must not be empty")
		c.must(!strings.ContainsAny(a, " \t\n,+="), at, "must be one name, such as ann, or one group, such as @team-checkout")
		c.must(!slices.Contains(g.Approvers[:i], a), at, "is named twice")
	}
}

// Validate checks limits on their own, whatever plan they are from. Fields are named from spec.analysis on.
func (a *Analysis) Validate() []*Problem {
	var c checker
	c.numbers("spec.analysis", a)
	return c.problems
}

func (c *checker) analysis(a *Analysis, s Spec) {
	const at = "spec.analysis"
	c.must(a.Source.Prometheus != nil || s.Strategy.Name() != StrategyCanary || s.Traffic.Uncounted(), at+".source", "name the source: prometheus: {preset: traefik}")
	if p := a.Source.Prometheus; p != nil {
		c.prometheus(at+".source.prometheus", p, s)
	}
	c.must(a.Guards == nil || a.Source.Prometheus != nil, at+".guards", "stand beside the judge: name spec.analysis.source too, or leave them out and the pods alone are watched")
	c.numbers(at, a)
	if a.Guards != nil {
		c.needs(at+".guards.rules", a)
	}
}

// numbers are the limits and times of an analysis.
func (c *checker) numbers(at string, a *Analysis) {
	c.must(a.Interval.D() >= time.Second, at+".interval", "must be at least 1s")
	c.must(a.Window >= a.Interval, at+".window", "must be at least the interval (%s)", a.Interval)
	c.must(a.MinRequests >= 1, at+".minRequests", "must be at least 1")
	c.judge(at, a)
	if e := a.Errors; e != nil {
		c.metric(at+".errors", e.Tolerate, e.Unacceptable, e.Margin)
		c.must(e.SLO != nil && *e.SLO > 0 && *e.SLO <= 100, at+".errors.slo", "must be a percentage above 0, up to 100")
	}
	c.must(a.Errors != nil, at+".errors", "must be there; read the plan from its file")
	if a.Guards != nil {
		c.guards(at+".guards", a.Guards)
	}
	if l := a.Latency; l != nil {
		c.metric(at+".latency", l.Tolerate, l.Unacceptable, l.Margin)
		c.must(l.SLO == nil || l.SLO.P99 > 0, at+".latency.slo.p99", "give a limit, such as 500ms")
	}
}

// judge checks the times and the chances of the comparison.
func (c *checker) judge(at string, a *Analysis) {
	c.must(a.Interval > 0 && a.Block >= a.Interval && a.Block%a.Interval == 0, at+".block", "must be a whole multiple of the interval (%s)", a.Interval)
	c.must(a.History >= 10*a.Interval, at+".history", "must be at least ten intervals")
	c.must(a.FalseAlarms >= 0.1 && a.FalseAlarms <= 20, at+".falseAlarms", "must be from 0.1 to 20 percent")
	c.must(a.Misses >= 0.1 && a.Misses <= 20, at+".misses", "must be from 0.1 to 20 percent")
	c.must(slices.Contains([]string{AfterPatienceAsk, AfterPatiencePromote, AfterPatienceRollback}, a.AfterPatience), at+".afterPatience",
		"must be %s, %s or %s", AfterPatienceAsk, AfterPatiencePromote, AfterPatienceRollback)
}

func (c *checker) metric(at string, tolerate, unacceptable Ratio, margin *float64) {
	c.must(tolerate >= 1 && tolerate <= 100, at+".tolerate", "must be at least 1x, and at most 100x")
	c.must(unacceptable >= tolerate && unacceptable <= 1000, at+".unacceptable", "must be at least what is tolerated (%s), and at most 1000x", tolerate)
	c.must(margin != nil && *margin >= 0 && *margin <= 100, at+".margin", "must be from 0 to 100 percentage points")
}

func (c *checker) label(field, value string, required bool) {
	if value == "" && !required {
		return
	}
	c.must(IsLabel(value), field,
		"must be a DNS label: 1 to 63 lower-case letters, digits or '-', not %q", value)
}

func (c *checker) name(field, value string) {
	c.must(regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`).MatchString(value), field,
		"must be the name of a Kubernetes object, not %q", value)
}

// IsLabel reports whether a name is a DNS label, as services and environments are named.
func IsLabel(name string) bool {
	return regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`).MatchString(name)
}
