// SPDX-License-Identifier: Apache-2.0

// Package web sends the requests of checks over HTTP.
//
// It follows no redirect, gives up after ten seconds, and reads the first 64 KiB of an answer. A plan's
// author decides which addresses it reaches, with the worker's network rights: let a NetworkPolicy
// bound them where plans come from strangers.
package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/slipwayhq/slipway/activities"
)

const (
	patience = 10 * time.Second
	maxBody  = 64 << 10
	// maxIdle keeps the connections of a load open between its requests.
	maxIdle = 100
)

// Prober asks web servers.
type Prober struct{ client http.Client }

var _ activities.Prober = (*Prober)(nil)

// New has connections of its own.
func New() *Prober {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: time.Minute}
	return &Prober{client: http.Client{
		Timeout: patience, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Get sends one request.
func (p *Prober) Get(ctx context.Context, r activities.Request) (activities.Answer, error) {
	return p.send(ctx, http.MethodGet, r)
}

// Post sends one request with a body.
func (p *Prober) Post(ctx context.Context, r activities.Request) (activities.Answer, error) {
	return p.send(ctx, http.MethodPost, r)
}

func (p *Prober) send(ctx context.Context, method string, r activities.Request) (activities.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.URL, strings.NewReader(r.Body))
	if err != nil {
		return activities.Answer{}, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("User-Agent", "slipway-worker")
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	began := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		return activities.Answer{Took: time.Since(began)}, fmt.Errorf("send request: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	took := time.Since(began)
	if err != nil {
		return activities.Answer{Took: took}, fmt.Errorf("read answer of %s: %w", r.URL, err)
	}
	// What is left is drained, so that the connection can be used again.
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	return activities.Answer{Status: resp.StatusCode, Body: string(body), Took: took}, nil
}
