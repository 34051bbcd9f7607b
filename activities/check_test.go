// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/check/web"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// answering is a web server, and checks that reach it over real connections.
func answering(t *testing.T, h http.HandlerFunc) (string, func(activity, in any) activities.Checked) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	b := newBench()
	b.env.RegisterActivity(&activities.Checks{Prober: web.New(), Clock: activities.Clock{Now: time.Now, After: time.After}})
	return server.URL, func(activity, in any) activities.Checked {
		t.Helper()
		value, err := b.env.ExecuteActivity(activity, in)
		require.NoError(t, err)
		var out activities.Checked
		require.NoError(t, value.Get(&out))
		return out
	}
}

var checks *activities.Checks

func TestACheckPassesByStatusAndText(t *testing.T) {
	url, run := answering(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/host":
			_, _ = w.Write([]byte(r.Host + " " + r.Header.Get("X-Preview")))
		case "/long":
			_, _ = w.Write([]byte(strings.Repeat("x", 64<<10) + "end"))
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	})
	tests := map[string]struct {
		check  plan.Check
		passed bool
		reason string
	}{
		"the status it asks for":          {plan.Check{URL: url + "/", Status: 418}, true, "answered 418"},
		"another status":                  {plan.Check{URL: url + "/", Status: 200}, false, "answered 418, not 200"},
		"a redirect is not followed":      {plan.Check{URL: url + "/moved", Status: 302}, true, "answered 302"},
		"host and headers are sent":       {plan.Check{URL: url + "/host", Status: 200, Headers: map[string]string{"Host": "shop.example", "X-Preview": "green"}, Contains: "shop.example green"}, true, "answered 200"},
		"a text that is missing":          {plan.Check{URL: url + "/host", Status: 200, Contains: "hello"}, false, `does not contain "hello"`},
		"a text beyond the first 64 KiB":  {plan.Check{URL: url + "/long", Status: 200, Contains: "end"}, false, `does not contain "end"`},
		"a server that is not there":      {plan.Check{URL: "http://127.0.0.1:1/", Status: 200}, false, "connection refused"},
		"an address that cannot be asked": {plan.Check{URL: "http://127.0.0.1:99999/", Status: 200}, false, "invalid port"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := run(checks.RunCheck, activities.RunCheckIn{Check: tt.check, Deadline: time.Now()})
			require.Equal(t, tt.passed, out.Passed, out.Reason)
			require.Contains(t, out.Reason, tt.reason)
		})
	}
}

func TestACheckIsTriedUntilItsDeadline(t *testing.T) {
	asked := 0
	url, run := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	out := run(checks.RunCheck, activities.RunCheckIn{Check: plan.Check{URL: url, Status: 200}, Deadline: time.Now().Add(time.Minute)})
	require.True(t, out.Passed, out.Reason)
	require.Equal(t, 3, asked)
}

func TestALoadIsJudgedByAllItsRequests(t *testing.T) {
	load := func(url string) plan.LoadTest {
		return plan.LoadTest{URL: url, Rate: 500, For: plan.Duration(100 * time.Millisecond)}
	}
	n := make(chan int, 1)
	n <- 0
	url, run := answering(t, func(w http.ResponseWriter, r *http.Request) {
		i := <-n
		n <- i + 1
		if r.URL.Path == "/some" && i%10 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	out := run(checks.ApplyLoad, activities.ApplyLoadIn{Load: load(url)})
	require.True(t, out.Passed, out.Reason)
	require.Contains(t, out.Reason, "0 of 50 requests failed")

	tolerant := load(url + "/some")
	tolerant.Errors = 20
	require.True(t, run(checks.ApplyLoad, activities.ApplyLoadIn{Load: tolerant}).Passed)

	out = run(checks.ApplyLoad, activities.ApplyLoadIn{Load: load(url + "/some")})
	require.False(t, out.Passed)
	require.Contains(t, out.Reason, "5 of 50 requests failed")
	require.Contains(t, out.Reason, "over 0 % (the last: status 500)")

	slow := load(url)
	slow.P99 = 1
	out = run(checks.ApplyLoad, activities.ApplyLoadIn{Load: slow})
	require.False(t, out.Passed)
	require.Contains(t, out.Reason, "over 1ns")
}
