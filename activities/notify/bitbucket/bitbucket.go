// SPDX-License-Identifier: Apache-2.0

package bitbucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	defaultAddress = "https://api.bitbucket.org"
	// maxDescription keeps the page of a commit readable, in characters.
	maxDescription = 255
)

// Config of Bitbucket Cloud.
type Config struct {
	// Token that may write the repository's build statuses.
	Token outbound.Secret `json:"token"`
	// URL of the API; default https://api.bitbucket.org.
	URL string `json:"url,omitempty"`
}

// Notifier tells one Bitbucket.
type Notifier struct {
	config Config
	sender *outbound.Sender
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses a configuration without a token.
func New(c Config, now func() time.Time) (*Notifier, error) {
	if !c.Token.Given() {
		return nil, errors.New("token: give one that may write build statuses")
	}
	c.URL = strings.TrimSuffix(cmp.Or(c.URL, defaultAddress), "/")
	if err := webhook.Address(outbound.NewSecret(c.URL)); err != nil {
		return nil, err
	}
	return &Notifier{config: c, sender: outbound.NewSender(now, c.Token)}, nil
}

type status struct {
	Key         string `json:"key"`
	State       string `json:"state"`
	Name        string `json:"name"`
	URL         string `json:"url"`
	Description string `json:"description"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // every event closes the one before
	}
	workspace, repository, ok := strings.Cut(m.Source.Repository, "/")
	if !ok || m.Source.Commit == "" {
		return fault.New(fault.Invalid, "release %s names no repository and commit; start it with --repository and --commit", m.Release)
	}
	name := "slipway/" + m.Environment + "/" + m.Service
	return n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodPost, Header: http.Header{"Authorization": {"Bearer " + n.config.Token.Reveal()}},
		URL: n.config.URL + "/2.0/repositories/" + url.PathEscape(workspace) + "/" + url.PathEscape(repository) + "/commit/" + m.Source.Commit + "/statuses/build",
		Body: status{
			Key: key(name), State: state(m.Event), Name: name, Description: outbound.Cut(m.Text, maxDescription),
			// Bitbucket wants a link, whether or not there is one.
			URL: cmp.Or(m.Link, m.Source.URL, "https://bitbucket.org/"+m.Source.Repository+"/commits/"+m.Source.Commit),
		},
	}, nil)
}

// key has the 40 characters that Bitbucket takes, the same for every release of a service.
func key(name string) string {
	sum := sha256.Sum256([]byte(name))
	return "slipway-" + hex.EncodeToString(sum[:])[:32]
}

// state by Bitbucket's words.
func state(e plan.Event) string {
	switch e {
	case plan.Promoted:
		return "SUCCESSFUL"
	case plan.Undone, plan.Failed, plan.NeedsPerson:
		return "FAILED"
	case plan.Started, plan.StepPassed, plan.GateWaits, plan.Held:
	}
	return "INPROGRESS"
}
