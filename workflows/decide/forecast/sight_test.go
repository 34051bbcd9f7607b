// SPDX-License-Identifier: Apache-2.0

package forecast_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/decide/forecast"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// seen is the forecast of a plan at some traffic.
func seen(t *testing.T, text string, traffic forecast.Traffic) forecast.Forecast {
	t.Helper()
	p, err := plan.Load(strings.NewReader(text))
	require.NoError(t, err)
	f, err := forecast.Of(p, 6)
	require.NoError(t, err)
	f.See(p, traffic)
	return f
}

func TestEachStepOfACanarySaysWhatItSees(t *testing.T) {
	f := seen(t, canary, forecast.Traffic{Rate: 200, Errors: .001})
	var before *forecast.Sight
	for _, s := range f.Steps {
		require.Equal(t, s.Share > 0 && s.Share < 100 && s.Takes > 0, s.Sight != nil, s.What)
		if s.Sight == nil {
			continue
		}
		require.InDelta(t, .007, s.Sight.Unacceptable, 1e-9)
		require.GreaterOrEqual(t, s.Sight.Passed.D(), 4*time.Minute, "warm-up and soak")
		if before != nil {
			require.LessOrEqual(t, s.Sight.Caught, before.Caught, "more requests see more")
			require.Less(t, s.Sight.Smallest, before.Smallest)
		}
		before = s.Sight
	}
	require.Empty(t, f.Warnings)
}

func TestAPlanThatCannotWorkAtItsTrafficIsWarnedOf(t *testing.T) {
	f := seen(t, canary, forecast.Traffic{Rate: .5, Errors: .001})
	require.NotEmpty(t, f.Warnings)
	require.Contains(t, f.Warnings[0], "step 3 cannot be passed")
	require.Contains(t, f.Warnings[0], "hold longer, begin with more than 5 %")
}

func TestAReleaseThatMeasuresNothingSeesNothing(t *testing.T) {
	for _, text := range []string{selector, rolling} {
		f := seen(t, text, forecast.Traffic{Rate: 200, Errors: .001})
		for _, s := range f.Steps {
			require.Nil(t, s.Sight)
		}
		require.Empty(t, f.Warnings)
	}
}
