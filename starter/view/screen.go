// SPDX-License-Identifier: Apache-2.0

package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// barWidth is the number of cells that stand for 100 %.
const barWidth = 40

// Screen is the picture of a release as it knows itself.
func Screen(s workflows.Status, now time.Time) string { return Draw(Frame{Status: s, Now: now}) }

// Frame is everything that a live picture shows.
type Frame struct {
	workflows.Status
	// Sight are the pods; the zero value: nobody has looked.
	Sight workflows.Sight
	// Present is what is seen right now, in words.
	Present []string
	// Dead are the messages that nobody will get.
	Dead []workflows.Delivery
	Now  time.Time
	// Keys are shown where somebody can press them.
	Keys bool
	// Said is the answer to the last key.
	Said string
}

// Draw is the whole picture.
func Draw(f Frame) string {
	var b strings.Builder
	s, now := f.Status, f.Now
	end := now
	if !s.Ended.IsZero() {
		end = s.Ended
	}
	fmt.Fprintf(&b, "%s  %s/%s  %s  %s\n", s.ID, s.Environment, s.Service, strings.ToUpper(string(s.Phase)), span(end.Sub(s.Started)))
	fmt.Fprintf(&b, "%s by %s, requested by %s\n", short(s.Image), s.Strategy, s.RequestedBy)
	origin(&b, s.Source)
	reasons(&b, s.Chosen)
	b.WriteString("\n")
	traffic(&b, s)
	if !s.Phase.Ended() {
		pods(&b, s, f.Sight)
	}
	line(&b, mark(after(s, workflows.Deploying), s.Phase == workflows.Deploying), "deploy", s.Candidate)
	for i, step := range s.Track {
		branch := "├─"
		if i == len(s.Track)-1 {
			branch = "└─"
		}
		fmt.Fprintf(&b, " %s %s %s %s\n", branch, stepMark(step.State), stepName(step), stepText(step, now))
	}
	line(&b, mark(after(s, workflows.Promoting), s.Phase == workflows.Promoting), "promote", "")
	line(&b, mark(after(s, workflows.Baking), s.Phase == workflows.Baking), "bake", bakeText(s, now))
	line(&b, mark(after(s, workflows.Retiring), s.Phase == workflows.Retiring), "retire", s.Stable)
	b.WriteString("\n")
	footer(&b, s, now)
	for _, p := range f.Present {
		fmt.Fprintf(&b, "now:  %s\n", p)
	}
	for _, d := range f.Dead {
		fmt.Fprintf(&b, "not told: %s to %s: %s\n", strings.TrimPrefix(d.Key, s.ID+"/"), d.Receiver, d.Reason)
	}
	keys(&b, f)
	return b.String()
}

// origin is where the release comes from, if it has said so.
func origin(b *strings.Builder, o workflows.Source) {
	if o.Commit != "" {
		fmt.Fprintf(b, "commit %s of %s\n", o.Commit[:min(12, len(o.Commit))], o.Repository)
	}
	if o.URL != "" {
		fmt.Fprintf(b, "asked for by %s\n", o.URL)
	}
}

// traffic is a bar per track.
func traffic(b *strings.Builder, s workflows.Status) {
	if s.Stable == "" {
		return
	}
	width := max(len(s.Stable), len(s.Candidate))
	cells := s.Weight * barWidth / 100
	fmt.Fprintf(b, "stable     %-*s  %s %3d %%\n", width, s.Stable, bar(barWidth-cells), 100-s.Weight)
	fmt.Fprintf(b, "candidate  %-*s  %s %3d %%\n\n", width, s.Candidate, bar(cells), s.Weight)
}

func bar(full int) string {
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}

func line(b *strings.Builder, mark, name, text string) {
	b.WriteString(strings.TrimRight(fmt.Sprintf(" %s %-8s %s", mark, name, text), " ") + "\n")
}

// The marks of things that are done, under way, to come, failed and left out.
const (
	done    = "✔"
	present = "▶"
	future  = "·"
	bad     = "✘"
	left    = "–"
)

func mark(isDone, isPresent bool) string {
	switch {
	case isDone:
		return done
	case isPresent:
		return present
	}
	return future
}

func stepMark(s workflows.StepState) string {
	switch s {
	case workflows.Passed:
		return done
	case workflows.Failed:
		return bad
	case workflows.Skipped:
		return left
	case workflows.Pending:
		return future
	case workflows.Shifting, workflows.Watching, workflows.Asking:
	}
	return present
}

// after reports whether a release has left a phase behind. One that was taken back tells it by how
// far its weight came.
func after(s workflows.Status, p workflows.Phase) bool {
	if slices.Contains([]workflows.Phase{workflows.Undoing, workflows.Undone, workflows.NeedsPerson}, s.Phase) {
		return p == workflows.Deploying && s.MaxWeight > 0 || p == workflows.Promoting && s.MaxWeight == 100
	}
	order := []workflows.Phase{
		workflows.Preflight, workflows.Deploying, workflows.Stepping, workflows.Promoting,
		workflows.Baking, workflows.Retiring, workflows.Promoted,
	}
	return slices.Index(order, s.Phase) > slices.Index(order, p)
}

