// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/workflows/decide"
)

// The search attributes of a release. The worker creates those that its namespace lacks.
var (
	ServiceAttribute     = temporal.NewSearchAttributeKeyKeyword("SlipwayService")
	EnvironmentAttribute = temporal.NewSearchAttributeKeyKeyword("SlipwayEnvironment")
	StrategyAttribute    = temporal.NewSearchAttributeKeyKeyword("SlipwayStrategy")
	PhaseAttribute       = temporal.NewSearchAttributeKeyKeyword("SlipwayPhase")
	VerdictAttribute     = temporal.NewSearchAttributeKeyKeyword("SlipwayVerdict")
	WeightAttribute      = temporal.NewSearchAttributeKeyInt64("SlipwayWeight")
	DigestAttribute      = temporal.NewSearchAttributeKeyKeyword("SlipwayDigest")
	CommitAttribute      = temporal.NewSearchAttributeKeyKeyword("SlipwayCommit")
	RequesterAttribute   = temporal.NewSearchAttributeKeyKeyword("SlipwayRequester")
	// OutcomeAttribute is a text: a search finds its words.
	OutcomeAttribute = temporal.NewSearchAttributeKeyString("SlipwayOutcome")
)

// maxLog bounds the story kept in a status; the history has all of it.
const maxLog = 200

// Owners of a wait.
const (
	OwnerSlipway = "slipway"
	OwnerPeople  = "people"
)

// moment is what happens next, who does it, until when, and what happens if it does not.
type moment struct {
	next       string
	owner      string
	deadline   time.Time
	atDeadline string
}

// at shows the present moment in the status and in Temporal's UI.
func (r *release) at(ctx workflow.Context, m moment) {
	if m.owner == "" {
		m.owner = OwnerSlipway
	}
	s := &r.status
	s.Next, s.Owner, s.Deadline, s.AtDeadline = m.next, m.owner, m.deadline, m.atDeadline
	workflow.SetCurrentDetails(ctx, details(*s))
}

// details is the status as Temporal's UI shows it, in Markdown.
func details(s Status) string {
	text := fmt.Sprintf("**%s** of `%s` in %s, %d %% on the candidate\n\n- next: %s\n- owner: %s\n",
		s.Phase, s.Service, s.Environment, s.Weight, s.Next, s.Owner)
	if !s.Deadline.IsZero() {
		text += fmt.Sprintf("- deadline: %s, then %s\n", s.Deadline.UTC().Format(time.RFC3339), s.AtDeadline)
	}
	if s.Outcome != "" {
		text += "- outcome: " + s.Outcome + "\n"
	}
	text += fmt.Sprintf("- image: `%s`, by %s, requested by %s\n", s.Image, s.Strategy, s.RequestedBy)
	if s.Source.Commit != "" {
		text += fmt.Sprintf("- commit: `%s` of %s\n", s.Source.Commit, s.Source.Repository)
	}
	return text + stepTable(s.Track)
}

// stepTable is a row for each step; nothing where there are none.
func stepTable(track []StepStatus) string {
	if len(track) == 0 {
		return ""
	}
	rows := []string{"\n| step | hold | state | verdict |\n| --- | --- | --- | --- |\n"}
	for _, t := range track {
		name, verdict := t.Name, ""
		if name == "" {
			name = fmt.Sprintf("%d %%", t.Weight)
		}
		if t.Verdict != nil {
			verdict = strings.ReplaceAll(strings.ReplaceAll(t.Verdict.Reason, "|", "\\|"), "\n", " ")
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s | %s |\n", name, t.Hold, t.State, verdict))
	}
	return strings.Join(rows, "")
}

// enter begins a phase, and shows with it what else there is to show.
func (r *release) enter(ctx workflow.Context, p Phase, also ...temporal.SearchAttributeUpdate) error {
	r.status.Phase = p
	return r.attributes(ctx, append(also, PhaseAttribute.ValueSet(string(p)), WeightAttribute.ValueSet(int64(r.status.Weight)))...)
}

// weighed records a weight that the router was given.
func (r *release) weighed(ctx workflow.Context, weight int) error {
	r.status.Weight = weight
	return r.enter(ctx, r.status.Phase)
}

// judged records a verdict other than pass: those are what people search for.
func (r *release) judged(ctx workflow.Context, v decide.Verdict) error {
	r.note(ctx, "verdict %s: %s", v.Outcome, v.Reason)
	if v.Outcome == decide.Pass {
		return nil
	}
	return r.attributes(ctx, VerdictAttribute.ValueSet(string(v.Outcome)))
}

// maxKeyword is what a keyword can hold in every database that Temporal searches in, in characters.
const maxKeyword = 200

// keyword is a text as an attribute can hold it.
func keyword(text string) string {
	if r := []rune(text); len(r) > maxKeyword {
		return string(r[:maxKeyword])
	}
	return text
}

func (r *release) attributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("upsert search attributes: %w", err)
	}
	return nil
}

// note adds a line to the story.
func (r *release) note(ctx workflow.Context, format string, args ...any) {
	r.status.Log = append(r.status.Log, Event{At: workflow.Now(ctx), Weight: r.status.Weight, Text: fmt.Sprintf(format, args...)})
	if extra := len(r.status.Log) - maxLog; extra > 0 {
		r.status.Log = r.status.Log[extra:]
	}
}
