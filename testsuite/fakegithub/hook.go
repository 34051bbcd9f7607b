// SPDX-License-Identifier: Apache-2.0

package fakegithub

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // GitHub still sends it beside the other
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answerWithin is how long GitHub waits for the answer to a delivery.
const answerWithin = 10 * time.Second

// maxPage is how many deliveries one page has at most.
const maxPage = 100

// Hook is a webhook of a repository.
type Hook struct {
	ID         int64
	Repository string
	// App whose only webhook it is, in place of a repository.
	App    int64
	URL    string
	Secret string
}

// Delivery is one attempt to deliver an event, as the API shows it.
type Delivery struct {
	ID          int64     `json:"id"`
	GUID        string    `json:"guid"`
	DeliveredAt time.Time `json:"delivered_at"`
	Redelivery  bool      `json:"redelivery"`
	Duration    float64   `json:"duration"`
	Status      string    `json:"status"`
	StatusCode  int       `json:"status_code"`
	Event       string    `json:"event"`
	Action      string    `json:"action"`
	URL         string    `json:"url,omitempty"`

	Request  *Request  `json:"request,omitempty"`
	Response *Response `json:"response,omitempty"`

	hook int64
	body []byte
}

// Request is what was sent.
type Request struct {
	Headers map[string]string `json:"headers"`
	Payload json.RawMessage   `json:"payload"`
}

// Response is what came back.
type Response struct {
	Headers map[string]string `json:"headers"`
	Payload string            `json:"payload"`
}

// AddHook makes a webhook and returns its ID.
func (g *GitHub) AddHook(repository, url, secret string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := &Hook{ID: g.next(), Repository: repository, URL: url, Secret: secret}
	g.hooks[h.ID] = h
	return h.ID
}

// AddAppHook makes the webhook of an App and returns its ID.
func (g *GitHub) AddAppHook(app int64, url, secret string) int64 {
	id := g.AddHook("", url, secret)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hooks[id].App = app
	return id
}

// Deliver signs an event, sends it to a hook, remembers the attempt, and returns it with the response.
// An address that does not answer is an attempt that failed, not an error. GitHub does not try again.
func (g *GitHub) Deliver(ctx context.Context, hook int64, event string, payload any) (Delivery, error) {
	body, err := json.Marshal(payload)
	if err != nil {
		return Delivery{}, fmt.Errorf("write payload: %w", err)
	}
	var about struct {
		Action string `json:"action"`
	}
	_ = json.Unmarshal(body, &about) // an event without an action has none
	return g.attempt(ctx, &Delivery{GUID: guid(), Event: event, Action: about.Action, hook: hook, body: body})
}

// attempt delivers once and remembers it.
func (g *GitHub) attempt(ctx context.Context, d *Delivery) (Delivery, error) {
	g.mu.Lock()
	h, ok := g.hooks[d.hook]
	d.ID, d.DeliveredAt = g.next(), g.Now().UTC()
	g.mu.Unlock()
	if !ok {
		return Delivery{}, fmt.Errorf("there is no hook %d", d.hook)
	}
	d.URL, d.Request = h.URL, &Request{Headers: signed(h, d), Payload: d.body}
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	d.Response, d.StatusCode, d.Status = post(ctx, h.URL, d)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deliveries = append(g.deliveries, d)
	return *d, nil
}

// signed are the headers of a delivery.
func signed(h *Hook, d *Delivery) map[string]string {
	headers := map[string]string{
		"Content-Type": "application/json", "User-Agent": "GitHub-Hookshot/0000000",
		"X-GitHub-Event": d.Event, "X-GitHub-Delivery": d.GUID, "X-GitHub-Hook-ID": strconv.FormatInt(h.ID, 10),
	}
	if h.Secret != "" {
		headers["X-Hub-Signature-256"] = "sha256=" + Sign(h.Secret, d.body)
		old := hmac.New(sha1.New, []byte(h.Secret))
		old.Write(d.body)
		headers["X-Hub-Signature"] = "sha1=" + hex.EncodeToString(old.Sum(nil))
	}
	return headers
}

