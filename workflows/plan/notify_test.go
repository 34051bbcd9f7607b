// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

const telling = short + `  notifications:
    - {to: [chat, github]}
    - {to: [pager], severity: error}
    - {to: [mail, pager], events: [gate, promoted], within: 2h}
`

func TestReceiversHearOfWhatThePlanSays(t *testing.T) {
	all := load(t, telling).Spec.Notifications
	hour := plan.Duration(time.Hour)
	everything := []plan.Addressee{{Name: "chat", Within: hour}, {Name: "github", Within: hour}}
	with := func(more ...plan.Addressee) []plan.Addressee { return append(everything[:2:2], more...) }
	for event, want := range map[plan.Event][]plan.Addressee{
		plan.Started:     everything,
		plan.StepPassed:  everything,
		plan.Held:        everything,
		plan.GateWaits:   with(plan.Addressee{Name: "mail", Within: 2 * hour}, plan.Addressee{Name: "pager", Within: 2 * hour}),
		plan.Promoted:    with(plan.Addressee{Name: "mail", Within: 2 * hour}, plan.Addressee{Name: "pager", Within: 2 * hour}),
		plan.Undone:      with(plan.Addressee{Name: "pager", Within: hour}),
		plan.Failed:      with(plan.Addressee{Name: "pager", Within: hour}),
		plan.NeedsPerson: with(plan.Addressee{Name: "pager", Within: hour}),
	} {
		t.Run(string(event), func(t *testing.T) {
			require.Empty(t, cmp.Diff(want, plan.Addressees(all, event)))
		})
	}
	require.Empty(t, plan.Addressees(nil, plan.NeedsPerson))
}

func TestAReceiverOfTwoRoutesHearsOnceWithTheLongerDeadline(t *testing.T) {
	all := load(t, short+"  notifications: [{to: [chat], within: 2h}, {to: [chat, chat], within: 10m}]\n").Spec.Notifications
	require.Equal(t, []plan.Addressee{{Name: "chat", Within: plan.Duration(2 * time.Hour)}}, plan.Addressees(all, plan.Promoted))
}

func TestBadNotificationsAreRefusedWithLineAndField(t *testing.T) {
	for name, tt := range map[string]struct{ written, want string }{
		"nobody":                       {"{to: []}", "line 18: spec.notifications[0].to: name the receivers"},
		"a secret instead of a name":   {"{to: ['https://hooks.example/abc']}", "line 18: spec.notifications[0].to[0]: must be a DNS label"},
		"an event nobody knows":        {"{to: [chat], events: [finished]}", `line 18: spec.notifications[0].events[0]: must be one of [started step gate held promoted undone failed needs-person], not "finished"`},
		"a severity nobody knows":      {"{to: [chat], severity: high}", `line 18: spec.notifications[0].severity: must be one of [info warning error critical], not "high"`},
		"no time":                      {"{to: [chat], within: 59s}", "line 18: spec.notifications[0].within: must be 1m to 24h"},
		"for ever":                     {"{to: [chat], within: 25h}", "line 18: spec.notifications[0].within: must be 1m to 24h"},
		"events that are never severe": {"{to: [chat], events: [started], severity: error}", "line 18: spec.notifications[0]: tells nothing: none of its events is as severe as error"},
		"a field nobody knows":         {"{to: [chat], url: x}", `unknown field "url"`},
		"too many routes":              {strings.TrimSuffix(strings.Repeat("{to: [chat]}, ", 21), ", "), "spec.notifications: at most 20"},
		"too many receivers":           {"{to: [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u]}", "name at most 20 different receivers"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Load(strings.NewReader(short + "  notifications:\n    [" + tt.written + "]\n"))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestEveryEventHasASeverityAndTheLastFourAreEnds(t *testing.T) {
	var ends []plan.Event
	for _, e := range plan.Events() {
		require.Contains(t, plan.Severities(), e.Severity())
		if e.Ends() {
			ends = append(ends, e)
		}
	}
	require.Equal(t, []plan.Event{plan.Promoted, plan.Undone, plan.Failed, plan.NeedsPerson}, ends)
}
