// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"fmt"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
)

// Fact is one line of a message for people, beside its text.
type Fact struct{ Name, Value string }

// Facts are what a person wants to see of a release, at most eight.
func Facts(m activities.Message) []Fact {
	all := []Fact{{"Release", m.Release}, {"Image", Short(m.Image)}, {"Requested by", m.RequestedBy}}
	if m.Steps > 0 {
		all = append(all, Fact{"Step", fmt.Sprintf("%d of %d, %d %%", m.Step, m.Steps, m.Weight)})
	}
	if c := m.Source.Commit; c != "" {
		all = append(all, Fact{"Commit", m.Source.Repository + "@" + c[:min(12, len(c))]})
	}
	if m.Owner != "" {
		all = append(all, Fact{"Waits for", m.Owner})
	}
	if !m.Deadline.IsZero() {
		all = append(all, Fact{"Until", m.Deadline.UTC().Format(time.DateTime) + " UTC, then " + m.AtDeadline})
	}
	filled := all[:0]
	for _, f := range all {
		if f.Value != "" {
			filled = append(filled, f)
		}
	}
	return filled
}

// Short leaves enough of a digest to tell images apart.
func Short(image string) string {
	name, digest, ok := strings.Cut(image, "@sha256:")
	if !ok || len(digest) < 12 {
		return image
	}
	return name + "@" + digest[:12]
}

// Cut shortens a text to so many characters, the last of them "…" where something is missing.
func Cut(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}
