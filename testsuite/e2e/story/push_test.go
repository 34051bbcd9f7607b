// SPDX-License-Identifier: Apache-2.0

package story_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// states of the deployments of a repository, and marks on its commits as "<commit> <context>: <state>", oldest first.
func (a *apart) states(repository string) (states, marks []string) {
	for _, d := range a.Deployments(repository) {
		for _, s := range d.Statuses {
			states = append(states, s.State)
		}
	}
	for _, s := range a.CommitStatuses(repository) {
		marks = append(marks, s.SHA+" "+s.Context+": "+s.State)
	}
	return states, marks
}

func TestAPushIsReleasedAndAnsweredInSlackAndGitHubHearsHowItEnded(t *testing.T) {
	for name, row := range map[string]struct {
		namespace string
		answer    func(*testing.T, *stage.Slack, fakeslack.Message) string
		phase, by string
		shares    []int
		// states of the deployment; the last one is also that of the commit.
		states []string
	}{
		"whoever pushed may not approve it, and a colleague's click promotes it": {
			namespace: "pushed",
			answer: func(t *testing.T, w *stage.Slack, m fakeslack.Message) string {
				t.Helper()
				require.Contains(t, click(t, w, "U0GRACE", w.Click("U0GRACE", m, "slipway_approve")), "github:grace has requested the release")
				return click(t, w, "U0ANN", w.Click("U0ANN", m, "slipway_approve"))
			},
			phase: "promoted", by: "approve by ann (slack)", shares: []int{10, 100, 0},
			states: []string{"in_progress", "pending", "in_progress", "success"},
		},
		"an abort takes it back": {
			namespace: "pushed-abort",
			answer: func(t *testing.T, w *stage.Slack, m fakeslack.Message) string {
				t.Helper()
				return abort(t, w, "U0BOB", m, "not today")
			},
			phase: "undone", by: "abort by bob (slack): not today", shares: []int{10, 0},
			states: []string{"in_progress", "pending", "failure"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			github, slack := openApart(t), openWorkspace(t)
			shop := openShop(t, stage.ShopOptions{Namespace: row.namespace})
			r := receive(t, shop, stage.Quick{Steps: []string{gate}, Notifications: "[{to: [hub]}]"}, entry{github: github.GitHub, api: github.url, env: slack.Env()})
			slack.Interactions = r.server.URL
			began, commit := time.Now(), strings.Repeat("e", 40)
			built, event := r.pushed("v2", commit)
			_, link := receipt(t, r.deliver(event))
			r.until(link, `"asks":`)
			var m fakeslack.Message
			told(t, "Slack asks", func() (ok bool) { m, ok = shows(t, slack, shop, "approval by 1 of [@team-checkout]"); return ok })
			require.Contains(t, row.answer(t, slack, m), "is accepted")
			r.until(link, `"phase":"`+row.phase+`"`)
			_, said, err := r.ask(t.Context(), "GET", link, "")
			require.NoError(t, err)
			require.Contains(t, said, row.by)
			require.Equal(t, row.shares, shop.Route.Shares(began))
			atRest(t, shop, map[string]string{"promoted": built, "undone": shop.Image}[row.phase])
			end := row.states[len(row.states)-1]
			mark := commit + " slipway/test/" + shop.Name + ": " + end
			told(t, "GitHub hears the end", func() bool { _, marks := github.states("acme/shop"); return slices.Contains(marks, mark) })
			states, marks := github.states("acme/shop")
			require.Equal(t, row.states, states)
			require.Equal(t, mark, marks[len(marks)-1])
			told(t, "Slack shows the end", func() bool { _, ok := shows(t, slack, shop, "*"+row.phase+"*"); return ok })
		})
	}
}
