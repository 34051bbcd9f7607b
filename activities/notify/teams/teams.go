// SPDX-License-Identifier: Apache-2.0

package teams

import (
	"context"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Config of a channel or chat.
type Config struct {
	// URL of the workflow, as Teams shows it when the workflow is made.
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
	Type        string       `json:"type"`
	Attachments []attachment `json:"attachments"`
}

type attachment struct {
	ContentType string `json:"contentType"`
	Content     card   `json:"content"`
}

type card struct {
	Schema  string    `json:"$schema"`
	Type    string    `json:"type"`
	Version string    `json:"version"`
	Body    []element `json:"body"`
	Actions []action  `json:"actions,omitempty"`
}

type element struct {
	Type   string `json:"type"`
	Text   string `json:"text,omitempty"`
	Size   string `json:"size,omitempty"`
	Weight string `json:"weight,omitempty"`
	Color  string `json:"color,omitempty"`
	Wrap   bool   `json:"wrap,omitempty"`
	Facts  []fact `json:"facts,omitempty"`
}

type fact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

type action struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // it opened nothing
	}
	return n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodPost, URL: n.config.URL.Reveal(),
		Body: post{Type: "message", Attachments: []attachment{{ContentType: "application/vnd.microsoft.card.adaptive", Content: draw(m)}}},
	}, nil)
}

// draw makes a card that every client of Teams knows.
func draw(m activities.Message) card {
	var facts []fact
	for _, f := range outbound.Facts(m) {
		facts = append(facts, fact{Title: f.Name, Value: f.Value})
	}
	c := card{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		Body: []element{
			{Type: "TextBlock", Text: m.Title(), Size: "Medium", Weight: "Bolder", Color: color(m.Severity), Wrap: true},
			{Type: "TextBlock", Text: m.Text, Wrap: true},
			{Type: "FactSet", Facts: facts},
		},
	}
	for _, a := range []action{{Title: "Release", URL: m.Link}, {Title: "Pipeline", URL: m.Source.URL}} {
		if a.URL != "" {
			c.Actions = append(c.Actions, action{Type: "Action.OpenUrl", Title: a.Title, URL: a.URL})
		}
	}
	return c
}

// color by the names of adaptive cards.
func color(s plan.Severity) string {
	switch s {
	case plan.Warning:
		return "Warning"
	case plan.Error, plan.Critical:
		return "Attention"
	case plan.Info:
	}
	return "Good"
}
