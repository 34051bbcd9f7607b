// SPDX-License-Identifier: Apache-2.0

package fakeissuer

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// Serve is an issuer that answers at an address until the test has ended.
func Serve(tb testing.TB) (i *Issuer, url string) {
	tb.Helper()
	i, err := New()
	require.NoError(tb, err)
	s := httptest.NewServer(i)
	tb.Cleanup(s.Close)
	i.At(s.URL)
	return i, s.URL
}
