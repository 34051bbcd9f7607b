// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/slipwayhq/slipway/starter/server/sender"
)

const (
	// skew is how far an issuer's clock may be from ours.
	skew = time.Minute
	// maxToken in bytes.
	maxToken = 16 << 10
	// fetchWithin bounds what an issuer's keys may take.
	fetchWithin = 5 * time.Second
)

// issuer is one that is pinned, with its keys.
type issuer struct {
	url string
	// sender of events, for one of CI jobs.
	sender string
	// audience that a token must be made for, and for nobody else.
	audience   string
	algorithms []string
	// maxLife is how long a token may be valid.
	maxLife time.Duration
	now     func() time.Time
	// client fetches keys.
	client *http.Client
	// turn is taken by whoever uses the verifier, or finds out how to make it.
	turn     chan struct{}
	verifier *oidc.IDTokenVerifier
}

// pin makes an issuer ready. Its keys are fetched when the first token comes.
func (i issuer) pin() *issuer {
	if i.client == nil {
		i.client = &http.Client{Timeout: fetchWithin}
	}
	i.turn = make(chan struct{}, 1)
	return &i
}

// refused is the answer to who could not prove to be anybody.
func refused(format string, args ...any) error {
	return &sender.Answer{Status: http.StatusUnauthorized, Text: fmt.Sprintf(format, args...)}
}

// away is the answer while an issuer's keys cannot be had. It refuses nobody for good.
func (i *issuer) away() error {
	return &sender.Answer{Status: http.StatusServiceUnavailable, Text: fmt.Sprintf("the keys of %s could not be fetched: try again", i.url)}
}

// Looks reports whether a bearer is a token of an issuer rather than one of ours.
func Looks(bearer string) bool { return strings.Count(bearer, ".") == 2 }

// IssuerOf is whom a token names as its issuer. Nothing else of it is believed, and this only to find who verifies
// it. The error is a *sender.Answer.
func IssuerOf(token string) (string, error) {
	if len(token) > maxToken {
		return "", refused("the token has more than %d KiB", maxToken>>10)
	}
	var named struct {
		Issuer string `json:"iss"`
	}
	if err := payload(token, &named); err != nil {
		return "", err
	}
	return named.Issuer, nil
}

// unknownIssuer is the answer to a token of somebody else.
func unknownIssuer() error {
	return refused("the token is of an issuer that this server does not trust")
}

// verify returns a token that this issuer has made for us and that is valid now. The error is a *sender.Answer.
func (i *issuer) verify(ctx context.Context, token string) (*oidc.IDToken, error) {
	if !spelled(token) {
		return nil, refused("the token cannot be read")
	}
	verifier, err := i.keys(ctx)
	if err != nil {
		return nil, i.away()
	}
	checked, err := verifier.Verify(oidc.ClientContext(ctx, i.client), token)
	if err != nil {
		return nil, i.rejected(err)
	}
	return checked, i.times(checked)
}

// spelled reports whether a token is three texts of base64 in their one spelling. The library passes over blanks and
// loose bits, with which one signature would stand under many tokens.
func spelled(token string) bool {
	parts := strings.Split(token, ".")
	return len(parts) == 3 && !slices.ContainsFunc(parts, func(part string) bool {
		text, err := base64.RawURLEncoding.DecodeString(part)
		return err != nil || base64.RawURLEncoding.EncodeToString(text) != part
	})
}

// keys finds where the issuer publishes them, once it answers. Later keys are fetched as tokens name them.
func (i *issuer) keys(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	select {
	case i.turn <- struct{}{}:
		defer func() { <-i.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for issuer %s: %w", i.url, ctx.Err())
	}
	if i.verifier != nil {
		return i.verifier, nil
	}
	// The provider keeps its context for later fetches, which outlive this request.
	provider, err := oidc.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), i.client), i.url)
	if err != nil {
		return nil, fmt.Errorf("ask issuer %s: %w", i.url, err)
	}
	i.verifier = provider.Verifier(i.demands())
	return i.verifier, nil
}

// demands are what the library requires of a token.
func (i *issuer) demands() *oidc.Config {
	return &oidc.Config{
		ClientID: i.audience, SupportedSigningAlgs: i.algorithms,
		// The time that the library takes for now is ours less what the clocks may differ.
		Now: func() time.Time { return i.now().Add(-skew) },
	}
}

// rejected sorts a key server that is away from a token that is bad.
func (i *issuer) rejected(err error) error {
	var late *oidc.TokenExpiredError
	switch text := err.Error(); {
	case errors.As(err, &late):
		return refused("the token has expired")
	case strings.Contains(text, "fetching keys"):
		return i.away()
	case strings.Contains(text, "audience"):
		return refused("the token is for another audience")
	}
	return refused("the token is not one of %s: its signature, its kind or its time is wrong", i.url)
}

// times checks what the library leaves: that the token was made, is valid now, and not for long.
func (i *issuer) times(checked *oidc.IDToken) error {
	var from struct {
		Unix float64 `json:"nbf"`
	}
	if err := checked.Claims(&from); err != nil {
		return refused("the token's claims cannot be read")
	}
	soon, issued := i.now().Add(skew), checked.IssuedAt
	switch {
	case len(checked.Audience) != 1:
		return refused("the token is for several audiences")
	case issued.Unix() <= 0:
		return refused("the token does not say when it was made")
	case issued.After(soon) || from.Unix > float64(soon.Unix()):
		return refused("the token is not valid yet")
	case checked.Expiry.Sub(issued) > i.maxLife:
		return refused("the token is valid for more than %s", i.maxLife)
	}
	return nil
}
