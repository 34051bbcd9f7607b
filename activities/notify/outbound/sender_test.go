// SPDX-License-Identifier: Apache-2.0

package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/activities/notify/outbound"
)

func TestWhenAServiceWantsToBeAskedAgain(t *testing.T) {
	now := time.Date(2030, 1, 1, 9, 0, 0, 0, time.UTC)
	s := outbound.NewSender(func() time.Time { return now })
	for name, tt := range map[string]struct {
		header http.Header
		want   time.Duration
	}{
		"in seconds":               {http.Header{"Retry-After": {"30"}}, 30 * time.Second},
		"at a time":                {http.Header{"Retry-After": {"Tue, 01 Jan 2030 09:02:00 GMT"}}, 2 * time.Minute},
		"at a time that has gone":  {http.Header{"Retry-After": {"Tue, 01 Jan 2030 08:00:00 GMT"}}, 0},
		"in a year":                {http.Header{"Retry-After": {"31536000"}}, time.Hour},
		"more than a number holds": {http.Header{"Retry-After": {"99999999999999999999"}}, 0},
		"when a quota is full":     {http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"1893488460"}}, time.Minute},
		"a quota that is not":      {http.Header{"X-Ratelimit-Remaining": {"7"}, "X-Ratelimit-Reset": {"1893488460"}}, 0},
		"it does not say":          {http.Header{}, 0},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tt.want, s.After(tt.header)) })
	}
}

func TestAnAnswerThatIsNotWhatWasAskedForIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	t.Cleanup(server.Close)
	s := outbound.NewSender(time.Now)
	var out struct{}
	err := s.JSON(t.Context(), outbound.Request{Method: http.MethodGet, URL: server.URL}, &out)
	require.ErrorContains(t, err, "read answer of 127.0.0.1")
	require.NoError(t, s.JSON(t.Context(), outbound.Request{Method: http.MethodGet, URL: server.URL}, nil), "nobody reads it")
	err = s.JSON(t.Context(), outbound.Request{Method: http.MethodGet, URL: "http://exa mple/canary"}, nil)
	require.ErrorContains(t, err, "the receiver's address is not a URL")
	require.NotContains(t, err.Error(), "canary")
}

func TestSecretsAreTakenOutOfWhatIsQuoted(t *testing.T) {
	s := outbound.NewSender(time.Now, outbound.NewSecret("https://hooks.example/a/b?sig=c"), outbound.NewSecret("token-1"), outbound.Secret{})
	require.Equal(t, "no (hidden) at (hidden), POST (hidden) and (hidden)", s.Hide("no token-1 at https://hooks.example/a/b?sig=c, POST /a/b?sig=c and /a/b"))
	require.Equal(t, "as it is", s.Hide("as it is"))
}
