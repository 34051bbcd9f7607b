// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// IssuerGitHub signs the tokens of GitHub Actions.
const IssuerGitHub = "https://token.actions.githubusercontent.com"

// jobLife is how long the token of a job may be valid: issuers give minutes.
const jobLife = time.Hour

// Jobs knows the tokens of CI jobs.
type Jobs struct{ issuers map[string]*issuer }

// JobsConfig says whose tokens are taken.
type JobsConfig struct {
	// Audience that a token must be made for, and for nobody else.
	Audience string
	// Issuers by the sender of their tokens: plan.SenderGitHubToken, plan.SenderGitLabToken.
	Issuers map[string]string
	Now     func() time.Time
	// Client fetches keys; nil is one of its own.
	Client *http.Client
}

// NewJobs pins issuers. Their keys are fetched when the first token comes.
func NewJobs(c JobsConfig) (*Jobs, error) {
	if len(c.Issuers) > 0 && c.Audience == "" {
		return nil, errors.New("tokens of CI jobs need an audience of this server's own, such as its address: without one, a token made for another system would be taken")
	}
	j := &Jobs{issuers: map[string]*issuer{}}
	for sender, url := range c.Issuers {
		j.issuers[url] = issuer{
			url: url, sender: sender, audience: c.Audience, algorithms: []string{oidc.RS256}, maxLife: jobLife, now: c.Now, client: c.Client,
		}.pin()
	}
	return j, nil
}

// Know reports whether an issuer is one of CI jobs. Nobody's jobs know none.
func (j *Jobs) Know(issuer string) bool { return j != nil && j.issuers[issuer] != nil }

// Verify returns what a token says of its job. Its Key is the token's own identity, which may be used once:
// the caller sees to that. The error is a *sender.Answer.
func (j *Jobs) Verify(ctx context.Context, token string) (sender.Event, error) {
	named, err := IssuerOf(token)
	if err != nil {
		return sender.Event{}, err
	}
	issued, ok := j.issuers[named]
	if !ok {
		return sender.Event{}, unknownIssuer()
	}
	checked, err := issued.verify(ctx, token)
	if err != nil {
		return sender.Event{}, err
	}
	var c claims
	if err := checked.Claims(&c); err != nil {
		return sender.Event{}, refused("the token's claims cannot be read: %v", err)
	}
	return c.event(issued, checked.IssuedAt)
}
