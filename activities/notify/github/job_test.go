// SPDX-License-Identifier: Apache-2.0

package github_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/conformance"
	"github.com/slipwayhq/slipway/activities/notify/github"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/testsuite/fakegithub"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// gatehouse is a GitHub of which a job waits, and the notifier of the app of its protection rule.
type gatehouse struct {
	*fakegithub.GitHub
	activities.Notifier
	job  fakegithub.Job
	url  string
	asks atomic.Int32
	// lose is how many answers to what is said to the job do not come back.
	lose atomic.Int32
}

func guard(t *testing.T) *gatehouse {
	t.Helper()
	g := &gatehouse{GitHub: fakegithub.New("token", time.Now)}
	a := newApp(t, time.Now)
	g.InstallApp(7, 9, &a.key.PublicKey)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said := strings.HasSuffix(r.URL.Path, "/deployment_protection_rule")
		if said {
			g.asks.Add(1)
		}
		g.ServeHTTP(w, r)
		if said && g.lose.Add(-1) >= 0 {
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(server.Close)
	g.Notifier, g.url = a.notifier(t, server.URL), server.URL
	g.enter(t)
	return g
}

// enter lets one more job wait, of a run of its own.
func (g *gatehouse) enter(t *testing.T) {
	t.Helper()
	var err error
	g.job, _, err = g.Enter(t.Context(), g.AddHook("acme/checkout", g.url, ""), fakegithub.Entry{
		Repository: "acme/checkout", Environment: "Production", Branch: "main", API: g.url,
	})
	require.NoError(t, err)
}

// state is the answer that the newest job has.
func (g *gatehouse) state() string { all := g.Jobs(); return all[len(all)-1].State }

// message is one of the release that the job waits for.
func (g *gatehouse) message(e plan.Event) activities.Message {
	m := conformance.Message(e)
	m.Source.Run, m.Source.Environment = g.job.Run, "Production"
	return m
}

func TestAJobThatWaitsIsAnsweredWithTheOutcome(t *testing.T) {
	g := guard(t)
	for event, want := range map[plan.Event]string{
		plan.Promoted: "approved", plan.Undone: "rejected", plan.Failed: "rejected", plan.NeedsPerson: "rejected",
		plan.Started: "", plan.StepPassed: "", plan.GateWaits: "", plan.Held: "",
	} {
		g.enter(t)
		for range 2 {
			require.NoError(t, g.Notify(t.Context(), g.message(event)))
		}
		require.Equal(t, want, g.state(), event)
	}
}

func TestAJobIsToldOnceWhatItWaitsFor(t *testing.T) {
	g := guard(t)
	for _, e := range []plan.Event{plan.Started, plan.StepPassed, plan.GateWaits, plan.Held, plan.Promoted} {
		require.NoError(t, g.Notify(t.Context(), g.message(e)))
	}
	all := g.Jobs()[0].Comments
	require.Len(t, all, 3)
	require.Equal(t, "checkout in production is being released by canary by release checkout-abc123. what happened & why <b>\n\n"+
		"https://temporal.example/namespaces/default/workflows/production%2Fcheckout/run-1/history#started/2", all[0])
	require.Contains(t, all[1], "checkout in production waits for people")
	require.Contains(t, all[2], "checkout in production was released")
}

func TestAnAnswerThatWasLostIsNotGivenTwice(t *testing.T) {
	g := guard(t)
	g.lose.Store(1)
	err := g.Notify(t.Context(), g.message(plan.Promoted))
	require.Error(t, err)
	require.False(t, fault.Final(err))
	require.NoError(t, g.Notify(t.Context(), g.message(plan.Promoted)))
	require.EqualValues(t, 1, g.asks.Load())
	require.Equal(t, "approved", g.Jobs()[0].State)
	require.Len(t, g.Jobs()[0].Comments, 1)
}

func TestAJobHearsNoMoreThanGitHubTakesAndItsAnswerAllTheSame(t *testing.T) {
	g := guard(t)
	for i := range 12 {
		m := g.message(plan.GateWaits)
		m.Key, m.Text = fmt.Sprintf("%s-%d", m.Key, i), strings.Repeat("ä", 2000)
		require.NoError(t, g.Notify(t.Context(), m))
	}
	require.Len(t, g.Jobs()[0].Comments, 10)
	require.NoError(t, g.Notify(t.Context(), g.message(plan.Undone)))
	require.Equal(t, "rejected", g.Jobs()[0].State)
}

func TestAJobThatNoLongerWaitsIsLeftAlone(t *testing.T) {
	g := guard(t)
	m := g.message(plan.Promoted)
	m.Source.Run++ // a run that was cancelled
	require.NoError(t, g.Notify(t.Context(), m))
	require.Zero(t, g.asks.Load())
}

func TestATokenCannotAnswerAJob(t *testing.T) {
	g := guard(t)
	server := httptest.NewServer(g.GitHub)
	t.Cleanup(server.Close)
	n, err := github.New(github.Config{Token: outbound.NewSecret("token"), URL: server.URL}, time.Now)
	require.NoError(t, err)
	require.NoError(t, n.Notify(t.Context(), g.message(plan.Started)), "what it can tell it tells")
	err = n.Notify(t.Context(), g.message(plan.Promoted))
	require.ErrorContains(t, err, "only the GitHub App of its protection rule can answer it: give the receiver that app in place of a token")
	require.True(t, fault.Final(err))
	require.Empty(t, g.Jobs()[0].State)
}
