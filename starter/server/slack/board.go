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
	releaseKey   = "release"
	throughKey   = "through"
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
}

// board keeps one message per release. It is used by one at a time.
type board struct {
	api      *slackapi.Client
	channels Channels
	ui       string
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
			return err
		}
		p.shown = string(text)
	}
	return b.tell(ctx, p, s)
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
				p := &post{channel: channel, ts: m.Timestamp}
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
	return &post{channel: channel, ts: ts}, nil
}

func (b *board) update(ctx context.Context, p *post, m rendered) error {
	_, _, _, err := b.api.UpdateMessageContext(ctx, p.channel, p.ts, slackapi.MsgOptionText(m.plain, true), slackapi.MsgOptionBlocks(m.blocks...))
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
	_, _, err := b.api.PostMessageContext(ctx, p.channel, slackapi.MsgOptionTS(p.ts), slackapi.MsgOptionText(text, false),
		slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: storyEvent, EventPayload: map[string]any{
			releaseKey: s.ID, throughKey: through.UTC().Format(time.RFC3339Nano),
		}}), slackapi.MsgOptionDisableLinkUnfurl())
	if err != nil {
		if !refused(err) {
			delete(b.posts, s.ID) // the next look reads how far the thread has come
		}
		return fmt.Errorf("tell story of release %s: %w", s.ID, err)
	}
	p.told = through
	return nil
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
