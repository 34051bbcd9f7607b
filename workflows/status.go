// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"
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
func (c *canary) at(ctx workflow.Context, m moment) {
	if m.owner == "" {
		m.owner = OwnerSlipway
	}
	s := &c.status
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
	return text
}

// enter begins a phase.
func (c *canary) enter(ctx workflow.Context, p Phase) error {
	c.status.Phase = p
	return c.attributes(ctx, PhaseAttribute.ValueSet(string(p)), WeightAttribute.ValueSet(int64(c.status.Weight)))
}

// weighed records a weight that the router was given.
func (c *canary) weighed(ctx workflow.Context, weight int) error {
	c.status.Weight = weight
	return c.attributes(ctx, WeightAttribute.ValueSet(int64(weight)))
}

// judged records a verdict other than pass: those are what people search for.
func (c *canary) judged(ctx workflow.Context, v decide.Verdict) error {
	c.note(ctx, "verdict %s: %s", v.Outcome, v.Reason)
	if v.Outcome == decide.Pass {
		return nil
	}
	return c.attributes(ctx, VerdictAttribute.ValueSet(string(v.Outcome)))
}

func (c *canary) attributes(ctx workflow.Context, updates ...temporal.SearchAttributeUpdate) error {
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return fmt.Errorf("upsert search attributes: %w", err)
	}
	return nil
}

// note adds a line to the story.
func (c *canary) note(ctx workflow.Context, format string, args ...any) {
	c.status.Log = append(c.status.Log, Event{At: workflow.Now(ctx), Weight: c.status.Weight, Text: fmt.Sprintf(format, args...)})
	if extra := len(c.status.Log) - maxLog; extra > 0 {
		c.status.Log = c.status.Log[extra:]
	}
}
