// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/slipwayhq/slipway/workflows"
)

// Describe is the picture of a release with its messages and its story.
func Describe(f Frame, m workflows.MessengerStatus) string {
	dead := f.Dead
	f.Dead = nil // they are listed below
	var b strings.Builder
	b.WriteString(Draw(f))
	if len(m.Messages) > 0 {
		fmt.Fprintf(&b, "\nmessages (%d of %d are dead)\n", len(dead), len(m.Messages))
		w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		for _, d := range m.Messages {
			row := fmt.Sprintf("  %s\t%s\t%s\t%s", d.At.UTC().Format(time.TimeOnly), d.State, strings.TrimPrefix(d.Key, f.ID+"/"), d.Receiver)
			if d.Reason != "" {
				row += "\t" + d.Reason
			}
			_, _ = fmt.Fprintln(w, row)
		}
		_ = w.Flush()
	}
	b.WriteString("\nstory\n")
	for _, l := range Lines(f.Status, time.Time{}) {
		b.WriteString("  " + l + "\n")
	}
	return b.String()
}
