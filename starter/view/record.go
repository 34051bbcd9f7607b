// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"

	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// Record is a release that was judged again.
type Record struct {
	File    string           `json:"file"`
	Release string           `json:"release"`
	Watches []judge.Replayed `json:"watches"`
}

// caught reports whether a verdict of then, and one of now, rolls the release back.
func (r Record) caught() (then, now bool) {
	for _, w := range r.Watches {
		then = then || w.Then != nil && w.Then.Outcome == decide.Fail
		now = now || w.Now.Outcome == decide.Fail
	}
	return then, now
}

// Records are releases beside what they would have been with other limits, and a line that sums them up.
func Records(all []Record) string {
	var b strings.Builder
	var both, neither, more, fewer int
	for _, r := range all {
		fmt.Fprintf(&b, "%s\n", r.Release)
		for _, w := range r.Watches {
			then := "ended without a verdict"
			if w.Then != nil {
				then = fmt.Sprintf("%s: %s", w.Then.Outcome, w.Then.Reason)
			}
			fmt.Fprintf(&b, "  at %d %%, %d ticks\n    then  %s\n    now   %s at %s: %s\n",
				w.Weight, w.Ticks, then, w.Now.Outcome, w.At.UTC().Format("15:04:05"), w.Now.Reason)
		}
		switch then, now := r.caught(); {
		case then && now:
			both++
		case then:
			fewer++
		case now:
			more++
		default:
			neither++
		}
	}
	fmt.Fprintf(&b, "\n%d releases: %d rolled back then and now, %d only then, %d only now, %d neither\n", len(all), both, fewer, more, neither)
	return b.String()
}
