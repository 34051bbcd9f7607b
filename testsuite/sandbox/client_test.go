// SPDX-License-Identifier: Apache-2.0

package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/sandbox"
)

// driver is a program that is called as the driver is: its state directory is $3.
func driver(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "driver")
	require.NoError(t, os.WriteFile(file, []byte("#!/bin/sh\n"+script), 0o700))
	return file
}

func TestASandboxIsReadyWhenItsDriverHasDescribedIt(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte(`{"gateway": "of an earlier one", "token": "old"}`), 0o600))
	s, err := sandbox.Start(t.Context(), sandbox.StartOptions{Dir: dir, Driver: driver(t, `
		echo '{"gateway": "http://127.0.0.1:1", "token": "new"}' > "$3/new" && mv "$3/new" "$3/sandbox.json" && exec tail -f /dev/null`)})
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1", s.Gateway)
	require.NoError(t, s.Stop())
	require.ErrorIs(t, syscall.Kill(s.Pid(), 0), syscall.ESRCH)
}

func TestADriverThatCannotStartSaysWhy(t *testing.T) {
	_, err := sandbox.Start(t.Context(), sandbox.StartOptions{Dir: t.TempDir(), Driver: driver(t, "echo port 80 is taken >&2; exit 1")})
	require.EqualError(t, err, "start sandbox: exit status 1\nport 80 is taken")
}

func TestADriverGetsItsPorts(t *testing.T) {
	_, err := sandbox.Start(t.Context(), sandbox.StartOptions{
		Dir: "/", Source: "/src", Driver: driver(t, `echo "$@" >&2; exit 1`), Ports: sandbox.Ports{Gateway: 1, Kube: 2, Prometheus: 3, Temporal: 4, TemporalUI: 5},
	})
	require.ErrorContains(t, err, "up --dir / --source /src --gateway-port=1 --kube-port=2 --prometheus-port=3 --temporal-port=4 --ui-port=5")
}

func TestADirectoryWithoutASandboxCannotBeOpened(t *testing.T) {
	_, err := sandbox.Open(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestOnlyWhoStartedASandboxStopsIt(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sandbox.json"), []byte("{}"), 0o600))
	s, err := sandbox.Open(dir)
	require.NoError(t, err)
	require.EqualError(t, s.Stop(), "stop sandbox: another process has started it")
}

func TestPartsAreKilledAndStartedWithTheToken(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
		if r.URL.Path == "/parts/kube/start" {
			http.Error(w, "kube is running", http.StatusConflict)
		}
	}))
	defer server.Close()
	s := &sandbox.Sandbox{Control: server.URL, Token: "secret"}
	require.NoError(t, s.Kill(t.Context(), "kube"))
	require.EqualError(t, s.StartPart(t.Context(), "kube"), "start kube: kube is running")
	require.Equal(t, []string{"POST /parts/kube/kill Bearer secret", "POST /parts/kube/start Bearer secret"}, asked)
}
