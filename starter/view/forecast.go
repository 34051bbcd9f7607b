// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Forecast is what a release would do: a line per step, then what they add up to.
func Forecast(f forecast.Forecast) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s by %s\n", f.Environment, f.Service, f.Strategy)
	if f.Chosen != nil {
		reasons(&b, f.Chosen.Reasons)
	}
	b.WriteString("\n")
	steps(&b, f.Steps)
	b.WriteString("\n")
	totals(&b, f)
	return b.String()
}

func steps(b *strings.Builder, all []forecast.Step) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, " #\tSTEP\tUSERS\tTAKES\tPODS\tEXPOSED\tUNDO")
	for i, s := range all {
		_, _ = fmt.Fprintf(w, "%2d\t%s\t%3d %%\t%s\t%s\t%s\t%s\n",
			s.Number, s.What, s.Share, stepTime(s), extraPods(s.Extra, s.ExtraPods), exposed(s.UserMinutes), undo(all[:i+1]))
	}
	_ = w.Flush()
}

// stepTime is how long a step takes, or what it waits for.
func stepTime(s forecast.Step) string {
	switch {
	case s.Takes == 0 && s.Until == "":
		return "moments"
	case s.Takes == 0:
		return fmt.Sprintf("until %s, at most %s", s.Until, s.Within)
	}
	text := s.Takes.String()
	if s.Until != "" {
		text += " once " + s.Until
	}
	if s.WarmUp > 0 {
		text += fmt.Sprintf(", warm-up %s", s.WarmUp)
	}
	return text
}

// extraPods is their number, or their share while nobody has said how many pods there are.
func extraPods(share plan.Size, n *int) string {
	switch {
	case n == nil:
		return "+" + share.String()
	case *n == 0:
		return "-"
	}
	return fmt.Sprintf("+%d", *n)
}

// undo is that of the last step, told by what it has in common with the undo of an earlier one.
func undo(all []forecast.Step) string {
	last := all[len(all)-1].Undo
	if len(last) == 0 {
		return "nothing to undo"
	}
	for i := range last {
		for _, s := range all[:len(all)-1] {
			if !slices.Equal(s.Undo, last[i:]) {
				continue
			}
			if i == 0 {
				return fmt.Sprintf("as %d", s.Number)
			}
			return fmt.Sprintf("%s, then as %d", strings.Join(last[:i], ", "), s.Number)
		}
	}
	return strings.Join(last, ", ")
}

func exposed(userMinutes float64) string {
	if userMinutes == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", userMinutes)
}

// totals are the sums, and what to know before one begins.
func totals(b *strings.Builder, f forecast.Forecast) {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { _, _ = fmt.Fprintf(w, name+"\t"+format+"\n", args...) }
	line("time", "%s, and the waits for pods, router and people; with all of them at most %s", f.Takes, f.AtMost)
	line("cost", "%s", cost(f))
	line("blast radius", "%s", blast(f.Blast))
	line("undo", "%s; all of it takes at most %s", f.Back, f.UndoWithin)
	line("no return", "step %d; from there on the way back is %s", f.NoReturn, f.WayBack)
	if u := f.Unmeasured; u != nil {
		line("no verdict", "a step that cannot be measured goes on for at most %s, then people are asked for at most %s, then it is undone", u.Patience, u.AskWithin)
	}
	for _, r := range f.Rules {
		line("rule", "%s", rule(r))
	}
	_ = w.Flush()
	sights(b, f)
}

// rule is one of the plan's own, in words.
func rule(r plan.Rule) string {
	what := "takes the candidate back"
	if r.Then == plan.ThenHold {
		what = "holds the weight"
	}
	ticks := "in 1 tick"
	if r.For > 1 {
		ticks = fmt.Sprintf("in %d ticks in a row", r.For)
	}
	text := fmt.Sprintf("%s %s when, %s, %s", r.Name, what, ticks, strings.Join(strings.Fields(r.When), " "))
	if r.DryRun {
		text += "; in dry run, so it is only said"
	}
	return text
}

// never is how long what never happens takes.
const never = 300 * 24 * time.Hour

// sights are what each step sees at the traffic that was asked about.
func sights(b *strings.Builder, f forecast.Forecast) {
	first := true
	for _, s := range f.Steps {
		if s.Sight == nil {
			continue
		}
		if first {
			b.WriteString("\nAt this traffic, warm-up included:\n")
			first = false
		}
		smallest := "nothing shows within its hold"
		if s.Sight.Smallest < 1 {
			smallest = fmt.Sprintf("the smallest that shows within its hold is %.2g %%", 100*s.Sight.Smallest)
		}
		fmt.Fprintf(b, "  step %d at %d %% passes a good candidate %s; catches one that fails %.2g %% of its requests %s; %s\n",
			s.Number, s.Share, within(s.Sight.Passed), 100*s.Sight.Unacceptable, within(s.Sight.Caught), smallest)
	}
	for _, w := range f.Warnings {
		fmt.Fprintf(b, "WARNING: %s\n", w)
	}
}

func within(d plan.Duration) string {
	if d.D() > never {
		return "never"
	}
	return "within " + d.String()
}

func cost(f forecast.Forecast) string {
	c := f.Cost
	switch {
	case c.ExtraPods == nil:
		return fmt.Sprintf("extra pods, %s of the service's, for %s and the waits; --replicas or --live makes it a number", c.Extra, c.For)
	case *c.ExtraPods == 0:
		return "no extra pods"
	}
	return fmt.Sprintf("%d extra pods for %s and the waits: %.1f pod-hours", *c.ExtraPods, c.For, *c.PodHours)
}

func blast(b forecast.Blast) string {
	text := fmt.Sprintf("a fault that only the last verdict finds costs %.0f user-minutes per 100 users", b.UserMinutes)
	if b.BeforePromotion > 0 {
		text += fmt.Sprintf(" (%.0f before everybody is sent over)", b.BeforePromotion)
	}
	if b.FirstLook != nil {
		text += fmt.Sprintf(", one in the first look %.0f", *b.FirstLook)
	}
	return text + "; waits come on top"
}

// Choice is a strategy with what speaks for and against it, and the part of a plan that asks for it.
func Choice(c plan.Choice, snippet string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\nwhy\n", c.Strategy)
	reasons(&b, c.Reasons)
	b.WriteString("\nwhy not\n")
	for _, r := range c.Rejected {
		fmt.Fprintf(&b, "  - %s: %s\n", r.Strategy, r.Why)
	}
	if len(c.Advice) > 0 {
		b.WriteString("\nand\n")
		reasons(&b, c.Advice)
	}
	b.WriteString("\nin a plan\n")
	for line := range strings.Lines(snippet) {
		b.WriteString("  " + line)
	}
	return b.String()
}

func reasons(b *strings.Builder, all []string) {
	for _, r := range all {
		fmt.Fprintf(b, "  - %s\n", r)
	}
}
