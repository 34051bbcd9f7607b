// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Generic is anybody who signs by Standard Webhooks.
type Generic struct{ Secrets Secrets }

var _ Sender = Generic{}

// Verify implements Sender.
func (g Generic) Verify(d Delivery) error { return g.Secrets.standard(d) }

// Told is the body of a generic event and the data of a CloudEvent.
type Told struct {
	// Event is compared with the trigger's event; empty is "release".
	Event       string `json:"event,omitempty"`
	Repository  string `json:"repository"`
	Branch      string `json:"branch,omitempty"`
	Tag         string `json:"tag,omitempty"`
	Workflow    string `json:"workflow,omitempty"`
	Environment string `json:"environment,omitempty"`
	Commit      string `json:"commit,omitempty"`
	Image       string `json:"image,omitempty"`
	// By is who asks for it.
	By  string `json:"by,omitempty"`
	URL string `json:"url,omitempty"`
}

// Read implements Sender.
func (g Generic) Read(d Delivery) ([]Event, error) {
	var t Told
	if err := Strictly(d.Body, &t); err != nil {
		return nil, err
	}
	if t.Repository == "" {
		return nil, unreadable("the body names no repository")
	}
	e := t.event(plan.SenderGeneric, cmp.Or(t.Event, plan.EventRelease), d)
	e.Key = "message/" + d.Header.Get(headerID)
	return []Event{e}, nil
}

func (t Told) event(sender, event string, d Delivery) Event {
	return Event{
		Sender: sender, Event: event, Repository: t.Repository, Branch: t.Branch, Tag: t.Tag, Environment: t.Environment,
		Workflows: []string{t.Workflow}, Commit: t.Commit, Image: t.Image, By: sender + ":" + cmp.Or(t.By, "unknown"), At: d.At, URL: t.URL,
	}
}

// Strictly reads a body of our own making, in which a field that nobody knows is a mistake. The error is
// an *Answer.
func Strictly(body []byte, to any) error {
	if depth(body) > maxDepth {
		return unreadable("the body is nested more than %d deep", maxDepth)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return unreadable("read body: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return unreadable("read body: something stands behind the object")
	}
	return nil
}

// hash names a text.
func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
