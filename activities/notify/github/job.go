// SPDX-License-Identifier: Apache-2.0

package github

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v89/github"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// maxComment is GitHub's own limit of what is said to a job that waits, in characters.
const maxComment = 1024

// verdict answers a job that waits to enter an environment. Without a state it is only a comment.
type verdict struct {
	Environment string `json:"environment_name"`
	State       string `json:"state,omitempty"`
	Comment     string `json:"comment"`
}

// answerJob lets the job that waits for the release go on, or fail. It asks first whether the job still waits, so
// that an attempt whose answer was lost says nothing twice.
func (t teller) answerJob(ctx context.Context) error {
	if t.m.Source.Run == 0 || !t.m.Event.Ends() {
		return nil
	}
	if t.app == nil {
		return fault.New(fault.Invalid, "a job of run %d waits for release %s, and only the GitHub App of its protection rule can answer it: give the receiver that app in place of a token",
			t.m.Source.Run, t.m.Release)
	}
	waits, err := t.waits(ctx)
	if err != nil || !waits {
		return err
	}
	state := "rejected"
	if t.m.Event == plan.Promoted {
		state = "approved"
	}
	resp, err := t.say(ctx, state)
	return t.explain(resp, err)
}

// commentJob says at the job what it waits for. GitHub takes ten comments; the story goes on without the others.
func (t teller) commentJob(ctx context.Context) error {
	if t.m.Source.Run == 0 || t.app == nil || t.m.Event != plan.Started && t.m.Event != plan.GateWaits {
		return nil
	}
	resp, err := t.say(ctx, "")
	if resp != nil && resp.StatusCode == http.StatusUnprocessableEntity {
		return nil
	}
	return t.explain(resp, err)
}

// waits reports whether a job still waits to enter the environment: it does not once it was answered, or its run has
// ended.
func (t teller) waits(ctx context.Context) (bool, error) {
	pending, resp, err := t.api.Actions.GetPendingDeployments(ctx, t.owner, t.repository, t.m.Source.Run)
	if err != nil {
		return false, t.explain(resp, err)
	}
	return slices.ContainsFunc(pending, func(p *github.PendingDeployment) bool {
		return strings.EqualFold(p.GetEnvironment().GetName(), t.m.Source.Environment)
	}), nil
}

// say makes the address of the API that the receiver was configured with, whatever the event has named.
func (t teller) say(ctx context.Context, state string) (*github.Response, error) {
	text := t.m.Title() + " by release " + t.m.Release + ". " + t.m.Text
	if link := deref(t.link()); link != "" && len(link) < maxComment/2 {
		text = outbound.Cut(text, maxComment-len(link)-len("\n\n")) + "\n\n" + link
	}
	path := fmt.Sprintf("repos/%s/%s/actions/runs/%d/deployment_protection_rule", t.owner, t.repository, t.m.Source.Run)
	req, err := t.api.NewRequest(ctx, http.MethodPost, path, verdict{t.m.Source.Environment, state, outbound.Cut(text, maxComment)})
	if err != nil {
		return nil, err
	}
	return t.api.Do(req, nil)
}
