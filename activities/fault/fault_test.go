// SPDX-License-Identifier: Apache-2.0

package fault_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/slipwayhq/slipway/activities/fault"
)

func TestOnlyWhatMayHealIsRetried(t *testing.T) {
	cause := errors.New("connection refused")
	tests := map[string]struct {
		err   error
		kind  fault.Kind
		final bool
	}{
		"invalid":               {fault.New(fault.Invalid, "no container"), fault.Invalid, true},
		"not found":             {fault.New(fault.NotFound, "no Deployment"), fault.NotFound, true},
		"denied":                {fault.New(fault.Denied, "no right"), fault.Denied, true},
		"fenced":                {fault.New(fault.Fenced, "newer"), fault.Fenced, true},
		"edited":                {fault.New(fault.Edited, "by hand"), fault.Edited, true},
		"unavailable":           {fault.New(fault.Unavailable, "away: %w", cause), fault.Unavailable, false},
		"of no kind":            {cause, fault.Unavailable, false},
		"wrapped by an adapter": {fmt.Errorf("set route: %w", fault.New(fault.Edited, "by hand")), fault.Edited, true},
		"a deadline":            {context.DeadlineExceeded, fault.Unavailable, false},
		"joined":                {errors.Join(cause, fault.New(fault.Denied, "no right")), fault.Denied, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.kind, fault.Of(tt.err))
			require.Equal(t, tt.final, fault.Final(tt.err))
			var app *temporal.ApplicationError
			require.ErrorAs(t, fault.From(tt.err), &app)
			require.Equal(t, string(tt.kind), app.Type())
			require.Equal(t, tt.final, app.NonRetryable())
			require.Equal(t, tt.err.Error(), app.Message())
			require.ErrorIs(t, app, tt.err)
			require.Equal(t, tt.kind, fault.Of(fault.From(tt.err)), "the kind is known on the other side")
		})
	}
}

func TestWhatASystemAsksForIsTheNextDelay(t *testing.T) {
	for name, err := range map[string]error{
		"as it is":              fault.Later(time.Minute, "too many requests"),
		"wrapped by an adapter": fmt.Errorf("tell chat: %w", fault.Later(time.Minute, "too many requests")),
	} {
		t.Run(name, func(t *testing.T) {
			var app *temporal.ApplicationError
			require.ErrorAs(t, fault.From(err), &app)
			require.Equal(t, time.Minute, app.NextRetryDelay())
			require.False(t, app.NonRetryable())
		})
	}
}

func TestNoErrorStaysNone(t *testing.T) { require.NoError(t, fault.From(nil)) }
