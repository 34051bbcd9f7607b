// SPDX-License-Identifier: Apache-2.0

package discord

import (
	"context"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Config of a channel.
type Config struct {
	// URL of the webhook, as the channel's settings show it.
	URL outbound.Secret `json:"url"`
}

// Notifier tells one channel.
type Notifier struct {
	config Config
	sender *outbound.Sender
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses an address that is none.
func New(c Config, now func() time.Time) (*Notifier, error) {
	if err := webhook.Address(c.URL); err != nil {
		return nil, err
	}
	return &Notifier{config: c, sender: outbound.NewSender(now, c.URL)}, nil
}

type post struct {
	Embeds []embed `json:"embeds"`
	// AllowedMentions is empty: a text may contain @everyone.
	AllowedMentions struct {
		Parse []string `json:"parse"`
	} `json:"allowed_mentions"`
}

type embed struct {
	Title       string    `json:"title"`
	Description string    `json:"description"`
	URL         string    `json:"url,omitempty"`
	Color       int       `json:"color"`
	Timestamp   time.Time `json:"timestamp"`
	Fields      []field   `json:"fields"`
}

type field struct {
	Name   string `json:"name"`
	Value  string `json:"value"`
	Inline bool   `json:"inline"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // it opened nothing
	}
	e := embed{Title: m.Title(), Description: m.Text, URL: m.Link, Color: color(m.Severity), Timestamp: m.At}
	for _, f := range outbound.Facts(m) {
		e.Fields = append(e.Fields, field{Name: f.Name, Value: f.Value, Inline: true})
	}
	p := post{Embeds: []embed{e}}
	p.AllowedMentions.Parse = []string{}
	return n.sender.JSON(ctx, outbound.Request{Method: http.MethodPost, URL: n.config.URL.Reveal(), Body: p}, nil)
}

// color as Discord writes it: 0xRRGGBB as a number.
func color(s plan.Severity) int {
	switch s {
	case plan.Warning:
		return 0xd29922
	case plan.Error:
		return 0xcf222e
	case plan.Critical:
		return 0x82071e
	case plan.Info:
	}
	return 0x1f883d
}
