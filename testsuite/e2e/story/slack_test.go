// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// openSlack closes it with the test.
func openSlack(t *testing.T) *stage.Slack {
	t.Helper()
	w, err := world.OpenSlack(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// openWorkspace is one without a program of its own: a server has it as one of its parts.
func openWorkspace(t *testing.T) *stage.Slack {
	t.Helper()
	w, err := world.OpenWorkspace()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// gate is a step with a question to a group.
const gate = `{weight: 10, hold: 2s, gate: {approvers: ["@team-checkout"], fourEyes: true, within: 2m}}`

// shown waits for the one message of a release of a shop that shows a text.
func (r *telling) shown(w *stage.Slack, text string) fakeslack.Message {
	r.t.Helper()
	var found fakeslack.Message
	r.until("Slack shows "+text, func() (ok bool) { found, ok = shows(r.t, w, r.shop, text); return ok })
	return found
}

// shows looks whether the one message of a release of a shop shows a text now.
func shows(t *testing.T, w *stage.Slack, shop *stage.Shop, text string) (fakeslack.Message, bool) {
	t.Helper()
	all := w.Of(shop)
	require.LessOrEqual(t, len(all), 1, "one message per release")
	if len(all) == 0 {
		return fakeslack.Message{}, false
	}
	return all[0], strings.Contains(all[0].Shown(), text)
}

// awaits looks until there is no fault, for a minute at most.
func awaits(t *testing.T, look func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, stage.Await(ctx, look))
}

// click sends a click and waits for what its sender is told.
func click(t *testing.T, w *stage.Slack, user string, d fakeslack.Delivery) string {
	t.Helper()
	before := len(w.Whispers(user))
	_, err := d.Send(t.Context())
	require.NoError(t, err)
	awaits(t, func(ctx context.Context) error {
		if len(w.Whispers(user)) == before {
			return fmt.Errorf("%s was told nothing", user)
		}
		return ctx.Err()
	})
	all := w.Whispers(user)
	return all[len(all)-1].Text
}

// abort clicks it and fills in the form that opens, and waits for what its sender is told.
func abort(t *testing.T, w *stage.Slack, user string, m fakeslack.Message, reason string) string {
	t.Helper()
	_, err := w.Click(user, m, "slipway_abort").Send(t.Context())
	require.NoError(t, err)
	told(t, "a form is open", func() bool { return len(w.Views()) == 1 })
	return click(t, w, user, w.Submit(w.Views()[0], reason))
}

func TestAGateIsOpenedBySomebodyInSlackWhoMay(t *testing.T) {
	shop, w := openShop(t, stage.ShopOptions{Namespace: "slack"}), openSlack(t)
	v2 := image(t, "v2")
	r := begin(t, shop, stage.Quick{Steps: []string{gate}}, v2)
	m := r.shown(w, "approval by 1 of [@team-checkout]")
	require.Contains(t, click(t, w, "U0EVE", w.Click("U0EVE", m, "slipway_approve")), "slack:T0FAKE/U0EVE is not among the approvers [@team-checkout]")
	require.Contains(t, click(t, w, "U0ADA", w.Click("U0ADA", m, "slipway_approve")), "ada has requested the release, and this question needs somebody else")

	// The program dies, and its successor goes on with the same message.
	require.NoError(t, w.Kill())
	require.NoError(t, w.Start(t.Context()))
	approval := w.Click("U0ANN", m, "slipway_approve")
	require.Contains(t, click(t, w, "U0ANN", approval), "is accepted")
	said, seen := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Zero(t, seen.Failed, seen.Errors)
	require.Equal(t, []int{10, 100, 0}, r.shares())
	atRest(t, shop, v2)
	status := slipway(t, "status", shop.Lane(), "-o", "json").Out
	require.Contains(t, status, "approve by ann (slack)")

	require.Contains(t, click(t, w, "U0ANN", w.Click("U0ANN", m, "slipway_approve")), "too late, and nothing has changed")
	awaits(t, func(context.Context) error {
		for _, m := range w.Of(shop) {
			if strings.Contains(m.Shown(), "*promoted*") && len(m.Buttons()) == 0 && len(w.Replies(m.TS)) > 0 {
				return nil
			}
		}
		return errors.New("the end is not shown")
	})
	require.Len(t, w.Of(shop), 1)
}

func TestAnAbortBySlackTakesEverythingBack(t *testing.T) {
	shop, w := openShop(t, stage.ShopOptions{Namespace: "slack-abort"}), openSlack(t)
	before := snapshot(t, shop)
	r := begin(t, shop, stage.Quick{Steps: stage.Holding("60s", 10)}, image(t, "v2"))
	r.untilShare(10)
	m := r.shown(w, "candidate ██░")
	// Slack has a bad day: the release knows nothing of it.
	w.Fail("chat.update", fakeslack.Fault{Down: true}, fakeslack.Fault{Lost: true})
	require.Contains(t, abort(t, w, "U0BOB", m, "too slow for me"), "is accepted")
	said, _ := r.end()
	require.Equal(t, 2, said.Code, said.Err+said.Out)
	require.Contains(t, said.Out, "aborted by bob: too slow for me")
	require.Equal(t, []int{10, 0}, r.shares())
	require.Empty(t, cmp.Diff(before, snapshot(t, shop)))
	require.Contains(t, click(t, w, "U0BOB", w.Command("U0BOB", "status "+shop.Lane())), "UNDONE")
}

func TestFiftyClicksAtOnceAreOneDecision(t *testing.T) {
	shop, w := openShop(t, stage.ShopOptions{Namespace: "slack-fifty"}), openSlack(t)
	var users []string
	for i := range 50 {
		id := fmt.Sprintf("U9N%d", i)
		w.AddUser(fakeslack.User{ID: id})
		users = append(users, id)
	}
	w.SetGroup("S0TEAM", users...)
	r := begin(t, shop, stage.Quick{Steps: []string{gate}}, image(t, "v2"))
	m := r.shown(w, "approval by 1 of [@team-checkout]")
	var clicks sync.WaitGroup
	for _, user := range users {
		clicks.Go(func() { _, _ = w.Click(user, m, "slipway_approve").Send(t.Context()) })
	}
	clicks.Wait()
	accepted := 0
	for _, user := range users {
		awaits(t, func(context.Context) error {
			if len(w.Whispers(user)) == 0 {
				return fmt.Errorf("%s was told nothing", user)
			}
			return nil
		})
		if strings.Contains(w.Whispers(user)[0].Text, "is accepted") {
			accepted++
		}
	}
	require.Equal(t, 1, accepted)
	said, _ := r.end()
	require.Zero(t, said.Code, said.Err+said.Out)
	require.Equal(t, []int{10, 100, 0}, r.shares())
}
