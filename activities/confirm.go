// SPDX-License-Identifier: Apache-2.0

package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// AwaitConfirmationIn asks another system until it says yes or the deadline has passed.
type AwaitConfirmationIn struct {
	Confirm  plan.Confirm `json:"confirm"`
	About    About        `json:"about"`
	Deadline time.Time    `json:"deadline"`
}

// About is what another system is asked about. The first fields are those of Flagger's confirm-rollout, so that what
// answers Flagger can answer here.
type About struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Checksum  string            `json:"checksum"`
	Metadata  map[string]string `json:"metadata,omitempty"`

	Environment string `json:"environment"`
	Release     string `json:"release"`
	Question    string `json:"question"`
	Image       string `json:"image"`
	PlanHash    string `json:"planHash"`
	Weight      int    `json:"weight"`
}

// AwaitConfirmation heartbeats until the system answers with a status from 200 to 299. Any other answer, and none, is a
// "not yet".
func (a *Checks) AwaitConfirmation(ctx context.Context, in AwaitConfirmationIn) (Checked, error) {
	body, err := json.Marshal(in.About)
	if err != nil {
		return Checked{}, fault.From(fault.New(fault.Invalid, "write question: %w", err))
	}
	request := Request{URL: in.Confirm.URL, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(body)}
	for {
		said := a.ask(ctx, in.Confirm, request)
		if said.Passed {
			return said, nil
		}
		for next := a.Clock.Now().Add(in.Confirm.Every.D()); a.Clock.Now().Before(next); {
			left := in.Deadline.Sub(a.Clock.Now())
			if left <= 0 {
				return said, nil
			}
			activity.RecordHeartbeat(ctx)
			if err := a.Clock.wait(ctx, min(left, next.Sub(a.Clock.Now()), time.Second)); err != nil {
				return said, err
			}
		}
	}
}

func (a *Checks) ask(ctx context.Context, c plan.Confirm, r Request) Checked {
	answer, err := a.Prober.Post(ctx, r)
	switch {
	case err != nil:
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the whole address may hold what is secret
		}
		return Checked{Reason: fmt.Sprintf("%s did not answer: %s", c.Name(), err)}
	case answer.Status < http.StatusOK || answer.Status >= http.StatusMultipleChoices:
		return Checked{Reason: fmt.Sprintf("%s answered %d", c.Name(), answer.Status)}
	}
	return Checked{Passed: true, Reason: fmt.Sprintf("%s answered %d", c.Name(), answer.Status)}
}
