// SPDX-License-Identifier: Apache-2.0

package forecast

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// canary is what package workflows' Canary does.
func (s *script) canary(c plan.Canary) {
	s.preflight()
	s.deploy(c.ReadyWithin)
	if c.Testers != nil {
		s.openPreview(c.Testers.Mark())
	}
	s.checks(c.Checks)
	s.mirror(c.Mirror)
	for _, step := range c.Steps {
		s.shift(step.Weight, step.Hold)
		s.checks(step.Checks)
		s.gate(step.Gate)
	}
	s.promote()
	if c.Testers != nil {
		s.closePreview()
	}
	s.finish(c.Bake)
}

// byPods are the steps at the weights that whole pods make, where pods are what shares the requests out.
func byPods(c plan.Canary, replicas int) ([]plan.Step, error) {
	pods, err := decide.Split(c.Weights(), replicas)
	if err != nil {
		return nil, err
	}
	out := slices.Clone(c.Steps)
	for i, n := range pods {
		out[i].Weight = decide.Ratio(n, replicas)
	}
	return out, nil
}

// mirror sends the candidate copies, and watches it by them. Afterwards nothing is copied any more.
func (s *script) mirror(m *plan.Mirror) {
	if m == nil {
		return
	}
	before, within := s.undo, s.undoWithin
	s.push("copy no more requests")
	s.undoWithin = s.settle() + plan.Duration(decide.Drain)
	s.add(Step{
		What:  fmt.Sprintf("copy %d %% of requests to the candidate, watch and judge", m.Percent),
		Takes: m.Hold, WarmUp: s.warmUp(m.Hold), Until: "copied", Within: 2 * s.settle(), // into the router, and out of it
	})
	s.undo, s.undoWithin = before, within
}

// blueGreen is what package workflows' BlueGreen does.
func (s *script) blueGreen(b plan.BlueGreen) {
	s.preflight()
	s.deploy(b.ReadyWithin)
	if b.Preview != nil {
		s.preview(*b.Preview)
	}
	s.measure()
	s.gate(b.Gate)
	if b.Preview != nil && b.Preview.Header != nil {
		s.closePreview()
	}
	s.promote()
	s.finish(b.Bake)
}

// preview tests the candidate while everybody reaches stable.
func (s *script) preview(p plan.Preview) {
	if p.Header != nil {
		s.openPreview(plan.Testers{Header: p.Header}.Mark())
	}
	s.checks(p.Checks)
	if l := p.Load; l != nil {
		s.add(Step{What: fmt.Sprintf("send %d requests/s to the candidate", l.Rate), Takes: l.For})
	}
}

const closePreview = "close the preview route"

func (s *script) openPreview(mark string) {
	s.push(closePreview)
	s.add(Step{What: "open the preview route: " + mark})
}

func (s *script) closePreview() {
	s.undo = slices.DeleteFunc(s.undo, func(u string) bool { return u == closePreview })
	s.add(Step{What: closePreview})
}

// measure waits for what stable did before the switch. It is counted from the beginning, beside all other
// steps, so that only the rest of the window is waited for.
func (s *script) measure() {
	if !s.measured() {
		return
	}
	a := s.plan.Spec.Analysis
	rest := a.Window
	for _, step := range s.steps {
		rest -= step.Takes
	}
	s.add(Step{What: "measure stable, to compare with later", Takes: max(rest, 0), Within: a.Patience})
}

// checks follow each other; each must pass in its time.
func (s *script) checks(all []plan.Check) {
	var names []string
	var within plan.Duration
	jobs := false
	for _, c := range all {
		name := c.Name
		if c.Job != nil {
			name, jobs = name+" by a Job of CronJob "+c.Job.CronJob, true
		}
		names, within = append(names, name), within+c.Within
	}
	if len(names) == 0 {
		return
	}
	before, bound := s.undo, s.undoWithin
	if jobs {
		s.sweepJob()
	}
	s.add(Step{What: "check " + strings.Join(names, ", "), Until: "passed", Within: within})
	s.undo, s.undoWithin = before, bound
}

// sweepJob is what takes a check's Job back: users that are on the new version come first.
func (s *script) sweepJob() {
	const what = "delete the check's Job"
	switch {
	case s.plan.Spec.Strategy.Rolling != nil:
		s.undo = append(slices.Clone(s.undo), what)
	case s.share > 0:
		s.undo = slices.Insert(slices.Clone(s.undo), len(s.undo)-1, what)
		s.undoWithin += plan.Duration(decide.InFlight)
	default:
		s.push(what)
	}
}

// rolling is what package workflows' Rolling does.
func (s *script) rolling(r plan.Rolling) {
	s.survey()
	s.measure()
	s.undo, s.undoWithin = []string{"bring the former revision back", "restore the workload's settings"}, r.ReadyWithin
	if r.MaxSurge != nil {
		s.extra = *r.MaxSurge
	}
	size := s.replicas
	if size == 0 {
		size = 100 // batches are shares then
	}
	for i, n := range decide.Batches(r.Batches, size) {
		s.batch(r, n, size)
		s.checks(r.Checks)
		if i == 0 {
			s.gate(r.Gate)
		}
	}
	s.extra = plan.Size{}
	s.add(Step{What: "bake, with the former revision kept", Takes: r.Bake, WarmUp: s.warmUp(r.Bake)})
	s.leave("restore the workload's settings", "slipway undo -f PLAN")
}

// survey is the preflight of a release in place.
func (s *script) survey() {
	s.back = "users come back pod by pod, as those of the former revision become ready"
	what := "look at the workload"
	if s.measured() {
		what = "look at workload and metrics"
	}
	s.add(Step{What: what})
}

// batch replaces pods and watches; the last one goes straight on to its checks and the bake.
func (s *script) batch(r plan.Rolling, n, size int) {
	s.share = max(1, 100*n/size)
	step := Step{What: fmt.Sprintf("replace pods until %d of %d are new", n, size), Until: "ready", Within: r.ReadyWithin}
	if s.replicas == 0 {
		step.What = fmt.Sprintf("replace pods until %d %% are new", n)
	}
	if _, missing := decide.Limits(r.MaxSurge, r.MaxUnavailable, size); missing > 0 && s.replicas > 0 {
		step.What += fmt.Sprintf(", %d missing", missing)
	}
	if n < size {
		step.What += ", watch"
		step.Takes, step.WarmUp = r.Soak, s.warmUp(r.Soak)
	}
	s.add(step)
}
