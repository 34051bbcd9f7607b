// SPDX-License-Identifier: Apache-2.0

package faultproxy_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/e2e/faultproxy"
)

// server counts what reaches it.
type server struct {
	mu   sync.Mutex
	came []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = append(s.came, r.Method+" "+r.URL.Path+" "+string(body))
	w.Header().Set("X-Server", "real")
	_, _ = w.Write([]byte("done"))
}

func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.came...)
}

// open puts a proxy before a server, and returns a program's client.
func open(t *testing.T) (*server, *faultproxy.Proxy, *http.Client) {
	t.Helper()
	s := &server{}
	upstream := httptest.NewServer(s)
	t.Cleanup(upstream.Close)
	p, err := faultproxy.Start(faultproxy.Options{Upstream: upstream.URL, TLS: true, Seed: 1})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(p.CA))
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(client.CloseIdleConnections)
	return s, p, client
}

// answered is what the program has got; status 0: nothing.
type answered struct {
	status int
	header http.Header
	body   string
}

func send(t *testing.T, client *http.Client, method, url, body string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	return do(client, req)
}

// do sends a request as an activity of the worker does.
func do(client *http.Client, req *http.Request) answered {
	req.Header.Set("User-Agent", faultproxy.Program+"ShiftTraffic")
	resp, err := client.Do(req)
	if err != nil {
		return answered{}
	}
	text, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return answered{}
	}
	return answered{resp.StatusCode, resp.Header, string(text)}
}

const route = "/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/shop"

func TestWhatComesByIsTold(t *testing.T) {
	s, p, client := open(t)
	require.Equal(t, "done", send(t, client, http.MethodPut, p.URL+route, "{}").body)
	send(t, client, http.MethodGet, p.URL+route, "")
	send(t, client, http.MethodPut, p.URL+route, "{}")
	send(t, client, http.MethodPost, p.URL+"/api/v1/namespaces/shop/services?fieldManager=slipway", `{"metadata":{"name":"shop-green"}}`)
	send(t, client, http.MethodPatch, p.URL+"/apis/apps/v1/namespaces/shop/deployments/shop/scale", "{}")
	send(t, client, http.MethodDelete, p.URL+"/api/v1/namespaces/shop", "")
	want := []faultproxy.Call{
		{Activity: "ShiftTraffic", Verb: "update", Resource: "httproutes", Namespace: "shop", Object: "shop", Nth: 1},
		{Activity: "ShiftTraffic", Verb: "update", Resource: "httproutes", Namespace: "shop", Object: "shop", Nth: 2},
		{Activity: "ShiftTraffic", Verb: "create", Resource: "services", Namespace: "shop", Object: "shop-green", Nth: 1},
		{Activity: "ShiftTraffic", Verb: "patch", Resource: "deployments/scale", Namespace: "shop", Object: "shop", Nth: 1},
		{Activity: "ShiftTraffic", Verb: "delete", Resource: "namespaces", Object: "shop", Nth: 1},
	}
	require.Empty(t, cmp.Diff(want, p.Writes()))
	require.Len(t, s.seen(), 6)
	require.Contains(t, s.seen()[3], `{"metadata":{"name":"shop-green"}}`, "its body arrives whole")
	p.Reset()
	require.Empty(t, p.Writes())
}

func TestACallMeetsTheFaultOfItsRule(t *testing.T) {
	writes := func(c faultproxy.Call) bool { return c.Writes() }
	tests := map[string]struct {
		fault  faultproxy.Fault
		status int
		// reached is whether the server has got it.
		reached bool
	}{
		"none":                               {faultproxy.Fault{}, http.StatusOK, true},
		"a conflict":                         {faultproxy.Fault{Status: http.StatusConflict}, http.StatusConflict, false},
		"too many requests":                  {faultproxy.Fault{Status: http.StatusTooManyRequests, RetryAfter: 2 * time.Second}, http.StatusTooManyRequests, false},
		"an error of the server":             {faultproxy.Fault{Status: http.StatusServiceUnavailable}, http.StatusServiceUnavailable, false},
		"slow, and then as ever":             {faultproxy.Fault{Delay: 20 * time.Millisecond}, http.StatusOK, true},
		"cut before the server has it":       {faultproxy.Fault{Cut: faultproxy.BeforeEffect}, 0, false},
		"carried out, and its answer is cut": {faultproxy.Fault{Cut: faultproxy.AfterEffect}, 0, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, p, client := open(t)
			p.Set(faultproxy.Rule{Match: writes, Fault: tt.fault})
			began := time.Now()
			got := send(t, client, http.MethodPut, p.URL+route, "{}")
			require.Equal(t, tt.status, got.status)
			require.Equal(t, tt.reached, len(s.seen()) == 1)
			require.GreaterOrEqual(t, time.Since(began), tt.fault.Delay)
			if tt.fault.RetryAfter > 0 {
				require.Equal(t, "2", got.header.Get("Retry-After"))
			}
			require.Equal(t, 1, p.Met())
			require.Equal(t, http.StatusOK, send(t, client, http.MethodGet, p.URL+route, "").status, "reads do not match")
		})
	}
}

