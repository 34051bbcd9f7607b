// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows"
)

// act runs the GitHub Action as a runner does, with GitHub's tokens, and returns its exit code, what it printed, and
// its outputs.
func act(t *testing.T, h *house, sign func(audience string, n int) string, env map[string]string) (int, string, string) {
	t.Helper()
	asked := 0
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "bearer request-token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		asked++
		_ = json.NewEncoder(w).Encode(map[string]any{"count": 1, "value": sign(r.URL.Query().Get("audience"), asked)})
	}))
	defer tokens.Close()
	outputs := filepath.Join(t.TempDir(), "outputs")
	cmd := exec.CommandContext(t.Context(), "../../deploy/github-action/release.sh")
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "SERVER=" + h.url + "/", "SERVICE=production/shop", "PAUSE=0.1", "GITHUB_OUTPUT=" + outputs,
		"ACTIONS_ID_TOKEN_REQUEST_URL=" + tokens.URL + "/?api-version=2.0", "ACTIONS_ID_TOKEN_REQUEST_TOKEN=request-token", "AUDIENCE=https://slipway.example",
	}
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	text, _ := os.ReadFile(outputs) // there are none where nothing was started
	return cmd.ProcessState.ExitCode(), string(said), string(text)
}

func TestTheGitHubActionStartsAReleaseAndWaitsForItsEnd(t *testing.T) {
	h, issuer, claims := courtHouse(t)
	sign := func(audience string, n int) string {
		claims["aud"], claims["jti"] = audience, fmt.Sprint("job-", n)
		token, err := issuer.Sign(claims)
		require.NoError(t, err)
		return token
	}
	image := "ghcr.io/acme/shop" + digest
	tests := map[string]struct {
		phase workflows.Phase
		env   map[string]string
		code  int
		said  string
	}{
		"does not wait":                  {workflows.Baking, map[string]string{"IMAGE": image, "WAIT": "0"}, 0, "release shop-production: https://slipway.example/api/v1/releases/production/shop/shop-production"},
		"promoted":                       {workflows.Promoted, map[string]string{"IMAGE": image, "WAIT": "60"}, 0, "promoted"},
		"undone":                         {workflows.Undone, map[string]string{"IMAGE": image, "WAIT": "60"}, 2, "::error::shop-production undone"},
		"refused":                        {workflows.Refused, map[string]string{"IMAGE": image, "WAIT": "60"}, 1, "::error::shop-production refused"},
		"takes too long":                 {workflows.Baking, map[string]string{"IMAGE": image, "WAIT": "1"}, 1, "has not ended within 1 s; it goes on"},
		"an image that may not":          {workflows.Baking, map[string]string{"IMAGE": "evil/shop:v2"}, 1, "::error::not started (403)"},
		"another audience":               {workflows.Baking, map[string]string{"IMAGE": image, "AUDIENCE": "https://other.example"}, 1, "::error::not started (401)"},
		"a job that may not ask for one": {workflows.Baking, map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, 1, "give it permissions: {id-token: write}"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			h.temporal.set("shop-production", tt.phase)
			h.temporal.mu.Lock()
			h.temporal.begun = newTemporal().begun
			h.temporal.mu.Unlock()
			code, said, outputs := act(t, h, func(audience string, n int) string { return sign(audience, n+1000*len(name)) }, tt.env)
			require.Equal(t, tt.code, code, said)
			require.Contains(t, said, tt.said)
			if strings.HasPrefix(said, "release ") {
				require.Contains(t, outputs, "release=shop-production\n")
			}
		})
	}
}
