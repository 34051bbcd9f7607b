// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

func TestACommandIsReadWithWhoHasTypedIt(t *testing.T) {
	const form = "team_id=T1&channel_id=C1&user_id=U1&command=%2Fslipway&text=abort+production%2Fcheckout++it+is++too+slow+&response_url=https%3A%2F%2Fhooks.slack.com%2F1&trigger_id=7"
	in, err := ParseForm([]byte(form))
	require.NoError(t, err)
	require.Equal(t, "https://hooks.slack.com/1", in.ResponseURL)
	c, err := Typed(in)
	require.NoError(t, err)
	require.Equal(t, &Click{
		Team: "T1", User: "U1", Channel: "C1", Command: "abort", Target: Target{Lane: "production/checkout"}, Reason: "it is  too slow",
		ID: Once("T1", "U1", " abort production/checkout  it is  too slow "[1:], "7"),
	}, c)
	for name, tt := range map[string]struct{ text, want string }{
		"nothing":                 {"", "write `/slipway status"},
		"another command":         {"approve production/checkout", "write `/slipway status"},
		"capital letters":         {"ABORT production/checkout now", "write `/slipway status"},
		"no service":              {"pause", `"" is not a service`},
		"a service that is none":  {"pause checkout", "is not a service: write it as environment/name"},
		"a service that goes on":  {"pause production/checkout/x", "is not a service"},
		"an abort without reason": {"abort production/checkout ", "an abort needs a reason: `/slipway abort production/checkout REASON`"},
	} {
		t.Run(name, func(t *testing.T) {
			in.Text = tt.text
			c, err := Typed(in)
			require.Nil(t, c)
			require.ErrorContains(t, err, tt.want)
		})
	}
	_, err = ParseForm([]byte("text=%zz"))
	require.ErrorContains(t, err, "read command")
}

func FuzzACommandIsReadOrRefused(f *testing.F) {
	s := fakeslack.Start()
	defer s.Close()
	for _, text := range []string{"status production/checkout", " pause  production/checkout lunch", "abort production/checkout it is too slow", "abort production/checkout", "promote a/b", "pause a/b/c", "pause /"} {
		f.Add(s.Command("U1", text).Body)
	}
	f.Add([]byte(vectorBody))
	f.Add([]byte("text=status+a%2Fb&text=abort+a%2Fb+x&user_id=U1&user_id=U2"))
	f.Add([]byte("text=pause%20a/b%00&user_id=U1;team_id=%zz"))
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := ParseForm(body)
		if err != nil {
			return
		}
		sent, err := url.ParseQuery(string(body))
		require.NoError(t, err)
		require.Equal(t, []string{sent.Get("team_id"), sent.Get("user_id"), sent.Get("channel_id")}, []string{in.TeamID, in.UserID, in.ChannelID})
		c, err := Typed(in)
		if err != nil {
			require.Nil(t, c)
			return
		}
		require.Equal(t, []string{in.TeamID, in.UserID, in.ChannelID}, []string{c.Team, c.User, c.Channel})
		require.Regexp(t, "^slack-[0-9a-f]{24}$", c.ID)
		require.Regexp(t, "^[a-z0-9-]+/[a-z0-9-]+$", c.Target.Lane)
		require.Equal(t, Target{Lane: c.Target.Lane}, c.Target)
		require.False(t, c.Form)
		require.True(t, slices.Contains([]string{"status", "pause", "abort"}, c.Command), c.Command)
		require.Equal(t, strings.TrimSpace(c.Reason), c.Reason)
		if c.Command == "abort" {
			require.NotEmpty(t, c.Reason)
		}
		require.True(t, strings.HasPrefix(strings.TrimSpace(in.Text), c.Command+" "), in.Text)
		require.Contains(t, in.Text, c.Reason)
	})
}
