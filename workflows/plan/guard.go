// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan/query"
	"github.com/slipwayhq/slipway/workflows/plan/rule"
)

// What a watch has to remember and to ask is bounded.
const (
	maxLevels    = 10
	maxInquiries = 5
	maxRules     = 10
	maxRuleTicks = 100
	maxTimes     = 10_000
)

func (c *checker) guards(at string, g *Guards) {
	c.times(at+".restarts", g.Restarts)
	c.times(at+".oomKills", g.OOMKills)
	c.times(at+".flapping", g.Flapping)
	c.must(len(g.Saturation) <= maxLevels, at+".saturation", "at most %d levels", maxLevels)
	c.inquiries(at+".checks", g.Checks)
	c.rules(at+".rules", g.Rules)
	names := map[string]bool{}
	for i, s := range g.Saturation {
		field := fmt.Sprintf("%s.saturation[%d]", at, i)
		c.label(field+".name", s.Name, true)
		c.must(!names[s.Name], field+".name", "must differ from the other levels")
		names[s.Name] = true
		c.query(field+".query", s.Query, query.Level)
		c.must(!math.IsNaN(s.Limit) && !math.IsInf(s.Limit, 0), field+".limit", "must be a number")
	}
}

func (c *checker) inquiries(at string, all []Inquiry) {
	c.must(len(all) <= maxInquiries, at, "at most %d checks", maxInquiries)
	names := map[string]bool{}
	for i, q := range all {
		field := fmt.Sprintf("%s[%d]", at, i)
		c.label(field+".name", q.Name, true)
		c.must(!names[q.Name], field+".name", "must differ from the other checks")
		names[q.Name] = true
		c.url(field+".url", q.URL)
		c.must(q.Status >= 100 && q.Status <= 599, field+".status", "must be an HTTP status, 100 to 599")
		c.must(q.Every.D() >= 10*time.Second && q.Every.D() <= 10*time.Minute, field+".every", "must be from 10s to 10m")
		c.must(q.Failures >= 1 && q.Failures <= 10, field+".failures", "must be from 1 to 10")
	}
}

func (c *checker) rules(at string, all []Rule) {
	c.must(len(all) <= maxRules, at, "at most %d rules", maxRules)
	names := map[string]bool{}
	for i, r := range all {
		field := fmt.Sprintf("%s[%d]", at, i)
		c.label(field+".name", r.Name, true)
		c.must(!names[r.Name], field+".name", "must differ from the other rules")
		names[r.Name] = true
		_, err := rule.Compile(r.When)
		c.must(err == nil, field+".when", "%s", fmt.Sprint(err))
		c.must(r.For >= 1 && r.For <= maxRuleTicks, field+".for", "must be from 1 to %d ticks", maxRuleTicks)
		c.must(slices.Contains([]string{ThenRollback, ThenHold}, r.Then), field+".then", "must be %s or %s", ThenRollback, ThenHold)
	}
}

// needs checks that what the rules look at is known where the plan is carried out.
func (c *checker) needs(at string, a *Analysis) {
	for i, r := range a.Guards.Rules {
		read, err := rule.Compile(r.When)
		if err != nil { // that was said already
			continue
		}
		for _, n := range []struct {
			what    string
			there   bool
			instead string
		}{
			{rule.NeedsFlapping, a.Guards.Flapping != nil, "write flapping: {} beside the rules, or with dryRun: true"},
			{rule.NeedsLatency, a.Latency != nil, "latency is not judged: write spec.analysis.latency, or with dryRun: true"},
			{rule.NeedsSLO, a.Latency == nil || a.Latency.SLO != nil, "write spec.analysis.latency.slo.p99"},
		} {
			name, uses := read.Needs(n.what)
			c.must(n.there || !uses, fmt.Sprintf("%s[%d].when", at, i), "%s is never known: %s", name, n.instead)
		}
	}
}

func (c *checker) times(at string, t *Times) {
	if t == nil { // its default is as good as written
		return
	}
	c.must(t.Limit >= 1 && t.Limit <= maxTimes, at+".limit", "must be from 1 to %d; to watch it without consequences write dryRun: true", maxTimes)
	c.must(t.Within.D() >= time.Minute && t.Within.D() <= 6*time.Hour, at+".within", "must be from 1m to 6h")
	c.must(t.Tolerate >= 1 && t.Tolerate <= 100, at+".tolerate", "must be at least 1x, and at most 100x")
}
