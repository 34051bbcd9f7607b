// SPDX-License-Identifier: Apache-2.0

package pagerduty

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// defaultAddress is PagerDuty's own; accounts in the European Union have another one.
const defaultAddress = "https://events.pagerduty.com"

// Config of a service in PagerDuty.
type Config struct {
	// RoutingKey of the service's integration "Events API v2".
	RoutingKey outbound.Secret `json:"routingKey"`
	// URL of the API; default https://events.pagerduty.com.
	URL string `json:"url,omitempty"`
}

// Notifier calls the people of one service.
type Notifier struct {
	config Config
	sender *outbound.Sender
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses a configuration without a key.
func New(c Config, now func() time.Time) (*Notifier, error) {
	c.URL = cmp.Or(c.URL, defaultAddress)
	if !c.RoutingKey.Given() {
		return nil, errors.New("routingKey: give that of an integration \"Events API v2\"")
	}
	if err := webhook.Address(outbound.NewSecret(c.URL)); err != nil {
		return nil, err
	}
	return &Notifier{config: c, sender: outbound.NewSender(now, c.RoutingKey)}, nil
}

type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	ClientURL  string   `json:"client_url,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
}

type payload struct {
	Summary       string       `json:"summary"`
	Source        string       `json:"source"`
	Severity      string       `json:"severity"`
	Timestamp     time.Time    `json:"timestamp"`
	Component     string       `json:"component"`
	Group         string       `json:"group"`
	Class         string       `json:"class"`
	CustomDetails webhook.Data `json:"custom_details"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	wait, end := "slipway/"+m.Release+"/wait", "slipway/"+m.Release+"/end"
	if m.Event.Waits() {
		return n.send(ctx, n.trigger(wait, m))
	}
	if m.Event != plan.Started { // nothing can be open before
		if err := n.send(ctx, event{Action: "resolve", DedupKey: wait}); err != nil {
			return err
		}
	}
	if m.Closing || m.Severity != plan.Error && m.Severity != plan.Critical {
		return nil
	}
	return n.send(ctx, n.trigger(end, m))
}

func (n *Notifier) send(ctx context.Context, e event) error {
	e.RoutingKey = n.config.RoutingKey.Reveal()
	return n.sender.JSON(ctx, outbound.Request{Method: http.MethodPost, URL: n.config.URL + "/v2/enqueue", Body: e}, nil)
}

// maxSummary is PagerDuty's own limit.
const maxSummary = 1024

func (n *Notifier) trigger(key string, m activities.Message) event {
	return event{
		Action: "trigger", DedupKey: key, Client: "Slipway", ClientURL: m.Link,
		Payload: &payload{
			Summary: outbound.Cut(m.Title()+": "+m.Text, maxSummary), Source: m.Environment + "/" + m.Service, Severity: string(m.Severity), Timestamp: m.At,
			Component: m.Service, Group: m.Environment, Class: string(m.Event), CustomDetails: webhook.DataOf(m),
		},
	}
}
