// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

// IssuerGitHub signs the tokens of GitHub Actions.
const IssuerGitHub = "https://token.actions.githubusercontent.com"

// What is taken of a token's times.
const (
	// skew is how far the issuer's clock may be from ours.
	skew = time.Minute
	// maxLife is how long a token may be valid: issuers give minutes.
	maxLife = time.Hour
	// maxToken in bytes.
	maxToken = 16 << 10
)

// fetchWithin bounds what an issuer's keys may take.
const fetchWithin = 5 * time.Second

// Jobs knows the tokens of CI jobs.
type Jobs struct {
	audience string
	now      func() time.Time
	client   *http.Client
	issuers  map[string]*issuer
}

// issuer is one that is pinned, with its keys.
type issuer struct {
	url    string
	sender string

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
}

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
	if c.Client == nil {
		c.Client = &http.Client{Timeout: fetchWithin}
	}
	j := &Jobs{audience: c.Audience, now: c.Now, client: c.Client, issuers: map[string]*issuer{}}
	if len(c.Issuers) > 0 && c.Audience == "" {
		return nil, errors.New("tokens of CI jobs need an audience of this server's own, such as its address: without one, a token made for another system would be taken")
	}
	for sender, url := range c.Issuers {
		j.issuers[url] = &issuer{url: url, sender: sender}
	}
	return j, nil
}

// refused is the answer to a token that is not taken.
func refused(format string, args ...any) error {
	return &sender.Answer{Status: http.StatusUnauthorized, Text: fmt.Sprintf(format, args...)}
}

// Looks reports whether a bearer is a token of this kind rather than one of ours.
func Looks(bearer string) bool { return strings.Count(bearer, ".") == 2 }

// Verify returns what a token says of its job. Its Key is the token's own identity, which may be used once:
// the caller sees to that. The error is a *sender.Answer.
func (j *Jobs) Verify(ctx context.Context, token string) (sender.Event, error) {
	if len(token) > maxToken {
		return sender.Event{}, refused("the token has more than %d KiB", maxToken>>10)
	}
	issued, err := j.issuer(token)
	if err != nil {
		return sender.Event{}, err
	}
	verifier, err := issued.keys(ctx, j)
	if err != nil {
		return sender.Event{}, &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("the keys of %s could not be fetched: try again", issued.url)}
	}
	checked, err := verifier.Verify(oidc.ClientContext(ctx, j.client), token)
	if err != nil {
		return sender.Event{}, rejected(issued.url, err)
	}
	var c claims
	if err := checked.Claims(&c); err != nil {
		return sender.Event{}, refused("the token's claims cannot be read: %v", err)
	}
	if err := j.times(c, checked); err != nil {
		return sender.Event{}, err
	}
	return c.event(issued, checked.IssuedAt)
}

// issuer is the pinned one that a token names. Nothing else of the token is believed yet.
func (j *Jobs) issuer(token string) (*issuer, error) {
	var named struct {
		Issuer string `json:"iss"`
	}
	if err := payload(token, &named); err != nil {
		return nil, err
	}
	issued, ok := j.issuers[named.Issuer]
	if !ok {
		return nil, refused("the token is of an issuer that this server does not trust")
	}
	return issued, nil
}

// keys finds where the issuer publishes them, once it answers. Later keys are fetched as tokens name them.
func (i *issuer) keys(ctx context.Context, j *Jobs) (*oidc.IDTokenVerifier, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.verifier != nil {
		return i.verifier, nil
	}
	// The provider keeps its context for later fetches, which outlive this request.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), j.client), i.url)
	if err != nil {
		return nil, fmt.Errorf("ask issuer %s: %w", i.url, err)
	}
	i.verifier = provider.Verifier(&oidc.Config{
		ClientID: j.audience, SupportedSigningAlgs: []string{oidc.RS256},
		// The time that the library takes for now is ours less what the clocks may differ.
		Now: func() time.Time { return j.now().Add(-skew) },
	})
	return i.verifier, nil
}

// rejected sorts a key server that is away from a token that is bad.
func rejected(url string, err error) error {
	var late *oidc.TokenExpiredError
	switch text := err.Error(); {
	case errors.As(err, &late):
		return refused("the token has expired")
	case strings.Contains(text, "fetching keys"):
		return &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("the keys of %s could not be fetched: try again", url)}
	case strings.Contains(text, "audience"):
		return refused("the token is for another audience")
	}
	return refused("the token is not one of %s: its signature, its kind or its time is wrong", url)
}

// times checks what the library leaves: that the token was made, is valid now, and not for long.
func (j *Jobs) times(c claims, checked *oidc.IDToken) error {
	now, issued := j.now(), checked.IssuedAt
	switch {
	case len(checked.Audience) != 1:
		return refused("the token is for several audiences")
	case issued.Unix() <= 0:
		return refused("the token does not say when it was made")
	case issued.After(now.Add(skew)) || time.Unix(c.Before, 0).After(now.Add(skew)):
		return refused("the token is not valid yet")
	case checked.Expiry.Sub(issued) > maxLife:
		return refused("the token is valid for more than %s", maxLife)
	}
	return nil
}
