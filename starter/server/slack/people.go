// SPDX-License-Identifier: Apache-2.0

package slack

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	slackapi "github.com/slack-go/slack"
)

// fresh is how long an answer of Slack about people is believed.
const fresh = 30 * time.Second

// person is somebody who was recognised.
type person struct {
	// Who plans call them; without a name their identity itself.
	who    string
	groups []string
}

// directory knows people by asking Slack, at the moment of a click. What it cannot find out is a no.
type directory struct {
	api   *slackapi.Client
	team  string
	names names
	now   func() time.Time
	log   *slog.Logger

	mu     sync.Mutex
	users  map[string]memory[*slackapi.User]
	groups map[string]memory[[]string]
}

type memory[T any] struct {
	value T
	at    time.Time
}

// identify finds out who clicked, and to which of the wanted groups they belong.
func (d *directory) identify(ctx context.Context, team, user string, wanted []string) (person, error) {
	if team != d.team || !isID(user, "UW") {
		return person{}, fmt.Errorf("%s/%s is not of the workspace %s that this app serves", team, user, d.team)
	}
	u, err := remember(d, d.users, user, func() (*slackapi.User, error) { return d.api.GetUserInfoContext(ctx, user) })
	if err != nil {
		return person{}, fmt.Errorf("ask Slack who %s is: %w", user, err)
	}
	if why := barred(u, team); why != "" {
		return person{}, fmt.Errorf("%s %s, and may not decide", user, why)
	}
	p := person{who: d.name(team, user)}
	for _, group := range wanted {
		if !strings.HasPrefix(group, "@") || slices.Contains(wanted, p.who) {
			continue // a group is of no account for somebody who is named
		}
		member, err := d.member(ctx, user, group)
		if err != nil {
			return person{}, err
		}
		if member {
			p.groups = append(p.groups, group)
		}
	}
	return p, nil
}

// barred says why somebody may not decide, whatever a plan says.
func barred(u *slackapi.User, team string) string {
	switch {
	case u.Deleted:
		return "is deactivated"
	case u.IsBot:
		return "is a bot"
	case u.IsRestricted || u.IsUltraRestricted:
		return "is a guest"
	case u.IsStranger || u.TeamID != "" && u.TeamID != team:
		return "is of another workspace"
	}
	return ""
}

// name of a user in plans.
func (d *directory) name(team, user string) string {
	for name, id := range d.names.People {
		if id == user {
			return name
		}
	}
	return "slack:" + team + "/" + user
}

func (d *directory) member(ctx context.Context, user, group string) (bool, error) {
	id, ok := d.names.Groups[group]
	if !ok {
		d.log.Warn("group is unknown", "group", group, "variable", "SLIPWAY_SLACK_PEOPLE")
		return false, nil
	}
	users, err := remember(d, d.groups, id, func() ([]string, error) { return d.api.GetUserGroupMembersContext(ctx, id) })
	if err != nil {
		return false, fmt.Errorf("ask Slack who is in %s: %w", group, err)
	}
	return slices.Contains(users, user), nil
}

// remember asks only when what is known is no longer fresh. Errors are not remembered.
func remember[T any](d *directory, known map[string]memory[T], id string, ask func() (T, error)) (T, error) {
	d.mu.Lock()
	m, ok := known[id]
	d.mu.Unlock()
	if ok && d.now().Sub(m.at) < fresh {
		return m.value, nil
	}
	at := d.now()
	value, err := ask()
	if err != nil {
		return value, err
	}
	d.mu.Lock()
	known[id] = memory[T]{value, at}
	d.mu.Unlock()
	return value, nil
}
