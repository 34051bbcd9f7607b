// SPDX-License-Identifier: Apache-2.0

package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/notify/github/app"
	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

// App is a GitHub App that is installed where the repositories are. Its tokens last an hour and are renewed.
type App struct {
	// ID of the App, as its settings show it.
	ID int64 `json:"id"`
	// Installation of the App: the number at the end of the address of its settings in the organization.
	Installation int64 `json:"installation"`
	// PrivateKey of the App, in PEM.
	PrivateKey outbound.Secret `json:"privateKey"`
}

// renewBefore is how long before its end a token is renewed, so that none ends under way.
const renewBefore = 5 * time.Minute

// installed adds a token of the App's installation to every request.
type installed struct {
	app     App
	key     *app.Key
	address string
	sender  *outbound.Sender
	base    http.RoundTripper
	now     func() time.Time

	mu    sync.Mutex
	token string
	until time.Time
}

func install(a App, address string, now func() time.Time) (*installed, error) {
	if a.ID <= 0 || a.Installation <= 0 {
		return nil, errors.New("app: give its id and the number of its installation")
	}
	key, err := app.NewKey(a.ID, a.PrivateKey.Reveal())
	if err != nil {
		return nil, fmt.Errorf("app.privateKey: %w", err)
	}
	return &installed{
		app: a, key: key, address: address, sender: outbound.NewSender(now, a.PrivateKey), base: outbound.Client().Transport, now: now,
	}, nil
}

// RoundTrip implements http.RoundTripper.
func (i *installed) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := i.pass(r)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return i.base.RoundTrip(r)
}

// pass is a token that lasts long enough. Only one request at a time asks for a new one.
func (i *installed) pass(r *http.Request) (string, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.now()
	if now.Before(i.until.Add(-renewBefore)) {
		return i.token, nil
	}
	statement, err := i.key.Statement(now)
	if err != nil {
		return "", fault.New(fault.Invalid, "%w", err)
	}
	var made struct {
		Token     string    `json:"token"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	err = i.sender.JSON(r.Context(), outbound.Request{
		Method: http.MethodPost, URL: fmt.Sprintf("%sapp/installations/%d/access_tokens", i.address, i.app.Installation),
		Header: http.Header{"Authorization": {"Bearer " + statement}, "Accept": {"application/vnd.github+json"}},
	}, &made)
	if err != nil {
		return "", err
	}
	i.token, i.until = made.Token, made.ExpiresAt
	return i.token, nil
}

// hide takes the present token out of a text.
func (i *installed) hide(text string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.token == "" {
		return text
	}
	return strings.ReplaceAll(text, i.token, "(hidden)")
}
