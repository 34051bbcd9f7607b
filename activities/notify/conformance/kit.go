// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Canary must be in every secret of the notifier under test, and nowhere else.
const Canary = "canary-8c2f51d0"

// Service is a fake of what a notifier reaches.
type Service interface {
	http.Handler
	// Shown is what a person would see by now, oldest first.
	Shown() []string
}

// Kind is one kind of notifier.
type Kind struct {
	// Service is made anew for each test.
	Service func() Service
	// Notifier reaches a service at an address such as http://127.0.0.1:1234.
	Notifier func(t *testing.T, address string) activities.Notifier
	// Doubles says that the service cannot tell a message that it has seen before.
	Doubles bool
	// Silent are the events that it does not show.
	Silent []plan.Event
}

// Message is the event of a release, with everything in it.
func Message(e plan.Event) activities.Message {
	m := activities.Message{
		Link: "https://temporal.example/namespaces/default/workflows/production%2Fcheckout/run-1/history",
		Notice: activities.Notice{
			Key: "checkout-abc123/" + string(e) + "/2", Event: e, Severity: e.Severity(), At: time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC),
			Release: "checkout-abc123", Service: "checkout", Environment: "production", Namespace: "shop", Strategy: "canary",
			Image:       "registry.example/checkout@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
			RequestedBy: "alice", Weight: 25, Step: 2, Steps: 5, Text: "what happened & why <b>",
			Source: activities.Origin{
				Repository: "acme/checkout", Commit: "0123456789012345678901234567890123456789", URL: "https://ci.example/runs/1",
			},
		},
	}
	if e.Waits() {
		m.Owner, m.Deadline, m.AtDeadline = "people", m.At.Add(time.Hour), "the release is undone"
	}
	return m
}

// Run tests one kind.
func Run(t *testing.T, k Kind) {
	t.Helper()
	t.Run("every event is told", k.everyEvent)
	t.Run("the same message is shown once", k.once)
	t.Run("a message whose answer was lost is shown once", k.lostAnswer)
	t.Run("a service that is busy is asked again when it wants", k.busy)
	t.Run("a refusal is final and says why", k.refused)
	t.Run("a redirect is not followed", k.redirected)
	t.Run("a service that does not answer is left with the context", k.slow)
	t.Run("a service that is not there is tried again", k.away)
	t.Run("no secret is named", k.secrets)
}

// answering reaches the service through a door that may answer instead of it.
func (k Kind) answering(t *testing.T, door func(http.ResponseWriter, *http.Request, Service)) (activities.Notifier, Service) {
	t.Helper()
	s := k.Service()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { door(w, r, s) }))
	t.Cleanup(server.Close)
	return k.Notifier(t, server.URL), s
}

func through(w http.ResponseWriter, r *http.Request, s Service) { s.ServeHTTP(w, r) }

func (k Kind) silent(e plan.Event) bool {
	return slices.Contains(k.Silent, e)
}

func (k Kind) everyEvent(t *testing.T) {
	t.Helper()
	n, s := k.answering(t, through)
	for _, e := range plan.Events() {
		before := len(s.Shown())
		require.NoError(t, n.Notify(t.Context(), Message(e)), e)
		require.Equal(t, k.silent(e), len(s.Shown()) == before, "%s: %v", e, s.Shown())
	}
	before := len(s.Shown())
	closing := Message(plan.StepPassed)
	closing.Closing = true
	require.NoError(t, n.Notify(t.Context(), closing))
	require.LessOrEqual(t, len(s.Shown()), before+1, "closing shows one thing at most")
}

func (k Kind) once(t *testing.T) {
	t.Helper()
	n, s := k.answering(t, through)
	for range 3 {
		require.NoError(t, n.Notify(t.Context(), Message(plan.Undone)))
	}
	if k.Doubles {
		require.Len(t, s.Shown(), 3)
		return
	}
	require.Len(t, s.Shown(), 1)
}

