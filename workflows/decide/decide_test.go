// SPDX-License-Identifier: Apache-2.0

package decide_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/decide"
)

func TestAddKeepsTheBoundariesThatBothSidesKnow(t *testing.T) {
	a := decide.Counts{Requests: 3, Errors: 1, Timed: 3, Buckets: []decide.Bucket{{UpTo: .1, Count: 1}, {UpTo: 1, Count: 3}}}
	b := decide.Counts{Requests: 2, Timed: 2, Buckets: []decide.Bucket{{UpTo: .1, Count: 2}, {UpTo: .5, Count: 2}}}
	want := decide.Counts{Requests: 5, Errors: 1, Timed: 5, Buckets: []decide.Bucket{{UpTo: .1, Count: 3}}}
	require.Empty(t, cmp.Diff(want, a.Add(b)))
	require.Empty(t, cmp.Diff(want, b.Add(a)))
	require.Empty(t, cmp.Diff(a, a.Add(decide.Counts{})), "a side without requests knows all boundaries")
	require.Empty(t, cmp.Diff(a, decide.Counts{}.Add(a)))
}

func TestSlowerRequestsAreThoseAboveABoundary(t *testing.T) {
	c := decide.Counts{Requests: 100, Timed: 99, Buckets: []decide.Bucket{{UpTo: .1, Count: 50}, {UpTo: .2, Count: 90}}}
	slow, ok := c.Slower(.2)
	require.True(t, ok)
	require.InDelta(t, 9, slow, 1e-9)
	_, ok = c.Slower(.3)
	require.False(t, ok, "no such boundary")
}
