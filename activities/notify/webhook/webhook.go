// SPDX-License-Identifier: Apache-2.0

package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// Config of an address that is told.
type Config struct {
	// URL that gets a POST for each event.
	URL outbound.Secret `json:"url"`
	// Secret that signs, as Standard Webhooks writes it: whsec_ and base64 of 24 to 64 bytes.
	Secret outbound.Secret `json:"secret"`
}

// Notifier tells one address.
type Notifier struct {
	config Config
	key    outbound.Secret
	sender *outbound.Sender
	now    func() time.Time
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses an address that is none and a secret that cannot sign.
func New(c Config, now func() time.Time) (*Notifier, error) {
	if err := Address(c.URL); err != nil {
		return nil, err
	}
	key, err := Key(c.Secret)
	if err != nil {
		return nil, err
	}
	return &Notifier{config: c, key: outbound.NewSecret(string(key)), sender: outbound.NewSender(now, c.URL, c.Secret), now: now}, nil
}

// Address refuses what is not an HTTP URL, without naming it.
func Address(s outbound.Secret) error {
	u, err := url.Parse(s.Reveal())
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("url: write one such as https://hooks.example/slipway")
	}
	return nil
}

// Key reads a secret as Standard Webhooks writes it.
func Key(s outbound.Secret) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s.Reveal(), "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, errors.New("secret: write whsec_ and the base64 of 24 to 64 random bytes; `openssl rand -base64 32` makes them")
	}
	return key, nil
}

// Sign is the value of webhook-signature.
func Sign(key []byte, id string, at time.Time, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s.%d.%s", id, at.Unix(), body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// event is the body.
type event struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      Data      `json:"data"`
}

// Data is what a machine is told.
type Data struct {
	activities.Notice
	Title string `json:"title"`
	Link  string `json:"link,omitempty"`
}

// DataOf is a message for a machine.
func DataOf(m activities.Message) Data { return Data{Notice: m.Notice, Title: m.Title(), Link: m.Link} }

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // it opened nothing
	}
	body, err := json.Marshal(event{Type: "release." + string(m.Event), Timestamp: m.At, Data: DataOf(m)})
	if err != nil {
		return fault.New(fault.Invalid, "write event: %w", err)
	}
	now := n.now()
	return n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodPost, URL: n.config.URL.Reveal(), Body: body,
		Header: http.Header{
			"Webhook-Id":        {m.Key},
			"Webhook-Timestamp": {strconv.FormatInt(now.Unix(), 10)},
			"Webhook-Signature": {Sign([]byte(n.key.Reveal()), m.Key, now, body)},
		},
	}, nil)
}