// stepName is a weight, or what else the step is called.
func stepName(step workflows.StepStatus) string {
	if step.Name != "" {
		return fmt.Sprintf("%-9s", step.Name)
	}
	return fmt.Sprintf("%3d %%    ", step.Weight)
}

func stepText(step workflows.StepStatus, now time.Time) string {
	switch {
	case step.Verdict != nil && !step.Ended.IsZero():
		return fmt.Sprintf("%s in %s: %s", step.State, span(step.Ended.Sub(step.Started)), step.Verdict.Reason)
	case step.Verdict != nil:
		return fmt.Sprintf("%s: %s", step.State, step.Verdict.Reason)
	case step.State == workflows.Watching && step.Hold > 0:
		return fmt.Sprintf("watching for %s of %s", span(now.Sub(step.Started)), step.Hold)
	case step.State == workflows.Pending && step.Hold > 0:
		return "hold " + step.Hold.String()
	}
	return string(step.State)
}

// footer is what happens next, or how it ended.
func footer(b *strings.Builder, s workflows.Status, now time.Time) {
	if s.Phase.Ended() {
		fmt.Fprintf(b, "%s: %s\n", s.Phase, s.Outcome)
		return
	}
	if s.Paused {
		b.WriteString("PAUSED: it stays at this weight and is watched\n")
	}
	if s.Held != nil {
		held(b, s, now)
		return
	}
	fmt.Fprintf(b, "next: %s (%s)\n", s.Next, s.Owner)
	if !s.Deadline.IsZero() {
		fmt.Fprintf(b, "      within %s, else %s\n", span(s.Deadline.Sub(now)), s.AtDeadline)
	}
	if asks(s) {
		fmt.Fprintf(b, "      answer: slipway approve %s/%s, or slipway abort\n", s.Environment, s.Service)
	}
	if left := remaining(s, now); left > 0 {
		fmt.Fprintf(b, "left: about %s, and the waits for pods, router and people\n", plan.Duration(left.Truncate(time.Second)))
	}
}

// asks reports whether people are asked something that an approval answers.
func asks(s workflows.Status) bool {
	return s.Owner == workflows.OwnerPeople && !s.Paused && s.Held == nil && !s.Phase.Ended()
}

// remaining is the time of the holds and the bake that are still to come; 0 where nothing is timed.
func remaining(s workflows.Status, now time.Time) time.Duration {
	if s.Phase == workflows.Undoing || after(s, workflows.Baking) {
		return 0
	}
	left := func(of plan.Duration, since time.Time) time.Duration {
		if since.IsZero() {
			return of.D()
		}
		return max(0, of.D()-now.Sub(since))
	}
	total := left(s.Bake, s.BakeStarted)
	for _, step := range s.Track {
		switch step.State {
		case workflows.Pending, workflows.Shifting, workflows.Watching:
			total += left(step.Hold, step.Started)
		case workflows.Asking, workflows.Passed, workflows.Failed, workflows.Skipped:
		}
	}
	return total
}

func bakeText(s workflows.Status, now time.Time) string {
	switch {
	case s.Bake == 0:
		return ""
	case s.Phase == workflows.Baking && !s.BakeStarted.IsZero():
		return fmt.Sprintf("watching for %s of %s", span(now.Sub(s.BakeStarted)), s.Bake)
	case after(s, workflows.Baking) || s.Phase.Ended() || s.Phase == workflows.Undoing:
		return ""
	}
	return "hold " + s.Bake.String()
}

// keys are those that do something now.
func keys(b *strings.Builder, f Frame) {
	if f.Said != "" {
		fmt.Fprintf(b, "\n%s\n", f.Said)
	}
	if !f.Keys || f.Phase.Ended() {
		return
	}
	var all []string
	if asks(f.Status) {
		all = append(all, "[a] approve")
	}
	switch {
	case f.Phase == workflows.Undoing || f.Phase == workflows.Retiring:
	case f.Paused:
		all = append(all, "[r] resume", "[x] abort")
	default:
		all = append(all, "[p] pause", "[x] abort")
	}
	fmt.Fprintf(b, "\n%s\n", strings.Join(append(all, "[q] leave it, it goes on"), "  "))
}

// held is a release that a freeze or a stopped line keeps at its weight.
func held(b *strings.Builder, s workflows.Status, now time.Time) {
	fmt.Fprintf(b, "HELD: it stays at this weight and is watched\nnext: %s\n", s.Next)
	if !s.Deadline.IsZero() {
		fmt.Fprintf(b, "      for %s, then %s\n", span(s.Deadline.Sub(now)), s.AtDeadline)
	}
}

// Lines are the part of the story that a plain log has not shown yet.
func Lines(s workflows.Status, shown time.Time) []string {
	var out []string
	for _, e := range s.Log {
		if e.At.After(shown) {
			out = append(out, fmt.Sprintf("%s  %3d %%  %s", e.At.UTC().Format(time.TimeOnly), e.Weight, e.Text))
		}
	}
	return out
}

// span rounds to what a person reads at a glance.
func span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	return d.Truncate(time.Second).String()
}

// short leaves enough of a digest to tell images apart.
func short(image string) string {
	name, digest, ok := strings.Cut(image, "@sha256:")
	if !ok || len(digest) < 12 {
		return image
	}
	return name + "@" + digest[:12]
}
