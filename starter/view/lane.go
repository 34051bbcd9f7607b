// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/decide"
)

// Lane is the whole picture of a lane.
func Lane(s workflows.LaneStatus, now time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s\n\n", s.Environment, s.Service)
	if j := s.Running; j != nil {
		fmt.Fprintf(&b, "runs    %s  %s%s\n", j.ID, short(j.Image), asked(*j, now))
	} else {
		b.WriteString("runs    nothing\n")
	}
	for i, j := range s.Waiting {
		fmt.Fprintf(&b, "waits %d %s  %s%s\n", i+1, j.ID, short(j.Image), asked(j, now))
	}
	if s.Why != "" && len(s.Waiting) > 0 {
		fmt.Fprintf(&b, "        because %s\n", s.Why)
	}
	for _, h := range decide.Standing(slices.Concat(s.Above.Holds, s.Freezes), now) {
		fmt.Fprintf(&b, "held    %s\n", h)
	}
	for _, q := range slices.Backward(s.Quarantine) {
		fmt.Fprintf(&b, "barred  %s  since %s (%s)\n", short(q.Image), q.Release, q.Why)
	}
	for _, e := range slices.Backward(s.Ends) {
		fmt.Fprintf(&b, "ended   %s  %s  %s: %s\n", e.ID, e.At.UTC().Format(time.DateTime), e.Phase, e.Outcome)
	}
	return b.String()
}

// asked is who wants a job, how, and since when.
func asked(j decide.Job, now time.Time) string {
	text := ""
	switch {
	case j.Hotfix:
		text = "  hotfix"
	case j.Rollback:
		text = "  rollback"
	}
	text += fmt.Sprintf("  by %s, %s ago", j.By, span(now.Sub(j.Since)))
	for _, why := range []string{j.Override, j.OverrideFreeze} {
		if why != "" {
			text += "; overrides: " + why
		}
	}
	return text
}
