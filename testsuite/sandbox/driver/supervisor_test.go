// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// scripted supervises one part, "kube", which is a shell script.
func scripted(t *testing.T, script string) *supervisor {
	t.Helper()
	s := &supervisor{dir: t.TempDir(), programs: []*program{{name: "kube", args: []string{"/bin/sh", "-c", script}}}}
	t.Cleanup(s.stop)
	return s
}

const stays = "echo starting; echo ready; exec tail -f /dev/null"

func TestAPartIsKilledAndStartedAgain(t *testing.T) {
	s := scripted(t, stays)
	p := s.programs[0]
	require.EqualError(t, s.kill("kube"), "kube is not running")
	require.NoError(t, s.start(t.Context(), "kube"))
	require.True(t, p.alive())
	require.EqualError(t, s.start(t.Context(), "kube"), "kube is running")
	require.NoError(t, s.kill("kube"))
	require.False(t, p.alive())
	require.NoError(t, s.start(t.Context(), "kube"))
	require.Equal(t, 1, p.restarts)
	s.stop()
	require.False(t, p.alive())
}

func TestAPartThatDiesDuringItsStartShowsItsLastWords(t *testing.T) {
	s := scripted(t, "echo listen: address is taken >&2; exit 1")
	err := s.start(t.Context(), "kube")
	require.ErrorContains(t, err, "kube ended during its start")
	require.ErrorContains(t, err, "listen: address is taken")
	require.ErrorContains(t, err, s.log("kube"))
}

func TestAnUnknownPartIsToldTheKnownOnes(t *testing.T) {
	s := scripted(t, stays)
	const want = `the sandbox has no part "etcd"; it has kube, gateway, prometheus and temporal`
	require.EqualError(t, s.start(t.Context(), "etcd"), want)
	require.EqualError(t, s.kill("etcd"), want)
}

func TestNoPartBelievesThatItRunsInAPod(t *testing.T) {
	got := withoutKubernetes([]string{"HOME=/", "KUBERNETES_SERVICE_HOST=10.0.0.1", "KUBECONFIG=/x", "KUBE=1"})
	require.Equal(t, []string{"HOME=/", "KUBE=1"}, got)
}
