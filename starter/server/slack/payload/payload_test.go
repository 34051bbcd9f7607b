// SPDX-License-Identifier: Apache-2.0

package payload

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/testsuite/fakeslack"
)

func FuzzAPayloadIsReadOrRefused(f *testing.F) {
	s := fakeslack.Start()
	defer s.Close()
	d := s.Click("U1", fakeslack.Message{Channel: "C1", Blocks: []map[string]any{{"elements": []any{map[string]any{"action_id": "slipway_approve", "value": "production/checkout|checkout-1|question 1.1|sha256:0|ab|"}}}}}, "slipway_approve")
	f.Add(d.Body)
	f.Add([]byte(`{"type":"block_actions","actions":[null]}`))
	f.Add([]byte(`{"type":"view_submission","view":{"callback_id":"slipway_abort","state":{"values":{}}}}`))
	f.Add([]byte(`{"type":"view_submission","team":{"id":"T1"},"user":{"id":"U1"},"view":{"id":"V1","callback_id":"slipway_promote","private_metadata":"production/checkout|checkout-1|stepping 1|sha256:0|ab|C1"}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := Parse(payload)
		if err != nil || c == nil {
			return
		}
		require.NotEmpty(t, c.User)
		require.NotEmpty(t, c.Team)
		require.Regexp(t, "^slack-[0-9a-f]{24}$", c.ID)
		again, err := ParseTarget(c.Target.String())
		require.NoError(t, err)
		require.Equal(t, c.Target, again)
	})
}

func TestAClickIsReadWithWhatWasLookedAt(t *testing.T) {
	const form = `{"type":"view_submission","team":{"id":"T1"},"user":{"id":"U1"},"view":{"id":"V1","callback_id":"slipway_promote",
		"private_metadata":"production/checkout|checkout-1|stepping 1|sha256:0|ab|C1","state":{"values":{"slipway_reason":{"slipway_reason":{"value":"why"}}}}}}`
	c, err := Parse([]byte(form))
	require.NoError(t, err)
	require.Equal(t, Target{Lane: "production/checkout", Release: "checkout-1", Where: "stepping 1", Digest: "sha256:0", PlanHash: "ab", Channel: "C1"}, c.Target)
	require.Equal(t, []any{"T1", "U1", "C1", "promote", true, "why"}, []any{c.Team, c.User, c.Channel, c.Command, c.Form, c.Reason})
	for name, tt := range map[string]struct{ replace, with, want string }{
		"another app's form":    {"slipway_promote", "other_promote", ""},
		"another kind":          {"view_submission", "view_closed", ""},
		"nobody":                {`"user":{"id":"U1"}`, `"user":{}`, "it does not say who clicked"},
		"no workspace":          {`"team":{"id":"T1"}`, `"team":{}`, "it does not say who clicked"},
		"no moment":             {`"id":"V1",`, "", "it does not say who clicked, or when"},
		"a part too few":        {"|C1", "", "not one of this version"},
		"a part too many":       {"|C1", "|C1|", "not one of this version"},
		"no release":            {"|checkout-1|", "||", "not one of this version"},
		"nowhere":               {"|stepping 1|", "||", "not one of this version"},
		"a lane that is none":   {"production/checkout", "production", "is not a service"},
		"a lane that goes on":   {"production/checkout", "production/checkout/x", "is not a service"},
		"a target that is long": {"sha256:0", strings.Repeat("0", maxTarget), "not one of this version"},
		"no JSON":               {"{", "", "read interaction"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, form, tt.replace)
			c, err := Parse([]byte(strings.Replace(form, tt.replace, tt.with, 1)))
			require.Nil(t, c)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}
