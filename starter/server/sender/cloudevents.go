// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// CloudEvents come by https://cloudevents.io, version 1.0, in the structured or the binary mode of HTTP. The
// standard signs nothing, so that a secret is sent along: see [Secrets].
type CloudEvents struct{ Secrets Secrets }

var _ Sender = CloudEvents{}

// Verify implements Sender.
func (c CloudEvents) Verify(d Delivery) error { return c.Secrets.token(d) }

// cloudEvent are the attributes that matter here.
type cloudEvent struct {
	SpecVersion string          `json:"specversion"`
	ID          string          `json:"id"`
	Source      string          `json:"source"`
	Type        string          `json:"type"`
	Time        string          `json:"time"`
	Data        json.RawMessage `json:"data"`
}

// Read implements Sender.
func (c CloudEvents) Read(d Delivery) ([]Event, error) {
	in, err := cloudEventOf(d)
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"id": in.ID, "source": in.Source, "type": in.Type} {
		if value == "" {
			return nil, unreadable("the event has no %s", name)
		}
	}
	if in.SpecVersion != "1.0" {
		return nil, unreadable("the event is of version %q of CloudEvents; 1.0 is read", in.SpecVersion)
	}
	var t Told
	if len(in.Data) > 0 {
		if err := Strictly(in.Data, &t); err != nil {
			return nil, err
		}
	}
	// The attributes say what the event is and where it comes from; its data cannot say otherwise.
	t.Repository = in.Source
	e := t.event(plan.SenderCloudEvents, in.Type, d)
	e.Key = "event/" + hash([]byte(in.Source)) + "/" + in.ID
	if in.Time != "" {
		if e.At, err = time.Parse(time.RFC3339Nano, in.Time); err != nil {
			return nil, unreadable("the event's time %q is none of RFC 3339", in.Time)
		}
	}
	return []Event{e}, nil
}

// cloudEventOf reads either mode.
func cloudEventOf(d Delivery) (cloudEvent, error) {
	var in cloudEvent
	kind, _, _ := mime.ParseMediaType(d.Header.Get("Content-Type"))
	switch {
	case kind == "application/cloudevents+json":
		err := decode(d.Body, &in)
		return in, err
	case strings.HasPrefix(kind, "application/cloudevents"):
		return in, &Answer{http.StatusUnsupportedMediaType, "send one event at a time, as application/cloudevents+json or in the binary mode"}
	case d.Header.Get("Ce-Specversion") == "":
		return in, &Answer{http.StatusUnsupportedMediaType, "this is no CloudEvent: its content type is not application/cloudevents+json, and it has no ce-specversion"}
	}
	h := d.Header
	return cloudEvent{
		SpecVersion: h.Get("Ce-Specversion"), ID: h.Get("Ce-Id"), Source: h.Get("Ce-Source"), Type: h.Get("Ce-Type"),
		Time: h.Get("Ce-Time"), Data: d.Body,
	}, nil
}
