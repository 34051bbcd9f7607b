// SPDX-License-Identifier: Apache-2.0

package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/slipwayhq/slipway/starter/server/api"
	"github.com/slipwayhq/slipway/starter/server/intake"
	"github.com/slipwayhq/slipway/starter/server/sender"
)

// maxDelivery is the largest body of a webhook, in bytes.
const maxDelivery = 1 << 20

// Taken is the answer to a delivery that has started releases, or whose releases had been started before.
type Taken struct {
	Releases []intake.Receipt `json:"releases"`
}

// webhook takes deliveries of one sender: it is verified before anything of it is believed.
func (s *Server) webhook(name string, from sender.Sender) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		began := s.now()
		taken, event, err := s.deliver(w, r, from)
		status := http.StatusAccepted
		if err != nil {
			status = s.decline(w, name, event, err)
		} else {
			api.Write(w, status, taken)
			s.logger.Info("delivery taken", "sender", name, "event", event, "releases", ids(taken))
		}
		s.metrics.delivery(name, status, s.now().Sub(began))
	}
}

func ids(t Taken) []string {
	var out []string
	for _, r := range t.Releases {
		out = append(out, r.ID)
	}
	return out
}

func (s *Server) deliver(w http.ResponseWriter, r *http.Request, from sender.Sender) (Taken, string, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxDelivery))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return Taken{}, "", &sender.Answer{Status: http.StatusRequestEntityTooLarge, Text: "the delivery has more than 1 MiB: nothing was started"}
	}
	if err != nil {
		return Taken{}, "", &sender.Answer{Status: http.StatusBadRequest, Text: "the delivery broke off: nothing was started"}
	}
	d := sender.Delivery{Header: r.Header, Query: r.URL.Query(), Body: body, At: s.now()}
	if err := from.Verify(d); err != nil {
		return Taken{}, "", err
	}
	ctx, cancel := context.WithTimeout(r.Context(), intake.AnswerWithin)
	defer cancel()
	return s.take(ctx, from, d, s.config.MaxEventAge)
}

// take is the way in of every delivery that was verified, and of those that were fetched.
func (s *Server) take(ctx context.Context, from sender.Sender, d sender.Delivery, maxAge time.Duration) (Taken, string, error) {
	events, err := from.Read(d)
	if err != nil {
		return Taken{}, "", err
	}
	var out Taken
	var first error
	for _, e := range events {
		receipts, err := s.hand(ctx, e, maxAge)
		out.Releases = append(out.Releases, receipts...)
		if first == nil || unavailable(err) { // of several, the one that is worth another delivery counts
			first = err
		}
	}
	if len(out.Releases) > 0 && !unavailable(first) {
		first = nil // one of several tags is enough
	}
	return out, events[0].Event, first
}

// hand gives an event to who decides about it.
func (s *Server) hand(ctx context.Context, e sender.Event, maxAge time.Duration) ([]intake.Receipt, error) {
	if e.Review != nil {
		return s.review(ctx, e)
	}
	return s.desk.Event(ctx, e, maxAge)
}

func unavailable(err error) bool {
	answer, ok := errors.AsType[*sender.Answer](err)
	return ok && answer.Status == http.StatusServiceUnavailable
}

// decline answers a delivery that has started nothing, and returns its status.
func (s *Server) decline(w http.ResponseWriter, name, event string, err error) int {
	status, text := http.StatusInternalServerError, err.Error()
	if answer, ok := errors.AsType[*sender.Answer](err); ok {
		status = answer.Status
	}
	if status == http.StatusOK {
		api.Write(w, status, map[string]string{"result": text})
		s.logger.Debug("delivery starts nothing", "sender", name, "event", event, "reason", text)
		return status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	api.Write(w, status, api.Failure{Error: text})
	s.logger.Warn("delivery refused", "sender", name, "event", event, "status", status, "reason", text)
	return status
}

// unknownSender answers for senders that are not taken.
func (s *Server) unknownSender(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		api.Write(w, http.StatusMethodNotAllowed, api.Failure{Error: "webhooks are delivered by POST"})
		return
	}
	api.Write(w, http.StatusNotFound, api.Failure{Error: "this sender is not taken: see SLIPWAY_SENDERS"})
}
