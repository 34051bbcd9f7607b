// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/server/slack/payload"
	"github.com/slipwayhq/slipway/workflows"
)

const (
	// barWidth is the number of cells that stand for 100 %.
	barWidth = 20
	// maxSection is what Slack takes in one section, in characters, with room for marks.
	maxSection = 2900
)

// rendered is the message of a release.
type rendered struct {
	blocks []slackapi.Block
	// plain is for notifications, and for what cannot show blocks.
	plain string
}

// render draws a release. The same status gives the same message.
func render(s workflows.Status, ui string) rendered {
	m := rendered{plain: fmt.Sprintf("%s of %s in %s: %s, %d %%", s.ID, s.Service, s.Environment, s.Phase, s.Weight)}
	title := fmt.Sprintf("%s *%s* in *%s*  %s\n`%s` by %s, requested by %s", mark(s), escape(s.Service), escape(s.Environment),
		strings.ToUpper(string(s.Phase)), escape(s.ID), escape(s.Strategy), escape(s.RequestedBy))
	if ui != "" {
		title += fmt.Sprintf("  <%s/workflows/%s%%2F%s|history>", strings.TrimRight(ui, "/"), s.Environment, s.Service)
	}
	m.section(title)
	m.section(fmt.Sprintf("image `%s`\nplan `%s`", escape(s.Image), short(s.PlanHash)))
	if s.Stable != "" {
		m.section("```" + bar("stable", 100-s.Weight) + "\n" + bar("candidate", s.Weight) + "```")
	}
	if text := progress(s); text != "" {
		m.section(text)
	}
	m.section(footer(s))
	if !s.Phase.Ended() {
		m.blocks = append(m.blocks, buttons(s))
	}
	return m
}

func (m *rendered) section(text string) {
	m.blocks = append(m.blocks, slackapi.NewSectionBlock(slackapi.NewTextBlockObject(slackapi.MarkdownType, clip(text, maxSection), false, false), nil, nil))
}

// mark is what a glance at a channel shows.
func mark(s workflows.Status) string {
	switch {
	case s.Phase == workflows.Promoted:
		return ":white_check_mark:"
	case s.Phase == workflows.NeedsPerson:
		return ":rotating_light:"
	case s.Phase.Ended():
		return ":leftwards_arrow_with_hook:"
	case s.Asks != nil:
		return ":raised_hand:"
	case s.Paused || s.Held != nil:
		return ":double_vertical_bar:"
	}
	return ":ship:"
}

func bar(name string, weight int) string {
	full := weight * barWidth / 100
	return fmt.Sprintf("%-9s %s%s %3d %%", name, strings.Repeat("█", full), strings.Repeat("░", barWidth-full), weight)
}

// progress is the present step, and the newest verdict in its own words.
func progress(s workflows.Status) string {
	var lines []string
	if s.Step > 0 && s.Step <= len(s.Track) {
		step := s.Track[s.Step-1]
		name := fmt.Sprintf("%d %%", step.Weight)
		if step.Name != "" {
			name = escape(step.Name)
		}
		lines = append(lines, fmt.Sprintf("step %d of %d (%s): %s", s.Step, s.Steps, name, step.State))
	}
	for _, step := range slices.Backward(s.Track) {
		if step.Verdict != nil {
			lines = append(lines, fmt.Sprintf("verdict *%s*: %s", step.Verdict.Outcome, escape(step.Verdict.Reason)))
			break
		}
	}
	return strings.Join(lines, "\n")
}

// footer is what happens next, or how it ended.
func footer(s workflows.Status) string {
	if s.Phase.Ended() {
		return fmt.Sprintf("*%s*: %s", s.Phase, escape(s.Outcome))
	}
	text := "next: " + escape(s.Next)
	if s.Paused {
		text = "*paused*: it stays at this weight and is watched\n" + text
	}
	if q := s.Asks; q != nil {
		text = fmt.Sprintf(":raised_hand: *%s*", escape(q.Text))
		if q.Quorum > 0 {
			text += fmt.Sprintf("\n%d of %d so far%s", len(q.Approvals), q.Quorum, by(q.Approvals))
		}
		if q.FourEyes {
			text += fmt.Sprintf("; not by %s, who has requested it", escape(s.RequestedBy))
		}
	}
	if !s.Deadline.IsZero() {
		text += fmt.Sprintf("\nuntil %s, then %s", date(s.Deadline), escape(s.AtDeadline))
	}
	return text
}

