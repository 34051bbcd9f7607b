// SPDX-License-Identifier: Apache-2.0

package view

import (
	"slices"
	"strings"

	"github.com/slipwayhq/slipway/workflows"
)

// Size of a terminal in characters; a zero side has no bound.
type Size struct{ Width, Height int }

// Fit draws a picture that can be drawn over: no line is wrapped, and none has left the top. Where the pods do not
// fit they are counted, and where that is still too much the end is shown: what is next, and the keys.
func Fit(f Frame, s Size) string {
	lines := strings.Split(strings.TrimSuffix(Draw(f), "\n"), "\n")
	if s.Height > 0 && len(lines) >= s.Height {
		f.Sight = counted(f.Sight)
		lines = strings.Split(strings.TrimSuffix(Draw(f), "\n"), "\n")
	}
	if s.Height > 1 && len(lines) >= s.Height {
		lines = lines[len(lines)-s.Height+1:]
	}
	for i, l := range lines {
		if r := []rune(l); s.Width > 1 && len(r) > s.Width {
			lines[i] = string(r[:s.Width-1]) + "…"
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// counted is a sight without single pods.
func counted(s workflows.Sight) workflows.Sight {
	s.Workloads = slices.Clone(s.Workloads)
	for i := range s.Workloads {
		s.Workloads[i].Sets = nil
	}
	return s
}
