// SPDX-License-Identifier: Apache-2.0

package cloudevents

import (
	"context"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
)

// Config of a broker.
type Config struct {
	// URL that gets a POST for each event.
	URL outbound.Secret `json:"url"`
	// Token that is sent as "Authorization: Bearer"; left out: none.
	Token outbound.Secret `json:"token,omitzero"`
}

// Notifier tells one broker.
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
	return &Notifier{config: c, sender: outbound.NewSender(now, c.URL, c.Token)}, nil
}

// envelope has the context attributes beside the data.
type envelope struct {
	SpecVersion     string       `json:"specversion"`
	ID              string       `json:"id"`
	Source          string       `json:"source"`
	Type            string       `json:"type"`
	Subject         string       `json:"subject"`
	Time            time.Time    `json:"time"`
	DataContentType string       `json:"datacontenttype"`
	Data            webhook.Data `json:"data"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // it opened nothing
	}
	header := http.Header{"Content-Type": {"application/cloudevents+json; charset=UTF-8"}}
	if n.config.Token.Given() {
		header.Set("Authorization", "Bearer "+n.config.Token.Reveal())
	}
	return n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodPost, URL: n.config.URL.Reveal(), Header: header,
		Body: envelope{
			SpecVersion: "1.0", ID: m.Key, Source: "/slipway/" + m.Environment + "/" + m.Service,
			Type: "dev.slipway.release." + string(m.Event), Subject: m.Release, Time: m.At,
			DataContentType: "application/json", Data: webhook.DataOf(m),
		},
	}, nil)
}