func (k Kind) lostAnswer(t *testing.T) {
	t.Helper()
	var lost atomic.Bool
	n, s := k.answering(t, func(w http.ResponseWriter, r *http.Request, s Service) {
		before := len(s.Shown())
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, r)
		if len(s.Shown()) > before && lost.CompareAndSwap(false, true) {
			panic(http.ErrAbortHandler)
		}
		maps.Copy(w.Header(), recorder.Header())
		w.WriteHeader(recorder.Code)
		_, _ = w.Write(recorder.Body.Bytes())
	})
	err := n.Notify(t.Context(), Message(plan.Undone))
	require.Error(t, err)
	require.False(t, fault.Final(err), err)
	require.NoError(t, n.Notify(t.Context(), Message(plan.Undone)))
	if k.Doubles {
		require.Len(t, s.Shown(), 2, "the window that the documentation names")
		return
	}
	require.Len(t, s.Shown(), 1)
}

func (k Kind) busy(t *testing.T) {
	t.Helper()
	for _, status := range []int{http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable} {
		for after, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0, "-1": 0, "999999": time.Hour} {
			n, s := k.answering(t, func(w http.ResponseWriter, _ *http.Request, _ Service) {
				if after != "" {
					w.Header().Set("Retry-After", after)
				}
				http.Error(w, `{"message": "not now"}`, status)
			})
			err := n.Notify(t.Context(), Message(plan.Undone))
			require.Error(t, err)
			require.False(t, fault.Final(err), "%d: %v", status, err)
			require.ErrorContains(t, err, fmt.Sprint(status))
			require.Equal(t, want, asked(err), "%d with Retry-After %q: %v", status, after, err)
			require.Empty(t, s.Shown())
		}
	}
}

func (k Kind) refused(t *testing.T) {
	t.Helper()
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusGone, http.StatusRequestEntityTooLarge} {
		n, _ := k.answering(t, func(w http.ResponseWriter, _ *http.Request, _ Service) {
			http.Error(w, `{"message": "because of this"}`, status)
		})
		err := n.Notify(t.Context(), Message(plan.Undone))
		require.Error(t, err)
		require.True(t, fault.Final(err), "%d: %v", status, err)
		require.ErrorContains(t, err, fmt.Sprint(status))
		require.ErrorContains(t, err, "because of this")
	}
}

func (k Kind) redirected(t *testing.T) {
	t.Helper()
	var reached atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	t.Cleanup(elsewhere.Close)
	n, _ := k.answering(t, func(w http.ResponseWriter, r *http.Request, _ Service) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	err := n.Notify(t.Context(), Message(plan.Undone))
	require.Error(t, err)
	require.True(t, fault.Final(err), err)
	require.False(t, reached.Load(), "credentials went to another host")
}

func (k Kind) slow(t *testing.T) {
	t.Helper()
	release := make(chan struct{})
	defer close(release)
	n, _ := k.answering(t, func(_ http.ResponseWriter, r *http.Request, _ Service) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := n.Notify(ctx, Message(plan.Undone))
	require.Error(t, err)
	require.False(t, fault.Final(err), err)
}

func (k Kind) away(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(http.NotFoundHandler())
	address := server.URL
	server.Close()
	err := k.Notifier(t, address).Notify(t.Context(), Message(plan.Undone))
	require.Error(t, err)
	require.False(t, fault.Final(err), err)
	require.NotContains(t, err.Error(), Canary)
}

func (k Kind) secrets(t *testing.T) {
	t.Helper()
	var sent atomic.Bool
	n, _ := k.answering(t, func(w http.ResponseWriter, r *http.Request, _ Service) {
		said, _ := httputil.DumpRequest(r, true)
		sent.Store(true)
		http.Error(w, `{"message": "`+string(said)+`"}`, http.StatusBadRequest)
	})
	err := n.Notify(t.Context(), Message(plan.Undone))
	require.Error(t, err)
	require.True(t, sent.Load())
	for _, text := range []string{err.Error(), fmt.Sprintf("%v %+v %#v", n, n, n)} {
		require.NotContains(t, text, Canary)
	}
}

// asked is how long an error says to wait.
func asked(err error) time.Duration {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.After
	}
	return 0
}
