// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestErrorsAreSpreadEvenly(t *testing.T) {
	h := newShop(config{Version: "v1", Faults: faults{ErrorRate: 0.05}}, time.Now).handler()
	for range 10 {
		failed := 0
		for range 20 {
			if get(t, h, "/").Code == http.StatusInternalServerError {
				failed++
			}
		}
		require.Equal(t, 1, failed)
	}
}

func TestFaultsBeginAfterATimeOfTraffic(t *testing.T) {
	now := time.Unix(0, 0)
	h := newShop(config{Faults: faults{ErrorRate: 1, After: duration(time.Minute)}}, func() time.Time { return now }).handler()
	require.Equal(t, http.StatusOK, get(t, h, "/").Code)
	now = now.Add(59 * time.Second)
	require.Equal(t, http.StatusOK, get(t, h, "/").Code)
	now = now.Add(time.Second)
	require.Equal(t, http.StatusInternalServerError, get(t, h, "/").Code)
}

func TestARequestTakesTheProcessorTimeThatItIsTold(t *testing.T) {
	const each = 20 * time.Millisecond
	h := newShop(config{Faults: faults{CPU: duration(each)}}, time.Now).handler()
	var before, after syscall.Rusage
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &before))
	require.Equal(t, http.StatusOK, get(t, h, "/").Code)
	require.NoError(t, syscall.Getrusage(syscall.RUSAGE_SELF, &after))
	used := func(r syscall.Rusage) time.Duration { return time.Duration(r.Utime.Nano() + r.Stime.Nano()) }
	require.GreaterOrEqual(t, used(after)-used(before), each-time.Millisecond)
}

func TestEveryAnswerNamesItsVersion(t *testing.T) {
	w := get(t, newShop(config{Version: "v7", Faults: faults{ErrorRate: 1}}, time.Now).handler(), "/any/path")
	require.Equal(t, "v7", w.Header().Get("X-Version"))
	require.Equal(t, "shop v7\n", w.Body.String())
}

func TestFaultsCanBeSwitchedAtRunTime(t *testing.T) {
	h := newShop(config{}, time.Now).handler()
	put := func(body string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/faults", strings.NewReader(body)))
		return w.Code
	}
	require.Equal(t, http.StatusOK, put(`{"errorRate": 1, "latency": "1ms"}`))
	require.Equal(t, http.StatusInternalServerError, get(t, h, "/").Code)
	require.JSONEq(t, `{"errorRate":1,"latency":"1ms","slowRate":0,"slowLatency":"0s","cpu":"0s","after":"0s"}`, get(t, h, "/faults").Body.String())
	require.Equal(t, http.StatusBadRequest, put(`{"errorRate": 2}`))
}

func TestASharedFileTakesThePlaceOfOwnFaultsWhileItExists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "faults.json")
	s := newShop(config{}, time.Now)
	s.faults.setOverride(readFaults(file))
	require.Equal(t, http.StatusOK, get(t, s.handler(), "/").Code)
	require.NoError(t, os.WriteFile(file, []byte(`{"errorRate": 1}`), 0o600))
	s.faults.setOverride(readFaults(file))
	require.Equal(t, http.StatusInternalServerError, get(t, s.handler(), "/").Code)
}

func TestADrainingOrNeverReadyShopIsNotReadyButAnswers(t *testing.T) {
	s := newShop(config{}, time.Now)
	require.Equal(t, http.StatusOK, get(t, s.handler(), "/readyz").Code)
	s.draining.Store(true)
	require.Equal(t, http.StatusServiceUnavailable, get(t, s.handler(), "/readyz").Code)
	require.Equal(t, http.StatusOK, get(t, s.handler(), "/").Code)
	require.Equal(t, http.StatusServiceUnavailable, get(t, newShop(config{NeverReady: true}, time.Now).handler(), "/readyz").Code)
}