func TestOnlyTheNthCallMeetsIt(t *testing.T) {
	conflict := faultproxy.Fault{Status: http.StatusConflict}
	tests := map[string]struct {
		rule faultproxy.Rule
		want []int
	}{
		"the second":            {faultproxy.Rule{Nth: 2, Fault: conflict}, []int{200, 409, 200, 200}},
		"two from the second":   {faultproxy.Rule{Nth: 2, Times: 2, Fault: conflict}, []int{200, 409, 409, 200}},
		"the first three":       {faultproxy.Rule{Times: 3, Fault: conflict}, []int{409, 409, 409, 200}},
		"all":                   {faultproxy.Rule{Fault: conflict}, []int{409, 409, 409, 409}},
		"those of another kind": {faultproxy.Rule{Match: func(c faultproxy.Call) bool { return c.Resource == "services" }, Fault: conflict}, []int{200, 200, 200, 200}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, p, client := open(t)
			p.Set(tt.rule)
			var got []int
			for range tt.want {
				got = append(got, send(t, client, http.MethodPut, p.URL+route, "{}").status)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestAShareOfAllCallsIsDrawnByLot(t *testing.T) {
	_, p, client := open(t)
	p.Set(faultproxy.Rule{Share: 0.5, Fault: faultproxy.Fault{Status: http.StatusInternalServerError}})
	failed := 0
	for range 200 {
		if send(t, client, http.MethodGet, p.URL+route, "").status == http.StatusInternalServerError {
			failed++
		}
	}
	require.InDelta(t, 100, failed, 40) // 5.6 standard deviations of a lot that has one seed
	require.Equal(t, failed, p.Met())
}

func TestTheProgramIsKilledAtExactlyThatMoment(t *testing.T) {
	tests := map[string]struct {
		at       faultproxy.Moment
		effect   bool
		answered bool
	}{
		"before the effect":                   {faultproxy.BeforeEffect, false, false},
		"after the effect, before the answer": {faultproxy.AfterEffect, true, false},
		"after the answer":                    {faultproxy.AfterAnswer, true, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, p, client := open(t)
			killing, dead := make(chan struct{}), make(chan struct{})
			p.OnKill(func() {
				close(killing)
				<-dead
			})
			p.Set(faultproxy.Rule{Match: func(c faultproxy.Call) bool { return c.Writes() }, Nth: 1, Fault: faultproxy.Fault{Kill: tt.at}})
			got := make(chan answered, 1)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, p.URL+route, strings.NewReader("{}"))
			require.NoError(t, err)
			go func() { got <- do(client, req) }()
			<-killing
			require.Equal(t, tt.effect, len(s.seen()) == 1)
			if tt.answered {
				require.Equal(t, "done", (<-got).body, "the whole answer is there before the program dies")
			}

			// What the dying program might still send is held back.
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			req, err = http.NewRequestWithContext(ctx, http.MethodGet, p.URL+route, http.NoBody)
			require.NoError(t, err)
			resp, err := client.Do(req)
			if err == nil {
				require.NoError(t, resp.Body.Close())
			}
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, tt.effect, len(s.seen()) == 1)

			close(dead)
			if !tt.answered {
				require.Zero(t, (<-got).status)
			}
			require.Equal(t, http.StatusOK, send(t, client, http.MethodPut, p.URL+route, "{}").status, "the next program is served")
		})
	}
}

func TestAServerThatIsAwayIsAwayForTheProgramToo(t *testing.T) {
	p, err := faultproxy.Start(faultproxy.Options{Upstream: "http://127.0.0.1:1"})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	require.Zero(t, send(t, http.DefaultClient, http.MethodGet, p.URL+"/api/v1/query", "").status)
}
