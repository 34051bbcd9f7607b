// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan/query"
)

// maxLevels and maxTimes bound what a watch has to remember and to ask.
const (
	maxLevels = 10
	maxTimes  = 10_000
)

func (c *checker) guards(at string, g *Guards) {
	c.times(at+".restarts", g.Restarts)
	c.times(at+".oomKills", g.OOMKills)
	c.times(at+".flapping", g.Flapping)
	c.must(len(g.Saturation) <= maxLevels, at+".saturation", "at most %d levels", maxLevels)
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

func (c *checker) times(at string, t *Times) {
	if t == nil { // its default is as good as written
		return
	}
	c.must(t.Limit >= 1 && t.Limit <= maxTimes, at+".limit", "must be from 1 to %d; to watch it without consequences write dryRun: true", maxTimes)
	c.must(t.Within.D() >= time.Minute && t.Within.D() <= 6*time.Hour, at+".within", "must be from 1m to 6h")
	c.must(t.Tolerate >= 1 && t.Tolerate <= 100, at+".tolerate", "must be at least 1x, and at most 100x")
}
