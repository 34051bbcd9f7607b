// SPDX-License-Identifier: Apache-2.0

package load_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox/load"
)

// until looks often, so that no test waits longer than it must.
func until(t *testing.T, ok func() bool) {
	t.Helper()
	require.Eventually(t, ok, 20*time.Second, 5*time.Millisecond)
}

func TestEveryRequestIsAccountedFor(t *testing.T) {
	var served atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := served.Add(1)
		w.Header().Set("X-Version", "v1")
		if n%10 == 0 {
			w.Header().Set("X-Version", "v2")
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	run := load.Start(load.Options{URL: server.URL, Rate: 200})
	until(t, func() bool { return served.Load() >= 50 })
	report := run.Stop()
	require.EqualValues(t, served.Load(), report.Requests)
	require.EqualValues(t, served.Load()/10, report.Failed)
	require.Equal(t, map[string]int{"v2": int(served.Load() / 10)}, report.FailedByVersion)
}

func TestARequestWithoutAnswerHasFailed(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	run := load.Start(load.Options{URL: server.URL, Rate: 100})
	until(t, func() bool { return len(run.Results()) >= 5 })
	report := run.Stop()
	require.Equal(t, report.Requests, report.Failed)
	require.Equal(t, report.Requests, report.FailedByVersion["none"])
	require.NotEmpty(t, report.Errors)
}

func TestASlowServerDoesNotSlowTheLoad(t *testing.T) {
	var arrived atomic.Int64
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived.Add(1)
		<-release
	}))
	defer server.Close()
	run := load.Start(load.Options{URL: server.URL, Rate: 200})
	until(t, func() bool { return arrived.Load() >= 100 }) // none of them has been answered
	require.Empty(t, run.Results())
	close(release)
	require.GreaterOrEqual(t, run.Stop().Requests, 100)
}
