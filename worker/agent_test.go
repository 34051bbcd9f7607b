// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
)

func TestARequestNamesTheActivityThatSendsIt(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.UserAgent() }))
	defer server.Close()
	client := &http.Client{Transport: named(http.DefaultTransport)}
	ask := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			return err
		}
		req.Header.Set("User-Agent", program)
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		require.Equal(t, program, req.UserAgent(), "the caller's own request stays as it is")
		return resp.Body.Close()
	}
	require.NoError(t, ask(t.Context()))
	require.Equal(t, "slipway-worker", got)

	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(ask, activity.RegisterOptions{Name: "ShiftTraffic"})
	_, err := env.ExecuteActivity(ask)
	require.NoError(t, err)
	require.Equal(t, "slipway-worker/ShiftTraffic", got)
}
