// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestAnotherSystemIsAskedUntilItSaysYes(t *testing.T) {
	answers := []int{http.StatusForbidden, http.StatusFound, http.StatusInternalServerError, http.StatusNoContent}
	asked := 0
	url, run := answering(t, func(w http.ResponseWriter, r *http.Request) {
		var about map[string]any
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(r.Body).Decode(&about) != nil || about["name"] != "checkout" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		w.WriteHeader(answers[min(asked, len(answers)-1)])
		asked++
	})
	in := activities.AwaitConfirmationIn{
		Confirm: plan.Confirm{URL: url + "/check?token=x", Every: plan.Duration(time.Millisecond)}, About: activities.About{Name: "checkout"}, Deadline: time.Now().Add(time.Minute),
	}
	require.Equal(t, activities.Checked{Passed: true, Reason: url + "/check answered 204"}, run(checks.AwaitConfirmation, in))
	require.Equal(t, 4, asked)

	in.Deadline = time.Now()
	in.Confirm.URL = url + "/check"
	answers = []int{http.StatusForbidden}
	require.Equal(t, activities.Checked{Reason: url + "/check answered 403"}, run(checks.AwaitConfirmation, in))
	in.Confirm.URL = "http://127.0.0.1:1/check?token=x"
	out := run(checks.AwaitConfirmation, in)
	require.Contains(t, out.Reason, "http://127.0.0.1:1/check did not answer")
	require.NotContains(t, out.Reason, "token")
}
