// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows"
)

func TestKeysBecomeCommands(t *testing.T) {
	running := workflows.Status{Phase: workflows.Stepping}
	tests := map[string]struct {
		keys  string
		s     workflows.Status
		want  []wanted
		leave bool
		says  string
	}{
		"an approval is confirmed":          {keys: "ay", s: running, want: []wanted{{command: workflows.Approve}}},
		"or it is none":                     {keys: "an", s: running},
		"any other key is a no":             {keys: "a\x1b", s: running},
		"the question is shown":             {keys: "a", s: running, says: "approve? [y] yes, any other key: no"},
		"y alone does nothing":              {keys: "y", s: running},
		"an abort has a reason":             {keys: "xtoo slow\r", s: running, want: []wanted{{workflows.Abort, "too slow"}}},
		"an abort without one is none":      {keys: "x\r\r", s: running, says: "abort, because: ▏ (Enter aborts, Esc goes back)"},
		"a reason can be corrected":         {keys: "xab\x7f\x7f\x7fok\r", s: running, want: []wanted{{workflows.Abort, "ok"}}},
		"letters of a reason are no keys":   {keys: "xq paypal\r", s: running, want: []wanted{{workflows.Abort, "q paypal"}}},
		"a reason can be given up":          {keys: "xnever mind\x1bp", s: running, want: []wanted{{command: workflows.Pause}}},
		"an interrupt leaves, also then":    {keys: "xabc\x03", s: running, leave: true, says: "abort, because: abc▏ (Enter aborts, Esc goes back)"},
		"q leaves":                          {keys: "q", s: running, leave: true},
		"pause and resume need no question": {keys: "pr", s: running, want: []wanted{{command: workflows.Pause}, {command: workflows.Resume}}},
		"nothing is told to what has ended": {keys: "paxr", s: workflows.Status{Phase: workflows.Promoted}},
		"control characters are no reason":  {keys: "xa\tb\x01\r", s: running, want: []wanted{{workflows.Abort, "ab"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var p pad
			var got []wanted
			left := false
			for _, key := range []byte(tt.keys) {
				w, leave := p.press(key, tt.s)
				if w.command != "" {
					got = append(got, w)
				}
				left = left || leave
			}
			require.Equal(t, tt.want, got)
			require.Equal(t, tt.leave, left)
			require.Equal(t, tt.says, p.says())
		})
	}
}

func TestAReasonHasABound(t *testing.T) {
	var p pad
	p.press('x', workflows.Status{})
	for range 2 * maxReason {
		p.press('a', workflows.Status{})
	}
	w, _ := p.press(keyEnter, workflows.Status{})
	require.Len(t, w.reason, maxReason)
}
