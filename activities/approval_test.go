// SPDX-License-Identifier: Apache-2.0

package activities_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/statement"
)

func TestADecisionIsBelievedByItsSignatureAtTheWorkflowsTime(t *testing.T) {
	key, err := statement.Generate(bytes.NewReader(bytes.Repeat([]byte{1}, 32)))
	require.NoError(t, err)
	decided := time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	signed, err := key.Sign(statement.Statement{
		ID: "1", Who: "ann", Groups: []string{"@ops"}, How: "slack", What: "approve", At: decided, Expires: decided.Add(time.Hour),
		Release: "checkout-abc123", Step: "question 1.1", Digest: "sha256:0", PlanHash: strings.Repeat("ab", 32),
	})
	require.NoError(t, err)
	trusted, err := statement.ParseKeys("*=" + key.Public().String())
	require.NoError(t, err)
	var approvals *activities.Approvals
	verify := func(keys statement.Keys, at time.Time) activities.Vouched {
		b := newBench()
		b.env.RegisterActivity(&activities.Approvals{Keys: keys})
		value, err := b.env.ExecuteActivity(approvals.VerifyDecision, activities.VerifyDecisionIn{Statement: signed, At: at})
		require.NoError(t, err)
		var out activities.Vouched
		require.NoError(t, value.Get(&out))
		return out
	}
	require.Equal(t, activities.Vouched{Believed: true, Groups: []string{"@ops"}}, verify(trusted, decided.Add(time.Minute)))
	require.Equal(t, activities.Vouched{Reason: "it has expired 1m0s ago: decide again"}, verify(trusted, decided.Add(time.Hour+time.Minute)))
	require.Equal(t, activities.Vouched{Reason: "the workers trust no key yet: set SLIPWAY_APPROVAL_KEYS on them"}, verify(nil, decided))
}
