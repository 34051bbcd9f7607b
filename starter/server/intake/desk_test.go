// SPDX-License-Identifier: Apache-2.0

package intake_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/intake"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// now is the time of every event.
var now = time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)

const (
	commit = "0123456789abcdef0123456789abcdef01234567"
)

func trigger() plan.Trigger {
	return plan.Trigger{
		Sender: plan.SenderGitHub, Event: plan.EventWorkflowRun, Repository: "acme/shop", Branch: "release/*", Workflow: "build.yml",
		Image: "ghcr.io/acme/shop:{branch}-{short}",
	}
}

func event() sender.Event {
	return sender.Event{
		Sender: plan.SenderGitHub, Event: plan.EventWorkflowRun, Key: "run/1/1", Repository: "acme/shop", RepositoryID: "7", OwnerID: "3",
		Branch: "release/2", Workflows: []string{"Build", "build.yml"}, Commit: commit, By: "github:ada", At: now,
	}
}

// temporal remembers what it was asked to begin, and lets one begin per key.
type temporal struct {
	mu    sync.Mutex
	keys  map[string]string
	asked int
	err   error
	// sources of what was begun.
	sources []workflows.Source
	// hold keeps every request waiting until it is closed, however little time is left.
	hold chan struct{}
}

// Take implements intake.Taker.
func (f *temporal) Take(_ context.Context, r client.Request) (client.Taken, error) {
	f.mu.Lock()
	f.asked++
	hold, err := f.hold, f.err
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if err != nil {
		return client.Taken{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if id, ok := f.keys[r.Key]; ok {
		return client.Taken{ID: id, Known: true}, nil
	}
	id := r.Plan.Metadata.Name + "-" + r.Plan.Metadata.Environment
	f.keys[r.Key] = id
	f.sources = append(f.sources, r.Source)
	return client.Taken{ID: id}, nil
}

// folder are the plans.
type folder struct {
	plans  []plan.Plan
	broken []string
}

// Plans implements intake.Plans.
func (f folder) Plans() []plan.Plan { return f.plans }

// Mentioning implements intake.Plans.
func (f folder) Mentioning(string) []string { return f.broken }

func planFor(environment string, triggers ...plan.Trigger) plan.Plan {
	return plan.Plan{Metadata: plan.Metadata{Name: "shop", Environment: environment}, Spec: plan.Spec{Triggers: triggers}}
}

type office struct {
	*intake.Desk
	temporal *temporal
	clock    time.Time
}

func TestAJobWaitsForOneRelease(t *testing.T) {
	rule := plan.Trigger{Sender: plan.SenderGitHub, Event: plan.EventProtectionRule, Repository: "acme/shop", Branch: "main", Environment: "production", Image: "ghcr.io/acme/shop:{commit}"}
	waits := event()
	waits.Event, waits.Branch, waits.Environment, waits.Run, waits.Key = plan.EventProtectionRule, "main", "production", 99, "protection/99/5"
	o := open(t, folder{plans: []plan.Plan{planFor("production", rule), planFor("staging", trigger())}})
	got, err := o.Event(t.Context(), waits, time.Hour)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Empty(t, cmp.Diff([]workflows.Source{{Repository: "acme/shop", Commit: commit, Run: 99, Environment: "production"}}, o.temporal.sources))

	o = open(t, folder{plans: []plan.Plan{planFor("production", rule), planFor("elsewhere", rule)}})
	_, err = o.Event(t.Context(), waits, time.Hour)
	require.Equal(t, 403, answer(t, err).Status)
	require.ErrorContains(t, err, "the job waits for the outcome of one release, and 2 plans take this event, such as production/shop and elsewhere/shop")
	require.Zero(t, o.temporal.asked)
}

func open(t *testing.T, f folder) *office {
	t.Helper()
	o := &office{temporal: &temporal{keys: map[string]string{}}, clock: now}
	o.Desk = intake.New(f, o.temporal, func() time.Time { return o.clock }, func(service, id string) string { return "https://slipway.example/" + service + "/" + id })
	return o
}

func answer(t *testing.T, err error) *sender.Answer {
	t.Helper()
	var a *sender.Answer
	require.ErrorAs(t, err, &a)
	return a
}

func TestAnEventStartsOneReleasePerPlanThatTakesIt(t *testing.T) {
	other := trigger()
	other.Branch = "main"
	o := open(t, folder{plans: []plan.Plan{planFor("staging", trigger()), planFor("production", other), planFor("test", other, trigger())}})
	got, err := o.Event(t.Context(), event(), time.Hour)
	require.NoError(t, err)
	image := "ghcr.io/acme/shop:release-2-0123456"
	require.Empty(t, cmp.Diff([]intake.Receipt{
		{ID: "shop-staging", Service: "staging/shop", Image: image, Link: "https://slipway.example/staging/shop/shop-staging"},
		{ID: "shop-test", Service: "test/shop", Image: image, Link: "https://slipway.example/test/shop/shop-test"},
	}, got))
}

func unavailable(err error) bool {
	a, ok := errors.AsType[*sender.Answer](err)
	return ok && a.Status == http.StatusServiceUnavailable
}

func TestAStormOfOneEventIsOneReleaseAndHardlyAnyRequest(t *testing.T) {
	o := open(t, folder{plans: []plan.Plan{planFor("staging", trigger())}})
	var wait sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for range 50 {
		wait.Go(func() {
			for range 20 {
				got, err := o.Event(t.Context(), event(), time.Hour)
				for unavailable(err) { // the machine was slower than an answer may be: a sender delivers it again
					got, err = o.Event(t.Context(), event(), time.Hour)
				}
				mu.Lock()
				if err == nil {
					ids[got[0].ID]++
				}
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	require.Equal(t, map[string]int{"shop-staging": 1000}, ids)
	require.Less(t, o.temporal.asked, 51)
	before := o.temporal.asked
	o.clock = now.Add(11 * time.Second)
	got, err := o.Event(t.Context(), event(), time.Hour)
	require.NoError(t, err)
	require.True(t, got[0].Known)
	require.Equal(t, before+1, o.temporal.asked, "what was remembered is asked again after a while")
}

func TestADeliveryIsAnsweredInTimeWhateverTemporalDoes(t *testing.T) {
	o := open(t, folder{plans: []plan.Plan{planFor("staging", trigger())}})
	o.temporal.hold = make(chan struct{})
	_, err := o.Event(t.Context(), event(), time.Hour)
	a := answer(t, err)
	require.Equal(t, 503, a.Status)
	require.Contains(t, a.Text, "the release of staging/shop could not be handed over (no answer from Temporal in time): deliver it again")
	close(o.temporal.hold)
	o.Close()
	require.Len(t, o.temporal.keys, 1, "it was handed over all the same")
	got, err := o.Event(t.Context(), event(), time.Hour)
	require.NoError(t, err)
	require.Equal(t, "shop-staging", got[0].ID)
	require.True(t, got[0].Known)
}

func TestMoreThanCanBeHandedOverAtOnceIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // on a slow machine a refusal may come after the time for answers
		o := open(t, folder{plans: []plan.Plan{planFor("staging", trigger())}})
		o.temporal.hold = make(chan struct{})
		var wait sync.WaitGroup
		texts := make(chan string, 200)
		for i := range 200 {
			wait.Go(func() {
				e := event()
				e.Key = fmt.Sprint(i)
				_, err := o.Event(t.Context(), e, time.Hour)
				texts <- err.Error()
			})
		}
		wait.Wait()
		o.temporal.mu.Lock()
		require.Equal(t, 100, o.temporal.asked)
		o.temporal.mu.Unlock()
		close(o.temporal.hold)
		close(texts)
		busy := 0
		for text := range texts {
			if text == "the release of staging/shop could not be handed over (too many releases are being handed over): deliver it again; it is started once" {
				busy++
			}
		}
		require.Equal(t, 100, busy)
	})
}

func TestWhatStartsNothingIsAnsweredWithTheReason(t *testing.T) {
	taking := folder{plans: []plan.Plan{planFor("staging", trigger())}}
	tests := map[string]struct {
		folder folder
		change func(*sender.Event)
		fail   error
		status int
		text   string
	}{
		"a repository that no plan knows": {taking, func(e *sender.Event) { e.Repository = "acme/other" }, nil, 404, "no plan has a trigger for acme/other of github"},
		"a sender that no plan knows":     {taking, func(e *sender.Event) { e.Sender = "gitlab" }, nil, 404, "no plan has a trigger for acme/shop of gitlab"},
		"a branch that may not release":   {taking, func(e *sender.Event) { e.Branch = "main" }, nil, 403, `staging/shop: the branch is "main"`},
		"a plan that is broken":           {folder{broken: []string{"shop.yaml"}}, func(*sender.Event) {}, nil, 503, "the plans shop.yaml are broken, and may have taken this event"},
		"an old event":                    {taking, func(e *sender.Event) { e.At = now.Add(-time.Hour - time.Second) }, nil, 409, "the event happened at 2030-01-01T07:59:59Z"},
		"an event of the future":          {taking, func(e *sender.Event) { e.At = now.Add(6 * time.Minute) }, nil, 409, "the event happened at 2030-01-01T09:06:00Z"},
		"an event of no time":             {taking, func(e *sender.Event) { e.At = time.Time{} }, nil, 409, "the event happened at 0001-01-01"},
		"Temporal that is away":           {taking, func(*sender.Event) {}, errors.New("no connection"), 503, "could not be handed over (no connection)"},
		"a plan that is too large":        {taking, func(*sender.Event) {}, &client.RefusedError{}, 422, ""},
		"a key that was used":             {taking, func(*sender.Event) {}, &client.UsedError{ID: "shop-9"}, 409, "the same key was used before, for release shop-9"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o := open(t, tt.folder)
			o.temporal.err = tt.fail
			e := event()
			tt.change(&e)
			_, err := o.Event(t.Context(), e, time.Hour)
			a := answer(t, err)
			require.Equal(t, tt.status, a.Status)
			require.Contains(t, a.Text, tt.text)
			require.Empty(t, o.temporal.keys)
		})
	}
}

func TestTheOrderOfEventsIsThatOfTheirBeginning(t *testing.T) {
	e := event()
	require.Equal(t, now, e.Order())
	e.Began = now.Add(-time.Minute)
	require.Equal(t, e.Began, e.Order())
}
