// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/bitbucket"
	"github.com/slipwayhq/slipway/activities/notify/cloudevents"
	"github.com/slipwayhq/slipway/activities/notify/discord"
	"github.com/slipwayhq/slipway/activities/notify/email"
	"github.com/slipwayhq/slipway/activities/notify/github"
	"github.com/slipwayhq/slipway/activities/notify/gitlab"
	"github.com/slipwayhq/slipway/activities/notify/pagerduty"
	"github.com/slipwayhq/slipway/activities/notify/teams"
	"github.com/slipwayhq/slipway/activities/notify/webhook"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// MaxSize of the file in bytes.
const MaxSize = 256 << 10

// File is what SLIPWAY_RECEIVERS names: a file, mounted from a Secret.
type File struct {
	// Receivers by the names that plans use, each a DNS label.
	Receivers map[string]Receiver `json:"receivers"`
}

// Receiver is reached in one way: exactly one field is set.
type Receiver struct {
	GitHub      *github.Config      `json:"github,omitempty"`
	GitLab      *gitlab.Config      `json:"gitlab,omitempty"`
	Bitbucket   *bitbucket.Config   `json:"bitbucket,omitempty"`
	Webhook     *webhook.Config     `json:"webhook,omitempty"`
	CloudEvents *cloudevents.Config `json:"cloudEvents,omitempty"`
	Teams       *teams.Config       `json:"teams,omitempty"`
	Discord     *discord.Config     `json:"discord,omitempty"`
	PagerDuty   *pagerduty.Config   `json:"pagerDuty,omitempty"`
	Email       *email.Config       `json:"email,omitempty"`
}

// Receivers are those of a file.
type Receivers map[string]activities.Notifier

var _ activities.Receivers = Receivers(nil)

// Load reads a file. Unknown and duplicate fields are errors, and so is a receiver that cannot work. No error
// quotes the file: it holds secrets.
func Load(r io.Reader, now func() time.Time) (Receivers, error) {
	text, err := io.ReadAll(io.LimitReader(r, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read receivers: %w", err)
	}
	if len(text) > MaxSize {
		return nil, fmt.Errorf("read receivers: the file is larger than %d KiB", MaxSize>>10)
	}
	var f File
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read receivers: %s", unquoted(err))
	}
	out := Receivers{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(f.Receivers)) {
		n, err := f.Receivers[name].notifier(now)
		if err == nil && !plan.IsLabel(name) {
			err = errors.New("the name must be a DNS label: lower-case letters, digits and '-'")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("receiver %s: %w", name, err))
			continue
		}
		out[name] = guard(name, n, now)
	}
	return out, errors.Join(problems...)
}

// unquoted is a decoder's error without the lines of the file that it would show.
func unquoted(err error) string {
	var y yaml.Error
	if !errors.As(err, &y) {
		return "the file is not YAML, or a secret in it is empty"
	}
	line := 0
	if t := y.GetToken(); t != nil {
		line = t.Position.Line
	}
	message := y.GetMessage()
	if !strings.HasPrefix(message, "unknown field") && !strings.Contains(message, "already defined") {
		message = "cannot be used as it is written; docs/notifications.md has an example of each receiver"
	}
	return fmt.Sprintf("line %d: %s", line, message)
}

// Find implements activities.Receivers.
func (r Receivers) Find(name string) (activities.Notifier, error) {
	if n, ok := r[name]; ok {
		return n, nil
	}
	if len(r) == 0 {
		return nil, fault.New(fault.NotFound, "there is no receiver %q: the worker was given none; name their file by SLIPWAY_RECEIVERS", name)
	}
	return nil, fault.New(fault.NotFound, "there is no receiver %q; the worker knows %s", name, strings.Join(slices.Sorted(maps.Keys(r)), ", "))
}

// notifier makes the one that is set.
func (r Receiver) notifier(now func() time.Time) (activities.Notifier, error) {
	var all []func() (activities.Notifier, error)
	add := func(set bool, make func() (activities.Notifier, error)) {
		if set {
			all = append(all, make)
		}
	}
	add(r.GitHub != nil, func() (activities.Notifier, error) { return github.New(*r.GitHub, now) })
	add(r.GitLab != nil, func() (activities.Notifier, error) { return gitlab.New(*r.GitLab, now) })
	add(r.Bitbucket != nil, func() (activities.Notifier, error) { return bitbucket.New(*r.Bitbucket, now) })
	add(r.Webhook != nil, func() (activities.Notifier, error) { return webhook.New(*r.Webhook, now) })
	add(r.CloudEvents != nil, func() (activities.Notifier, error) { return cloudevents.New(*r.CloudEvents, now) })
	add(r.Teams != nil, func() (activities.Notifier, error) { return teams.New(*r.Teams, now) })
	add(r.Discord != nil, func() (activities.Notifier, error) { return discord.New(*r.Discord, now) })
	add(r.PagerDuty != nil, func() (activities.Notifier, error) { return pagerduty.New(*r.PagerDuty, now) })
	add(r.Email != nil, func() (activities.Notifier, error) { return email.New(*r.Email, now) })
	if len(all) != 1 {
		return nil, fmt.Errorf("has %d services; name exactly one of github, gitlab, bitbucket, webhook, cloudEvents, teams, discord, pagerDuty and email", len(all))
	}
	return all[0]()
}
