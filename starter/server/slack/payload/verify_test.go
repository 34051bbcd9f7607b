// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

// The example of Slack's own documentation.
const (
	vectorSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	vectorTime      = 1531420618
	vectorSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
	vectorBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands" +
		"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)

func headers(stamp, signature string) http.Header {
	h := http.Header{}
	h.Set("X-Slack-Request-Timestamp", stamp)
	h.Set("X-Slack-Signature", signature)
	return h
}

func at(seconds int64) Verifier {
	return Verifier{Secret: vectorSecret, Now: func() time.Time { return time.Unix(seconds, 0) }}
}

func TestTheExampleOfSlacksDocumentationIsBelieved(t *testing.T) {
	for name, now := range map[string]int64{"at once": vectorTime, "4:59 later": vectorTime + 299, "5:00 later": vectorTime + 300, "5:00 earlier": vectorTime - 300} {
		require.NoError(t, at(now).Verify(headers("1531420618", vectorSignature), []byte(vectorBody)), name)
	}
	require.Equal(t, vectorSignature, fakeslack.Sign(vectorSecret, time.Unix(vectorTime, 0), []byte(vectorBody)).Get("X-Slack-Signature"))
}

func TestWhatSlackHasNotSignedIsRefused(t *testing.T) {
	good := func() http.Header { return headers("1531420618", vectorSignature) }
	with := func(name string, values ...string) http.Header {
		h := good()
		h.Del(name)
		for _, v := range values {
			h.Add(name, v)
		}
		return h
	}
	const stamp, signature = "X-Slack-Request-Timestamp", "X-Slack-Signature"
	tests := map[string]struct {
		verifier Verifier
		header   http.Header
		body     string
		want     string
	}{
		"no secret":                          {Verifier{Now: time.Now}, good(), vectorBody, "no signing secret"},
		"another secret":                     {Verifier{Secret: "another secret of them", Now: at(vectorTime).Now}, good(), vectorBody, "does not match"},
		"another body":                       {at(vectorTime), good(), strings.Replace(vectorBody, "roadrunner", "coyote", 1), "does not match"},
		"a byte more":                        {at(vectorTime), good(), vectorBody + " ", "does not match"},
		"no body":                            {at(vectorTime), good(), "", "does not match"},
		"5:01 later":                         {at(vectorTime + 301), good(), vectorBody, "more than 5 minutes away"},
		"5:01 earlier":                       {at(vectorTime - 301), good(), vectorBody, "more than 5 minutes away"},
		"another time":                       {at(vectorTime), with(stamp, "1531420619"), vectorBody, "does not match"},
		"no time":                            {at(vectorTime), with(stamp), vectorBody, "needs one X-Slack-Request-Timestamp"},
		"two times":                          {at(vectorTime), with(stamp, "1531420618", "1531420619"), vectorBody, "needs one X-Slack-Request-Timestamp"},
		"a time in words":                    {at(vectorTime), with(stamp, "now"), vectorBody, "not a number of seconds"},
		"a time in another spelling":         {at(vectorTime), with(stamp, "+1531420618"), vectorBody, "not a number of seconds"},
		"a time with zeros":                  {at(vectorTime), with(stamp, "01531420618"), vectorBody, "not a number of seconds"},
		"a time beyond all":                  {at(vectorTime), with(stamp, "9223372036854775807"), vectorBody, "more than 5 minutes away"},
		"no signature":                       {at(vectorTime), with(signature), vectorBody, "one X-Slack-Signature"},
		"an empty signature":                 {at(vectorTime), with(signature, ""), vectorBody, "not of the form v0="},
		"two signatures":                     {at(vectorTime), with(signature, "v0=00", vectorSignature), vectorBody, "one X-Slack-Signature"},
		"another version":                    {at(vectorTime), with(signature, "v1"+vectorSignature[2:]), vectorBody, "not of the form v0="},
		"a signature that is cut":            {at(vectorTime), with(signature, vectorSignature[:60]), vectorBody, "not"},
		"a signature of nothing":             {at(vectorTime), with(signature, "v0="), vectorBody, "does not match"},
		"a signature that is no hexadecimal": {at(vectorTime), with(signature, "v0="+strings.Repeat("z", 64)), vectorBody, "not of the form v0="},
		"a signature of zeros":               {at(vectorTime), with(signature, "v0="+strings.Repeat("0", 64)), vectorBody, "does not match"},
	}
	require.GreaterOrEqual(t, len(tests), 10)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := tt.verifier.Verify(tt.header, []byte(tt.body))
			require.ErrorContains(t, err, tt.want)
			require.NotContains(t, err.Error(), vectorSecret)
		})
	}
}

func FuzzOnlyTheSignedBodyIsBelieved(f *testing.F) {
	f.Add("1531420618", vectorSignature, vectorBody)
	f.Add("1531420618", "v0=", "")
	f.Add("-1", "v0=00", "\x00")
	f.Fuzz(func(t *testing.T, stamp, signature, body string) {
		if at(vectorTime).Verify(headers(stamp, signature), []byte(body)) == nil {
			require.Equal(t, []string{"1531420618", vectorBody}, []string{stamp, body})
		}
	})
}
