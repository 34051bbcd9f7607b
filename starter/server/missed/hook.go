// SPDX-License-Identifier: Apache-2.0

package missed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipwayhq/slipway/activities/notify/github/app"
)

// What one look may take.
const (
	askWithin = 10 * time.Second
	maxAnswer = 30 << 20
	pageSize  = 100
	maxPages  = 50
)

// Hook is a webhook of a repository or of a GitHub App, with what is known of its deliveries.
type Hook struct {
	// Name is "owner/repository/ID", or "app/ID".
	Name string
	base string
	api  *url.URL
	// pass is the token of a request.
	pass func() (string, error)

	client *http.Client

	mu sync.Mutex
	// settled are the deliveries that need no further look, by their GUID.
	settled map[string]time.Time
}

// NewHook names a webhook as "owner/repository/ID". The token needs to read webhooks.
func NewHook(api, name, token string) (*Hook, error) {
	parts := regexp.MustCompile(`^([A-Za-z0-9_.-]+)/([A-Za-z0-9_.-]+)/([0-9]+)$`).FindStringSubmatch(name)
	if parts == nil || strings.Contains(name, "..") {
		return nil, fmt.Errorf("%q is not a webhook: write owner/repository/ID, such as acme/checkout/12345678", name)
	}
	return newHook(api, name, "/repos/"+parts[1]+"/"+parts[2]+"/hooks/"+parts[3]+"/deliveries", func() (string, error) { return token, nil })
}

// NewApp is the webhook of a GitHub App, which reads it by its private key in PEM.
func NewApp(api string, id int64, key string, now func() time.Time) (*Hook, error) {
	k, err := app.NewKey(id, key)
	if err != nil {
		return nil, err
	}
	return newHook(api, "app/"+strconv.FormatInt(id, 10), "/app/hook/deliveries", func() (string, error) { return k.Statement(now()) })
}

func newHook(api, name, path string, pass func() (string, error)) (*Hook, error) {
	at, err := url.Parse(api)
	if err != nil {
		return nil, fmt.Errorf("parse address of GitHub's API: %w", err)
	}
	return &Hook{
		Name: name, base: strings.TrimSuffix(api, "/") + path,
		api: at, pass: pass, client: &http.Client{Timeout: askWithin}, settled: map[string]time.Time{},
	}, nil
}

// Delivery is one attempt, as GitHub lists it.
type Delivery struct {
	ID          int64     `json:"id"`
	GUID        string    `json:"guid"`
	DeliveredAt time.Time `json:"delivered_at"`
	StatusCode  int       `json:"status_code"`
	Event       string    `json:"event"`
}

// failed reports whether an attempt was not answered, or with an error that may pass. A refusal is an answer.
func (d Delivery) failed() bool {
	return d.StatusCode == 0 || d.StatusCode >= http.StatusInternalServerError
}

// Failed are the deliveries since a moment of which no attempt was answered, oldest first, without those that are
// settled.
func (h *Hook) Failed(ctx context.Context, since time.Time) ([]Delivery, error) {
	newest := map[string]Delivery{}
	answered := map[string]bool{}
	next := h.base + "?per_page=" + strconv.Itoa(pageSize)
	for page := 0; next != "" && page < maxPages; page++ {
		var list []Delivery
		link, err := h.ask(ctx, next, &list)
		if err != nil {
			return nil, fmt.Errorf("list deliveries of %s: %w", h.Name, err)
		}
		old := false
		for _, d := range list {
			old = old || d.DeliveredAt.Before(since)
			answered[d.GUID] = answered[d.GUID] || !d.failed()
			if _, ok := newest[d.GUID]; !ok && !d.DeliveredAt.Before(since) {
				newest[d.GUID] = d
			}
		}
		if next = link; old {
			break
		}
	}
	return h.open(newest, answered, since), nil
}

// open are those that nobody has answered.
func (h *Hook) open(newest map[string]Delivery, answered map[string]bool, since time.Time) []Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.settled, func(_ string, at time.Time) bool { return at.Before(since) })
	var out []Delivery
	for guid, d := range newest {
		if _, ok := h.settled[guid]; !ok && !answered[guid] {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b Delivery) int { return a.DeliveredAt.Compare(b.DeliveredAt) })
	return out
}

// Settle says that a delivery needs no further look.
func (h *Hook) Settle(d Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled[d.GUID] = d.DeliveredAt
}

// Fetch is what a delivery carried.
func (h *Hook) Fetch(ctx context.Context, d Delivery) (http.Header, []byte, error) {
	var full struct {
		Event   string `json:"event"`
		Request struct {
			Payload json.RawMessage `json:"payload"`
		} `json:"request"`
	}
	if _, err := h.ask(ctx, h.base+"/"+strconv.FormatInt(d.ID, 10), &full); err != nil {
		return nil, nil, fmt.Errorf("fetch delivery %d of %s: %w", d.ID, h.Name, err)
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json")
	header.Set("X-GitHub-Event", full.Event)
	return header, full.Request.Payload, nil
}

// ask reads one answer, and the address of the next page, if there is one at the same API.
func (h *Hook) ask(ctx context.Context, address string, to any) (next string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	token, err := h.pass()
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	resp, err := h.client.Do(req)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("GitHub answers %s: may its token or App read webhooks?", resp.Status)
	}
	if err := json.Unmarshal(text, to); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return h.following(resp.Header.Get("Link")), nil
}

// following is the next page in a Link header. The token goes nowhere but to the API.
func (h *Hook) following(link string) string {
	found := regexp.MustCompile(`<([^>]+)>; rel="next"`).FindStringSubmatch(link)
	if found == nil {
		return ""
	}
	u, err := url.Parse(found[1])
	if err != nil || u.Host != h.api.Host || u.Scheme != h.api.Scheme {
		return ""
	}
	return u.String()
}
