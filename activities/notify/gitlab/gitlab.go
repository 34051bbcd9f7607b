// SPDX-License-Identifier: Apache-2.0

package gitlab

import (
	"cmp"
	"context"
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
	defaultAddress = "https://gitlab.com"
	// maxDescription is GitLab's own limit, in characters.
	maxDescription = 255
)

// Config of GitLab.
type Config struct {
	// Token with the scope api and the role Developer.
	Token outbound.Secret `json:"token"`
	// URL of the server; default https://gitlab.com.
	URL string `json:"url,omitempty"`
}

// Notifier tells one GitLab.
type Notifier struct {
	config Config
	sender *outbound.Sender
}

var _ activities.Notifier = (*Notifier)(nil)

// New refuses a configuration without a token.
func New(c Config, now func() time.Time) (*Notifier, error) {
	if !c.Token.Given() {
		return nil, errors.New("token: give one with the scope api and the role Developer")
	}
	c.URL = strings.TrimSuffix(cmp.Or(c.URL, defaultAddress), "/")
	if err := webhook.Address(outbound.NewSecret(c.URL)); err != nil {
		return nil, err
	}
	return &Notifier{config: c, sender: outbound.NewSender(now, c.Token)}, nil
}

// status of a commit, as it is asked for and as it is sent.
type status struct {
	State       string `json:"state,omitempty"`
	Status      string `json:"status,omitempty"`
	Name        string `json:"name"`
	TargetURL   string `json:"target_url,omitempty"`
	Description string `json:"description"`
}

// Notify implements activities.Notifier.
func (n *Notifier) Notify(ctx context.Context, m activities.Message) error {
	if m.Closing {
		return nil // every event closes the one before
	}
	if m.Source.Repository == "" || m.Source.Commit == "" {
		return fault.New(fault.Invalid, "release %s names no repository and commit; start it with --repository and --commit", m.Release)
	}
	project := n.config.URL + "/api/v4/projects/" + url.PathEscape(m.Source.Repository)
	header := http.Header{"Private-Token": {n.config.Token.Reveal()}}
	want := status{State: state(m.Event), Name: "slipway/" + m.Environment + "/" + m.Service, TargetURL: m.Link, Description: outbound.Cut(m.Text, maxDescription)}
	var have []status
	err := n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodGet, Header: header,
		URL: project + "/repository/commits/" + m.Source.Commit + "/statuses?" + url.Values{"name": {want.Name}}.Encode(),
	}, &have)
	if err != nil {
		return err
	}
	// Without all=true GitLab lists the newest status of a name alone.
	if len(have) > 0 && have[len(have)-1].Status == want.State {
		return nil
	}
	return n.sender.JSON(ctx, outbound.Request{
		Method: http.MethodPost, Header: header, URL: project + "/statuses/" + m.Source.Commit, Body: want,
	}, nil)
}

// state by GitLab's words.
func state(e plan.Event) string {
	switch e {
	case plan.Promoted:
		return "success"
	case plan.Undone, plan.Failed, plan.NeedsPerson:
		return "failed"
	case plan.Started, plan.StepPassed, plan.GateWaits, plan.Held:
	}
	return "running"
}
