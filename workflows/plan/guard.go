// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// maxLevels, maxInquiries and maxTimes bound what a watch has to remember and to ask.
const (
	maxLevels    = 10
	maxInquiries = 5
	maxTimes     = 10_000
)

func (c *checker) guards(at string, g *Guards) {
	c.times(at+".restarts", g.Restarts)
	c.times(at+".oomKills", g.OOMKills)
	c.times(at+".flapping", g.Flapping)
	c.must(len(g.Saturation) <= maxLevels, at+".saturation", "at most %d levels", maxLevels)
	c.inquiries(at+".checks", g.Checks)
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

func (c *checker) times(at string, t *Times) {
	if t == nil { // its default is as good as written
		return
	}
	c.must(t.Limit >= 1 && t.Limit <= maxTimes, at+".limit", "must be from 1 to %d; to watch it without consequences write dryRun: true", maxTimes)
	c.must(t.Within.D() >= time.Minute && t.Within.D() <= 6*time.Hour, at+".within", "must be from 1m to 6h")
	c.must(t.Tolerate >= 1 && t.Tolerate <= 100, at+".tolerate", "must be at least 1x, and at most 100x")
}