// Sign is the hexadecimal HMAC-SHA256 of a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func post(ctx context.Context, url string, d *Delivery) (*Response, int, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.body))
	if err != nil {
		return nil, 0, err.Error()
	}
	for name, value := range d.Request.Headers {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, "failed to connect to host"
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	headers := map[string]string{}
	for name := range resp.Header {
		headers[name] = resp.Header.Get(name)
	}
	status := "OK"
	if resp.StatusCode >= http.StatusBadRequest {
		status = fmt.Sprintf("Invalid HTTP Response: %d", resp.StatusCode)
	}
	return &Response{Headers: headers, Payload: string(text)}, resp.StatusCode, status
}

// listDeliveries shows the newest first, without their payloads, page by page.
func (g *GitHub) listDeliveries(w http.ResponseWriter, r *http.Request) {
	hook, ok := g.hook(w, r)
	if !ok {
		return
	}
	size, err := strconv.Atoi(r.URL.Query().Get("per_page"))
	if err != nil || size < 1 || size > maxPage {
		size = 30
	}
	before, _ := strconv.ParseInt(strings.TrimPrefix(r.URL.Query().Get("cursor"), "v1_"), 10, 64)
	page := []Delivery{}
	g.mu.Lock()
	for _, d := range slices.Backward(g.deliveries) {
		if d.hook == hook && (before == 0 || d.ID < before) {
			short := *d
			short.Request, short.Response, short.URL = nil, nil, ""
			page = append(page, short)
		}
	}
	g.mu.Unlock()
	if len(page) > size {
		page = page[:size]
		next := fmt.Sprintf("http://%s%s?per_page=%d&cursor=v1_%d", r.Host, r.URL.Path, size, page[size-1].ID)
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}
	answer(w, http.StatusOK, page)
}

func (g *GitHub) getDelivery(w http.ResponseWriter, r *http.Request) {
	if d, ok := g.delivery(w, r); ok {
		answer(w, http.StatusOK, d)
	}
}

// redeliver tries again, with the same GUID.
func (g *GitHub) redeliver(w http.ResponseWriter, r *http.Request) {
	d, ok := g.delivery(w, r)
	if !ok {
		return
	}
	again := &Delivery{GUID: d.GUID, Event: d.Event, Action: d.Action, Redelivery: true, hook: d.hook, body: d.body}
	if _, err := g.attempt(r.Context(), again); err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	answer(w, http.StatusAccepted, struct{}{})
}

// hook is the one of the request, if it is of that repository or of the App that has signed it.
func (g *GitHub) hook(w http.ResponseWriter, r *http.Request) (int64, bool) {
	if strings.HasPrefix(r.URL.Path, "/app/") {
		return g.appHook(w, r)
	}
	id, _ := strconv.ParseInt(r.PathValue("hook"), 10, 64)
	g.mu.Lock()
	h, ok := g.hooks[id]
	g.mu.Unlock()
	if !ok || h.Repository != repository(r) {
		fail(w, http.StatusNotFound, "Not Found")
		return 0, false
	}
	return id, true
}

func (g *GitHub) appHook(w http.ResponseWriter, r *http.Request) (int64, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, a := range g.apps {
		if a.believes(bearer(r), g.Now()) != nil {
			continue
		}
		for _, h := range g.hooks {
			if h.App == a.id {
				return h.ID, true
			}
		}
	}
	fail(w, http.StatusUnauthorized, "A JSON web token could not be decoded")
	return 0, false
}

func (g *GitHub) delivery(w http.ResponseWriter, r *http.Request) (Delivery, bool) {
	hook, ok := g.hook(w, r)
	if !ok {
		return Delivery{}, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.deliveries {
		if d.hook == hook && strconv.FormatInt(d.ID, 10) == r.PathValue("delivery") {
			return *d, true
		}
	}
	fail(w, http.StatusNotFound, "Not Found")
	return Delivery{}, false
}

// guid looks like a UUID.
func guid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
