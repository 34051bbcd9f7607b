// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// Quay tells of pushed tags, without digest, time and identity: pushes of a tag within one minute are one
// event here. The lane tells apart what comes later, by the digest.
type Quay struct{ Secrets Secrets }

var _ Sender = Quay{}

// Verify implements Sender.
func (q Quay) Verify(d Delivery) error { return q.Secrets.token(d) }

// Read implements Sender.
func (q Quay) Read(d Delivery) ([]Event, error) {
	var in struct {
		Repository string   `json:"repository"`
		DockerURL  string   `json:"docker_url"`
		Homepage   string   `json:"homepage"`
		Tags       []string `json:"updated_tags"`
	}
	if err := decode(d.Body, &in); err != nil {
		return nil, err
	}
	if in.Repository == "" || in.DockerURL == "" || len(in.Tags) == 0 || len(in.Tags) > maxParts {
		return nil, unreadable("the event names no repository, or not 1 to %d tags", maxParts)
	}
	var out []Event
	for _, tag := range in.Tags {
		out = append(out, Event{
			Sender: plan.SenderQuay, Event: plan.EventPush, Key: fmt.Sprintf("push/%s:%s/%d", in.DockerURL, tag, d.At.Truncate(time.Minute).Unix()),
			Repository: in.Repository, Tag: tag, Image: in.DockerURL + ":" + tag, By: "quay:unknown", At: d.At, URL: in.Homepage,
		})
	}
	return out, nil
}
