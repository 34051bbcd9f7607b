// SPDX-License-Identifier: Apache-2.0

package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities/fault"
)

const (
	// Patience with one request.
	Patience = 10 * time.Second
	maxBody  = 64 << 10
	// maxReason is how much of a refusal an error quotes.
	maxReason = 300
	// maxAfter bounds what a service can ask for: a message has a deadline.
	maxAfter = time.Hour
)

// Client follows no redirect and gives up on its own. Its connections are its own.
func Client() *http.Client {
	return &http.Client{
		Timeout:       Patience,
		Transport:     &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: time.Minute},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Request is one that carries JSON.
type Request struct {
	Method string
	URL    string
	// Header beside the content type, if that is application/json.
	Header http.Header
	// Body is JSON, or a value that becomes it; nil: none.
	Body any
}

// Sender sends requests for one receiver.
type Sender struct {
	client *http.Client
	now    func() time.Time
	hide   []string
}

// NewSender has connections of its own. The clock only serves dates in answers. The secrets, of which addresses
// may be some, are taken out of what errors quote: a service may repeat what it was sent.
func NewSender(now func() time.Time, secrets ...Secret) *Sender {
	s := &Sender{client: Client(), now: now}
	for _, secret := range secrets {
		s.hide = append(s.hide, secret.Reveal())
		if u, err := url.Parse(secret.Reveal()); err == nil && u.Host != "" {
			s.hide = append(s.hide, u.RequestURI(), u.Path)
		}
	}
	return s
}

// Hide takes the secrets out of a text.
func (s *Sender) Hide(text string) string {
	for _, secret := range s.hide {
		if len(secret) > 1 {
			text = strings.ReplaceAll(text, secret, hidden)
		}
	}
	return text
}

// JSON sends a request and reads a JSON answer into out, unless that is nil.
func (s *Sender) JSON(ctx context.Context, r Request, out any) error {
	req, err := r.build(ctx)
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return Unreachable(req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return Unreachable(req.URL.Host, err)
	}
	if err := s.Assess(resp, string(text)); err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("read answer of %s: %w", req.URL.Host, err)
	}
	return nil
}

func (r Request) build(ctx context.Context) (*http.Request, error) {
	var body io.Reader
	switch b := r.Body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, fault.New(fault.Invalid, "write request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the receiver's address is not a URL; correct it in the file of SLIPWAY_RECEIVERS")
	}
	req.Header.Set("User-Agent", "slipway-worker")
	req.Header.Set("Content-Type", "application/json")
	maps.Copy(req.Header, r.Header)
	return req, nil
}

// Unreachable is a service that gave no answer. The error of an HTTP client names the whole address, which may
// be a secret; what is beneath it does not.
func Unreachable(host string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return fmt.Errorf("reach %s: %w", host, err)
}

// Assess sorts an answer. Its body is quoted in the error: it has the service's reason.
func (s *Sender) Assess(resp *http.Response, body string) error {
	host, status := resp.Request.URL.Host, resp.StatusCode
	if status >= 200 && status < 300 {
		return nil
	}
	body = Cut(strings.TrimSpace(s.Hide(body)), maxReason)
	after := s.After(resp.Header)
	switch {
	case status == http.StatusTooManyRequests, status >= 500, status == http.StatusRequestTimeout:
		return fault.Later(after, "%s answered %d: %s", host, status, body)
	case status == http.StatusForbidden && after > 0: // GitHub's way of saying 429
		return fault.Later(after, "%s answered %d: %s", host, status, body)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fault.New(fault.Denied, "%s answered %d: %s; check the receiver's credentials in the file of SLIPWAY_RECEIVERS", host, status, body)
	case status == http.StatusNotFound, status == http.StatusGone:
		return fault.New(fault.NotFound, "%s answered %d: %s; check the receiver's address, and what its credentials may see", host, status, body)
	}
	return fault.New(fault.Invalid, "%s answered %d: %s", host, status, body)
}

// After is when a service wants to be asked again; 0: it did not say.
func (s *Sender) After(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil {
		return bounded(time.Duration(min(n, 1<<20)) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return bounded(at.Sub(s.now()))
	}
	if reset, err := strconv.ParseInt(h.Get("X-RateLimit-Reset"), 10, 64); err == nil && h.Get("X-RateLimit-Remaining") == "0" {
		return bounded(time.Unix(reset, 0).Sub(s.now()))
	}
	return 0
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), maxAfter) }
