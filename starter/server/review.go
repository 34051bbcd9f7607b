// SPDX-License-Identifier: Apache-2.0

package server

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/starter/client"
	"github.com/slipwayhq/slipway/starter/server/intake"
	"github.com/slipwayhq/slipway/starter/server/sender"
	"github.com/slipwayhq/slipway/workflows"
	"github.com/slipwayhq/slipway/workflows/plan"
)

const (
	// howGitHub is how somebody is recognised who has decided there.
	howGitHub = "github"
	// reviewWithin bounds what a review may take; GitHub waits for 10 s.
	reviewWithin = 7 * time.Second
)

// review gives what a person has decided at GitHub, about a job that waits to enter an environment, to the release
// that the job waits for. The error is a *sender.Answer.
func (s *Server) review(ctx context.Context, e sender.Event) ([]intake.Receipt, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reviewWithin)
	defer cancel()
	var found []workflows.Status
	for _, p := range s.plans.Plans() {
		lane := client.Lane{Environment: p.Metadata.Environment, Name: p.Metadata.Name}
		if !awaited(p, e) {
			continue
		}
		status, _, err := s.world.Temporal.Find(ctx, lane, "")
		if _, missing := errors.AsType[*client.MissingError](err); err != nil && !missing {
			return nil, &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("%v: nothing was decided; deliver it again", err)}
		}
		if status.Source.Run == e.Run && slices.Contains(e.Review.Environments, status.Source.Environment) && !status.Phase.Ended() {
			found = append(found, status)
		}
	}
	if len(found) == 0 {
		return nil, &sender.Answer{Status: http.StatusNotFound, Text: fmt.Sprintf("no running release is one that a job of run %d waits for: nothing was decided", e.Run)}
	}
	return s.decide(ctx, e, found[0])
}

// awaited reports whether releases of a plan can be what a reviewed job waits for.
func awaited(p plan.Plan, e sender.Event) bool {
	return slices.ContainsFunc(p.Spec.Triggers, func(t plan.Trigger) bool {
		return t.Sender == e.Sender && t.Event == plan.EventProtectionRule && strings.EqualFold(t.Repository, e.Repository) && slices.Contains(e.Review.Environments, t.Environment)
	})
}

// decide tells the release, in a statement about what it asks now. A no ends also one that asks nothing.
func (s *Server) decide(ctx context.Context, e sender.Event, now workflows.Status) ([]intake.Receipt, error) {
	lane := client.Lane{Environment: now.Environment, Name: now.Service}
	asks := now.Asks != nil && now.Asks.Quorum > 0
	before := s.now().Sub(e.At) > reviewWithin && asks && now.Asks.Asked.After(e.At)
	command := workflows.Abort
	switch {
	case e.Review.Approved && before:
		return nil, &sender.Answer{Status: http.StatusConflict, Text: fmt.Sprintf(
			"release %s asks since %s, and the approval was given before that: it was about something else and does not count", now.ID, now.Asks.Asked.UTC().Format(time.RFC3339))}
	case e.Review.Approved && !asks:
		return nil, &sender.Answer{Status: http.StatusConflict, Text: fmt.Sprintf(
			"release %s asks nobody now (%s): the approval does not count; approve when it asks, in Slack, by the API or by `slipway approve %s`", now.ID, now.Next, lane)}
	case e.Review.Approved:
		command = workflows.Approve
	case asks:
		command = workflows.Reject
	}
	sum := sha256.Sum256([]byte(e.Key))
	_, err := s.world.Temporal.Decide(ctx, client.Decision{
		Lane: lane, Command: command, Who: e.By, How: howGitHub, ID: "github-" + hex.EncodeToString(sum[:12]), Seen: client.SeenIn(now),
		Reason: cmp.Or(strings.TrimSpace(e.Review.Comment), "reviewed at GitHub"),
	})
	_, refused := errors.AsType[*client.RefusedError](err)
	_, late := errors.AsType[*client.LateError](err)
	switch {
	case refused || late:
		return nil, &sender.Answer{Status: http.StatusConflict, Text: err.Error()}
	case err != nil:
		return nil, &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("%v: deliver it again; it counts once", err)}
	}
	service := lane.String()
	return []intake.Receipt{{ID: now.ID, Service: service, Image: now.Image, Link: s.link(service, now.ID), Known: true}}, nil
}
