// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipwayhq/slipway/workflows/plan"
)

func TestFrozen(t *testing.T) {
	holidays := plan.Freeze{From: "2026-12-24T18:00:00Z", To: "2026-12-27T06:00:00Z", Reason: "holidays"}
	friday := plan.Freeze{Days: []string{"fri"}, From: "16:00", To: "24:00", Timezone: "Europe/Berlin", Reason: "weekend"}
	weekend := plan.Freeze{Days: []string{"sat", "sun"}, From: "00:00", To: "24:00", Timezone: "Europe/Berlin", Reason: "weekend"}
	nights := plan.Freeze{Days: []string{"mon", "tue", "wed", "thu", "fri"}, From: "00:00", To: "08:00", Timezone: "America/New_York", Reason: "night"}
	tests := map[string]struct {
		at, until string
		freezes   []plan.Freeze
	}{
		"no freeze":                          {"2026-12-25T00:00:00Z", "", nil},
		"before it begins":                   {"2026-12-24T17:59:59Z", "", []plan.Freeze{holidays}},
		"when it begins":                     {"2026-12-24T18:00:00Z", "2026-12-27T06:00:00Z", []plan.Freeze{holidays}},
		"when it ends":                       {"2026-12-27T06:00:00Z", "", []plan.Freeze{holidays}},
		"a Friday in summer, local time":     {"2026-07-03T14:00:00Z", "2026-07-03T22:00:00Z", []plan.Freeze{friday}},
		"the same Friday, a second before":   {"2026-07-03T13:59:59Z", "", []plan.Freeze{friday}},
		"a Friday in winter, local time":     {"2026-01-09T15:00:00Z", "2026-01-09T23:00:00Z", []plan.Freeze{friday}},
		"freezes that touch are one":         {"2026-07-03T14:00:00Z", "2026-07-05T22:00:00Z", []plan.Freeze{friday, weekend}},
		"on the night that has 25 hours":     {"2026-10-24T12:00:00Z", "2026-10-25T23:00:00Z", []plan.Freeze{weekend}},
		"on the night that has 23 hours":     {"2026-03-28T12:00:00Z", "2026-03-29T22:00:00Z", []plan.Freeze{weekend}},
		"overlapping ones end with the last": {"2026-12-25T20:00:00Z", "2026-12-27T23:00:00Z", []plan.Freeze{holidays, friday, weekend}},
		"another time zone":                  {"2026-07-01T11:59:00Z", "2026-07-01T12:00:00Z", []plan.Freeze{nights}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, tt.at)
			require.NoError(t, err)
			until, reason, frozen := plan.Frozen(tt.freezes, at)
			require.Equal(t, tt.until != "", frozen)
			if frozen {
				require.Equal(t, tt.until, until.Format(time.RFC3339))
				require.NotEmpty(t, reason)
			}
		})
	}
}

func TestAFreezeThatCannotBeMeantIsRefusedWithItsLine(t *testing.T) {
	tests := map[string]struct{ freeze, want string }{
		"without an end":            {`{from: 2026-12-24T18:00:00Z}`, "spec.freeze[0].to: say when the freeze ends; one without an end is refused"},
		"without a beginning":       {`{to: 2026-12-24T18:00:00Z}`, "spec.freeze[0].from: say when the freeze begins"},
		"that ends before it began": {`{from: 2026-12-24T18:00:00Z, to: 2026-12-24T17:00:00Z}`, "spec.freeze[0].to: must be after from (2026-12-24T18:00:00Z)"},
		"of an instant":             {`{from: 2026-12-24T18:00:00Z, to: 2026-12-24T18:00:00Z}`, "must be after from"},
		"of half a year":            {`{from: 2026-01-01T00:00:00Z, to: 2026-07-01T00:00:00Z}`, "must be at most 90 days after from"},
		"of no time":                {`{from: christmas, to: 2026-07-01T00:00:00Z}`, `must be a moment such as 2026-12-24T18:00:00Z (or give days, for every week), not "christmas"`},
		"of no day":                 {`{days: [freitag], from: "16:00", to: "24:00"}`, `spec.freeze[0].days[0]: must be one of mon, tue, wed, thu, fri, sat, sun, not "freitag"`},
		"over midnight":             {`{days: [fri], from: "16:00", to: "08:00"}`, "write a freeze over midnight as two"},
		"at no time of day":         {`{days: [fri], from: "4pm", to: "24:00"}`, `must be a time of day such as "16:00", not "4pm"`},
		"later than a day":          {`{days: [fri], from: "16:00", to: "24:01"}`, `must be a time of day such as "24:00", not "24:01"`},
		"in no time zone":           {`{days: [fri], from: "16:00", to: "24:00", timezone: Mars/Olympus}`, `must be the name of a time zone, such as Europe/Berlin, not "Mars/Olympus"`},
		"that never ends":           {`{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00"}`, "together the freezes last for more than 90 days without a gap; a freeze must end"},
		"a chain that never ends":   {`{from: 2026-01-01T00:00:00Z, to: 2026-03-01T00:00:00Z}, {from: 2026-03-01T00:00:00Z, to: 2026-05-01T00:00:00Z}`, "together the freezes last for more than 90 days"},
		"with a time zone twice":    {`{from: 2026-12-24T18:00:00Z, to: 2026-12-25T18:00:00Z, timezone: Europe/Berlin}`, "belongs to a freeze with days"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := plan.Load(strings.NewReader(short + "  freeze: [" + tt.freeze + "]\n"))
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "line 17: ")
		})
	}
	for _, good := range []string{
		`{from: 2026-12-24T18:00:00Z, to: 2026-12-27T06:00:00Z, reason: holidays}`,
		`{days: [fri], from: "16:00", to: "24:00", timezone: Europe/Berlin}`,
		`{days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "23:59"}`,
	} {
		load(t, short+"  freeze: ["+good+"]\n")
	}
}

func TestALaneIsBounded(t *testing.T) {
	for with, want := range map[string]string{
		"{newer: newest}": "spec.lane.newer: must be one of coalesce, queue, supersede",
		"{maxQueue: 21}":  "spec.lane.maxQueue: must be from 1 to 20",
		"{maxQueue: 0}":   "must be at least 1; leave it out for the default",
	} {
		_, err := plan.Load(strings.NewReader(short + "  lane: " + with + "\n"))
		require.ErrorContains(t, err, want)
	}
}