func by(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return ": " + escape(strings.Join(names, ", "))
}

// date is shown in the time zone of whoever reads it.
func date(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format(time.RFC3339))
}

// buttons are what can be decided now.
func buttons(s workflows.Status) slackapi.Block {
	value := targetOf(s).String()
	var all []slackapi.BlockElement
	if s.Asks != nil && s.Asks.Quorum > 0 {
		all = append(all,
			button(workflows.Approve, "Approve", value).WithStyle(slackapi.StylePrimary).
				WithConfirm(confirm("Approve?", fmt.Sprintf("%s\nrelease %s", s.Asks.Text, s.ID), "Approve")),
			button(workflows.Reject, "Reject…", value))
	}
	switch {
	case s.Paused:
		all = append(all, button(workflows.Resume, "Resume", value).WithConfirm(confirm("Resume?", "The release goes on.", "Resume")))
	case s.Phase != workflows.Undoing && s.Phase != workflows.Retiring:
		all = append(all, button(workflows.Pause, "Pause", value).WithConfirm(confirm("Pause?", "It stays at this weight, and is watched.", "Pause")))
	}
	if s.Held != nil {
		all = append(all, button(workflows.Override, "Override freeze…", value))
	}
	if s.Phase == workflows.Stepping {
		all = append(all, button(workflows.Promote, "Promote now…", value))
	}
	if s.Phase != workflows.Retiring {
		all = append(all, button(workflows.Abort, "Abort…", value).WithStyle(slackapi.StyleDanger))
	}
	return slackapi.NewActionBlock("slipway", all...)
}

func button(command, text, value string) *slackapi.ButtonBlockElement {
	return slackapi.NewButtonBlockElement(payload.Prefix+command, value, slackapi.NewTextBlockObject(slackapi.PlainTextType, text, false, false))
}

func confirm(title, text, yes string) *slackapi.ConfirmationBlockObject {
	plain := func(s string, n int) *slackapi.TextBlockObject {
		return slackapi.NewTextBlockObject(slackapi.PlainTextType, clip(s, n), false, false)
	}
	return slackapi.NewConfirmationBlockObject(plain(title, 100), plain(text, 300), plain(yes, 30), plain("Cancel", 30))
}

// modal asks for a reason.
func modal(command string, t payload.Target) slackapi.ModalViewRequest {
	plain := func(s string) *slackapi.TextBlockObject {
		return slackapi.NewTextBlockObject(slackapi.PlainTextType, clip(s, 24), false, false)
	}
	input := slackapi.NewPlainTextInputBlockElement(nil, payload.ReasonField)
	input.Multiline, input.MaxLength = true, 1000
	title, what := form(command)
	about := slackapi.NewTextBlockObject(slackapi.MarkdownType, fmt.Sprintf("`%s` of *%s*\n%s", escape(t.Release), escape(t.Lane), what), false, false)
	return slackapi.ModalViewRequest{
		Type: slackapi.VTModal, CallbackID: payload.Prefix + command, PrivateMetadata: t.String(),
		Title: plain(title), Submit: plain(strings.Fields(title)[0]), Close: plain("Cancel"),
		Blocks: slackapi.Blocks{BlockSet: []slackapi.Block{
			slackapi.NewSectionBlock(about, nil, nil),
			slackapi.NewInputBlock(payload.ReasonField, plain("Why?"), nil, input),
		}},
	}
}

// form is the title of a modal, of which the first word is on its button, and what will happen.
func form(command string) (title, what string) {
	switch command {
	case workflows.Reject:
		return "Reject", "The answer is no: the release is undone."
	case workflows.Promote:
		return "Promote now", "The steps that are left are skipped, with their verdicts: everybody gets the candidate. The bake still follows. " +
			"It stands for your own approval of the gates that are left, and for nobody else's."
	case workflows.Override:
		return "Override the freeze", "The freezes and stops of this moment do not count for this release: it goes on."
	}
	return "Abort the release", "All requests go back to stable, and the candidate is taken away."
}

// escape keeps a text from being read as a mention, a link or a mark.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'").Replace(s)
}

// clip cuts at a character.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}

func short(hash string) string { return hash[:min(len(hash), 12)] }
