// SPDX-License-Identifier: Apache-2.0

package sender

import (
	"fmt"
	"time"

	"github.com/slipwayhq/slipway/workflows/plan"
)

// DockerHub tells of pushed tags. It can be given an address alone, so that the secret stands in it, and
// says no digest: the registry is asked for it.
type DockerHub struct{ Secrets Secrets }

var _ Sender = DockerHub{}

// Verify implements Sender.
func (h DockerHub) Verify(d Delivery) error { return h.Secrets.token(d) }

// Read implements Sender.
func (h DockerHub) Read(d Delivery) ([]Event, error) {
	var in struct {
		Push struct {
			At  int64  `json:"pushed_at"`
			By  string `json:"pusher"`
			Tag string `json:"tag"`
		} `json:"push_data"`
		Repository struct {
			Name string `json:"repo_name"`
			URL  string `json:"repo_url"`
		} `json:"repository"`
	}
	if err := decode(d.Body, &in); err != nil {
		return nil, err
	}
	if in.Repository.Name == "" || in.Push.Tag == "" {
		return nil, unreadable("the event names no repository or no tag")
	}
	at := d.At
	if in.Push.At > 0 {
		at = time.Unix(in.Push.At, 0)
	}
	return []Event{{
		Sender: plan.SenderDockerHub, Event: plan.EventPush, Key: fmt.Sprintf("push/%s:%s/%d", in.Repository.Name, in.Push.Tag, in.Push.At),
		Repository: in.Repository.Name, Tag: in.Push.Tag, Image: "docker.io/" + in.Repository.Name + ":" + in.Push.Tag,
		By: "dockerhub:" + in.Push.By, At: at, URL: in.Repository.URL,
	}}, nil
}
