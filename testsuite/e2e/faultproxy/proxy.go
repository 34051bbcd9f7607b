// SPDX-License-Identifier: Apache-2.0

package faultproxy

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Options of a proxy.
type Options struct {
	// Upstream is the URL of the server.
	Upstream string
	// Transport reaches it; nil: as any program does. It adds no credentials: those of the program pass.
	Transport http.RoundTripper
	// TLS is whether the proxy itself speaks it, by a certificate of its own.
	TLS bool
	// Seed of the lot that [Rule.Share] draws.
	Seed uint64
}

// Proxy is running until it is closed.
type Proxy struct {
	// URL that the program is given instead of the server's, and CA its certificate in PEM; nil without TLS.
	URL string
	CA  []byte

	pass   *httputil.ReverseProxy
	server *httptest.Server
	closed chan struct{}

	mu     sync.Mutex
	lot    *rand.Rand
	rules  []*Rule
	kinds  map[string]int
	writes []Call
	met    int
	kill   func()
	// gate is closed while calls may pass.
	gate chan struct{}
}

// Start opens a proxy.
func Start(o Options) (*Proxy, error) {
	upstream, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, fmt.Errorf("open fault proxy: %w", err)
	}
	p := &Proxy{
		closed: make(chan struct{}), gate: make(chan struct{}), kinds: map[string]int{}, kill: func() {},
		lot: rand.New(rand.NewPCG(o.Seed, 0)), //nolint:gosec // a lot that its seed repeats
		pass: &httputil.ReverseProxy{
			Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(upstream) },
			Transport: o.Transport, FlushInterval: -1,
			// A server that does not answer looks to the program as it would without the proxy.
			ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
			ErrorLog:     log.New(io.Discard, "", 0),
		},
	}
	close(p.gate)
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = p.pass.ErrorLog // a connection that its program has left is no news
	if !o.TLS {
		p.server.Start()
	} else {
		p.server.StartTLS()
		p.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
	}
	p.URL = p.server.URL
	return p, nil
}

// OnKill says how the program is killed; kill returns when it is dead. A proxy without it kills nobody.
func (p *Proxy) OnKill(kill func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kill = kill
}

// Set lets calls meet these rules from now on, and no others; of several that match the first decides.
func (p *Proxy) Set(rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
	for _, r := range rules {
		p.rules = append(p.rules, &r)
	}
}

// Reset forgets rules and counts.
func (p *Proxy) Reset() {
	p.Set()
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.kinds)
	p.writes, p.met = nil, 0
}

// Writes are the writes that came by since the last reset, in their order, whatever became of them.
func (p *Proxy) Writes() []Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.writes)
}

// Met is how many calls have met a fault since the last reset.
func (p *Proxy) Met() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// Close ends it, and whatever is under way.
func (p *Proxy) Close() {
	close(p.closed)
	p.server.CloseClientConnections()
	p.server.Close()
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.wait(r)
	c, err := read(r)
	if err != nil {
		panic(http.ErrAbortHandler) // its program is gone
	}
	f := p.fate(c)
	if f.Delay > 0 {
		p.hold(r, f.Delay)
	}
	switch {
	case f.Kill != Never:
		p.die(w, r, f.Kill)
	case f.Cut == AfterEffect:
		p.carry(r)
		panic(http.ErrAbortHandler)
	case f.Cut == BeforeEffect:
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
		}
		http.Error(w, "the fault proxy answers in the place of the server", f.Status)
	default:
		p.pass.ServeHTTP(w, r)
	}
}

// fate counts a call and finds the fault that it meets.
func (p *Proxy) fate(c Call) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kinds[c.Kind()]++
	c.Nth = p.kinds[c.Kind()]
	if c.Writes() {
		p.writes = append(p.writes, c)
	}
	for _, r := range p.rules {
		if r.meets(c, p.lot.Float64()) {
			p.met++
			return r.Fault
		}
	}
	return Fault{}
}

// wait holds a call back while a program is being killed: a dead one sends nothing.
func (p *Proxy) wait(r *http.Request) {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-p.closed:
		panic(http.ErrAbortHandler)
	}
}

func (p *Proxy) hold(r *http.Request, d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	case <-p.closed:
		panic(http.ErrAbortHandler)
	}
}

// carry has the effect of a call, whether its program still lives or not.
func (p *Proxy) carry(r *http.Request) *httptest.ResponseRecorder {
	answer := httptest.NewRecorder()
	p.pass.ServeHTTP(answer, r.WithContext(context.WithoutCancel(r.Context())))
	return answer
}

// die kills the program at a moment of its call.
func (p *Proxy) die(w http.ResponseWriter, r *http.Request, at Moment) {
	gate := make(chan struct{})
	p.mu.Lock()
	p.gate = gate
	kill := p.kill
	p.mu.Unlock()
	defer close(gate)
	if at != BeforeEffect {
		answer := p.carry(r)
		if at == AfterAnswer {
			give(w, answer)
		}
	}
	kill()
	panic(http.ErrAbortHandler)
}

// give sends an answer so that it is complete before its handler ends.
func give(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	if _, err := w.Write(answer.Body.Bytes()); err == nil {
		_ = http.NewResponseController(w).Flush() // whoever does not get it is dead already
	}
}
