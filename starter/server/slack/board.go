// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/slipwayhq/slipway/starter/view"
	"github.com/slipwayhq/slipway/workflows"
)

// The metadata by which messages are found again.
const (
	releaseEvent = "slipway_release"
	storyEvent   = "slipway_story"
	askEvent     = "slipway_ask"
	releaseKey   = "release"
	throughKey   = "through"
	questionKey  = "question"
)

const (
	// maxPages of 200 messages are searched for a message.
	maxPages = 25
	pageSize = 200
	// early is how much earlier than the release its message may be, by clocks that differ.
	early = 5 * time.Minute
)

// post is the message of a release.
type post struct {
	channel, ts string
	// shown is what it was given last; told is how far its thread has the story.
	shown string
	told  time.Time
	// asked are the questions of which people were told, and reminded.
	asked map[string]bool
	// gone is true once somebody has deleted it.
	gone bool
}

// board keeps one message per release. It is used by one at a time.
type board struct {
	api      *slackapi.Client
	channels Channels
	names    names
	ui       string
	now      func() time.Time
	posts    map[string]*post
}

// show brings the message and the thread of a release up to date. It may be repeated at any time.
func (b *board) show(ctx context.Context, s workflows.Status) error {
	channel := b.channels.of(s.Environment)
	if channel == "" {
		return nil
	}
	m := render(s, b.ui)
	text, err := json.Marshal(m.blocks)
	if err != nil {
		return fmt.Errorf("render release %s: %w", s.ID, err)
	}
	p := b.posts[s.ID]
	if p == nil {
		if p, err = b.find(ctx, channel, s); err != nil {
			return err
		}
	}
	if p == nil {
		if p, err = b.begin(ctx, channel, s, m); err != nil {
			return err // perhaps it was posted all the same: the next look finds it
		}
		p.shown = string(text)
	}
	b.posts[s.ID] = p
	if p.shown != string(text) {
		if err := b.update(ctx, p, m); err != nil {
			if p.gone {
				delete(b.posts, s.ID) // the next look posts another one
			}
			return err
		}
		p.shown = string(text)
	}
	if err := b.tell(ctx, p, s); err != nil {
		return err
	}
	return b.call(ctx, p, s)
}

// find looks for a message that was posted before: by an earlier process, or by a call whose answer was lost.
func (b *board) find(ctx context.Context, channel string, s workflows.Status) (*post, error) {
	in := &slackapi.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: stamp(s.Started.Add(-early)), Limit: pageSize, IncludeAllMetadata: true,
	}
	for range maxPages {
		page, err := b.api.GetConversationHistoryContext(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("look for the message of release %s: %w", s.ID, err)
		}
		for _, m := range page.Messages {
			if m.Metadata.EventType == releaseEvent && m.Metadata.EventPayload[releaseKey] == s.ID {
				p := &post{channel: channel, ts: m.Timestamp, asked: map[string]bool{}}
				return p, b.read(ctx, p)
			}
		}
		if in.Cursor = page.ResponseMetaData.NextCursor; in.Cursor == "" {
			return nil, nil
		}
	}
	return nil, fmt.Errorf("look for the message of release %s: channel %s has more than %d messages since it began", s.ID, channel, maxPages*pageSize)
}

// read finds out how far a thread has the story.
func (b *board) read(ctx context.Context, p *post) error {
	in := &slackapi.GetConversationRepliesParameters{ChannelID: p.channel, Timestamp: p.ts, Limit: pageSize, IncludeAllMetadata: true}
	for range maxPages {
		replies, _, cursor, err := b.api.GetConversationRepliesContext(ctx, in)
		if err != nil {
			return fmt.Errorf("read thread: %w", err)
		}
		for _, m := range replies {
			text, _ := m.Metadata.EventPayload[throughKey].(string)
			through, err := time.Parse(time.RFC3339Nano, text)
			if m.Metadata.EventType == storyEvent && err == nil && through.After(p.told) {
				p.told = through
			}
			if question, ok := m.Metadata.EventPayload[questionKey].(string); ok && m.Metadata.EventType == askEvent {
				p.asked[question] = true
			}
		}
		if in.Cursor = cursor; cursor == "" {
			return nil
		}
	}
	return nil
}

