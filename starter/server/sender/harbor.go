// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"strings"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Harbor tells of pushed artifacts, with their digests. Its "auth header" is the secret.
type Harbor struct{ Secrets Secrets }

var _ Sender = Harbor{}

// Verify implements Sender.
func (h Harbor) Verify(d Delivery) error { return h.Secrets.token(d) }

// Read implements Sender.
func (h Harbor) Read(d Delivery) ([]Event, error) {
	var in struct {
		Type     string `json:"type"`
		OccurAt  int64  `json:"occur_at"`
		Operator string `json:"operator"`
		Data     struct {
			Resources []struct {
				Digest string `json:"digest"`
				Tag    string `json:"tag"`
				URL    string `json:"resource_url"`
			} `json:"resources"`
			Repository struct {
				FullName string `json:"repo_full_name"`
			} `json:"repository"`
		} `json:"event_data"`
	}
	if err := decode(d.Body, &in); err != nil {
		return nil, err
	}
	switch {
	case !strings.EqualFold(in.Type, "PUSH_ARTIFACT"):
		return nil, unknown("the event %q starts no release; subscribe to pushed artifacts", in.Type)
	case in.Data.Repository.FullName == "" || len(in.Data.Resources) == 0 || len(in.Data.Resources) > maxParts:
		return nil, unreadable("the event names no repository, or not 1 to %d artifacts", maxParts)
	}
	at := d.At
	if in.OccurAt > 0 {
		at = time.Unix(in.OccurAt, 0)
	}
	var out []Event
	for _, r := range in.Data.Resources {
		name, _, _ := strings.Cut(r.URL, "@")
		name = plan.Trigger{Image: name}.Source()
		out = append(out, Event{
			Sender: plan.SenderHarbor, Event: plan.EventPush, Key: "push/" + name + "@" + r.Digest + "/" + r.Tag,
			Repository: in.Data.Repository.FullName, Tag: r.Tag, Image: name + "@" + r.Digest,
			By: "harbor:" + in.Operator, At: at,
		})
	}
	return out, nil
}