func (b *board) begin(ctx context.Context, channel string, s workflows.Status, m rendered) (*post, error) {
	_, ts, err := b.api.PostMessageContext(ctx, channel, slackapi.MsgOptionText(m.plain, true), slackapi.MsgOptionBlocks(m.blocks...),
		slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: releaseEvent, EventPayload: map[string]any{releaseKey: s.ID}}),
		slackapi.MsgOptionDisableLinkUnfurl())
	if err != nil {
		return nil, fmt.Errorf("post release %s: %w", s.ID, err)
	}
	return &post{channel: channel, ts: ts, asked: map[string]bool{}}, nil
}

func (b *board) update(ctx context.Context, p *post, m rendered) error {
	_, _, _, err := b.api.UpdateMessageContext(ctx, p.channel, p.ts, slackapi.MsgOptionText(m.plain, true), slackapi.MsgOptionBlocks(m.blocks...))
	if answer, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok && answer.Err == "message_not_found" {
		p.gone = true
	}
	if err != nil {
		return fmt.Errorf("update message: %w", err)
	}
	return nil
}

// tell adds to the thread what it does not have yet, in one reply. One whose answer is lost is read back first.
func (b *board) tell(ctx context.Context, p *post, s workflows.Status) error {
	lines := view.Lines(s, p.told)
	if len(lines) == 0 {
		return nil
	}
	through := s.Log[len(s.Log)-1].At
	text := "```" + strings.ReplaceAll(escape(clip(strings.Join(lines, "\n"), maxStory)), "```", "'''") + "```"
	if err := b.reply(ctx, p, s, text, slackapi.SlackMetadata{EventType: storyEvent, EventPayload: map[string]any{
		releaseKey: s.ID, throughKey: through.UTC().Format(time.RFC3339Nano),
	}}); err != nil {
		return fmt.Errorf("tell story of release %s: %w", s.ID, err)
	}
	p.told = through
	return nil
}

// reply adds to a thread. Whether one whose answer is lost is there is read before anything is said again.
func (b *board) reply(ctx context.Context, p *post, s workflows.Status, text string, meta slackapi.SlackMetadata) error {
	_, _, err := b.api.PostMessageContext(ctx, p.channel, slackapi.MsgOptionTS(p.ts), slackapi.MsgOptionText(text, false),
		slackapi.MsgOptionMetadata(meta), slackapi.MsgOptionDisableLinkUnfurl())
	if err != nil && !refused(err) {
		delete(b.posts, s.ID) // the next look reads how far the thread has come
	}
	return err
}

// call tells those who may answer that they are asked, by name, and again when half of the time is over.
func (b *board) call(ctx context.Context, p *post, s workflows.Status) error {
	q := s.Asks
	if q == nil || s.Deadline.IsZero() {
		return nil
	}
	key, text := q.ID, ":raised_hand: "
	if b.now().After(q.Asked.Add(s.Deadline.Sub(q.Asked) / 2)) {
		key, text = q.ID+"/half", ":alarm_clock: half of the time is over: "
	}
	if p.asked[key] {
		return nil
	}
	text += fmt.Sprintf("%s%s, until %s, then %s", b.mentions(q.Approvers), escape(q.Text), date(s.Deadline), escape(s.AtDeadline))
	if err := b.reply(ctx, p, s, text, slackapi.SlackMetadata{EventType: askEvent, EventPayload: map[string]any{releaseKey: s.ID, questionKey: key}}); err != nil {
		return fmt.Errorf("call people to release %s: %w", s.ID, err)
	}
	p.asked[key], p.asked[q.ID] = true, true
	return nil
}

// mentions are those approvers whom Slack knows.
func (b *board) mentions(approvers []string) string {
	var text strings.Builder
	for _, a := range approvers {
		if id, ok := b.names.People[a]; ok {
			text.WriteString("<@" + id + "> ")
		}
		if id, ok := b.names.Groups[a]; ok {
			text.WriteString("<!subteam^" + id + "> ")
		}
	}
	return text.String()
}

// maxStory is the longest reply, in characters.
const maxStory = 11_000

// refused reports whether Slack has certainly done nothing.
func refused(err error) bool {
	if _, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
		return true
	}
	_, limited := errors.AsType[*slackapi.RateLimitedError](err)
	return limited
}

// stamp is a moment as Slack writes it.
func stamp(t time.Time) string { return fmt.Sprintf("%d.%06d", t.Unix(), t.Nanosecond()/1000) }
