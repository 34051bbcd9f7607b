// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a worker's image may have no time zones
)

// MaxFreeze is the longest that a freeze may last: what is longer is a forgotten one.
const MaxFreeze = 90 * 24 * time.Hour

// maxFreezes bounds a plan.
const maxFreezes = 50

// weekdays as a plan writes them, in the order of [time.Weekday].
func weekdays() []string { return []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"} }

// Frozen reports whether a moment is inside one of the freezes, until when, and why. Freezes that touch
// count as one, of the first one's reason; what comes after [MaxFreeze] is not looked at.
//
// It reads the time zone database, which may differ from machine to machine: a workflow calls it in a
// side effect, so that its answer is recorded.
func Frozen(freezes []Freeze, at time.Time) (until time.Time, reason string, frozen bool) {
	until = at
	for until.Sub(at) <= MaxFreeze {
		end, why := until, ""
		for _, f := range freezes {
			if e, ok := f.covers(until); ok && e.After(end) {
				end, why = e, f.Reason
			}
		}
		if !end.After(until) {
			break
		}
		if !frozen {
			reason, frozen = why, true
		}
		until = end
	}
	if frozen {
		until = until.UTC()
	}
	return until, reason, frozen
}

// covers reports whether a moment is inside the freeze, and when that ends. One that cannot be read, which
// validation refuses, covers nothing.
func (f Freeze) covers(at time.Time) (time.Time, bool) {
	if len(f.Days) == 0 {
		from, to, err := f.once()
		return to, err == nil && !at.Before(from) && at.Before(to)
	}
	from, to, zone, err := f.daily()
	if err != nil {
		return time.Time{}, false
	}
	local := at.In(zone)
	if !slices.Contains(f.Days, weekdays()[local.Weekday()]) {
		return time.Time{}, false
	}
	begin, end := onDay(local, from), onDay(local, to)
	return end, !at.Before(begin) && at.Before(end)
}

// onDay is a time of day, in minutes, on the day of a local time, also where the clock is changed.
func onDay(local time.Time, minutes int) time.Time {
	return time.Date(local.Year(), local.Month(), local.Day(), minutes/60, minutes%60, 0, 0, local.Location())
}

// once reads the two moments of a freeze that happens once.
func (f Freeze) once() (from, to time.Time, err error) {
	from, err1 := time.Parse(time.RFC3339, f.From)
	to, err2 := time.Parse(time.RFC3339, f.To)
	return from, to, errors.Join(err1, err2)
}

// daily reads the times of day of a weekly freeze.
func (f Freeze) daily() (from, to int, zone *time.Location, err error) {
	from, err1 := minutesOf(f.From)
	to, err2 := minutesOf(f.To)
	zone, err3 := time.LoadLocation(f.Timezone)
	return from, to, zone, errors.Join(err1, err2, err3)
}

// minutesOf reads "16:30", from "00:00" to "24:00".
func minutesOf(s string) (int, error) {
	hour, minute, _ := strings.Cut(s, ":")
	h, err1 := strconv.Atoi(hour)
	m, err2 := strconv.Atoi(minute)
	if err := errors.Join(err1, err2); err != nil || len(hour) != 2 || len(minute) != 2 {
		return 0, fmt.Errorf("%q is not a time of day", s)
	}
	if h < 0 || m < 0 || m > 59 || 60*h+m > 24*60 {
		return 0, fmt.Errorf("%q is not a time of day", s)
	}
	return 60*h + m, nil
}

func (c *checker) lane(l Lane) {
	const at = "spec.lane"
	known := []string{NewerCoalesce, NewerQueue, NewerSupersede}
	c.must(slices.Contains(known, l.Newer), at+".newer", "must be one of %s", strings.Join(known, ", "))
	c.must(l.MaxQueue >= 1 && l.MaxQueue <= maxQueue, at+".maxQueue", "must be from 1 to %d", maxQueue)
}

func (c *checker) freezes(all []Freeze) {
	const at = "spec.freeze"
	c.must(len(all) <= maxFreezes, at, "at most %d freezes", maxFreezes)
	before := len(c.problems)
	for i, f := range all {
		c.freeze(fmt.Sprintf("%s[%d]", at, i), f)
	}
	if len(c.problems) > before {
		return
	}
	// Any Monday will do to see whether the weekly ones leave a gap.
	starts := []time.Time{time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, f := range all {
		if from, _, err := f.once(); err == nil {
			starts = append(starts, from)
		}
	}
	for _, start := range starts {
		until, _, frozen := Frozen(all, start)
		c.must(!frozen || until.Sub(start) <= MaxFreeze, at,
			"together the freezes last for more than %d days without a gap; a freeze must end", days(MaxFreeze))
	}
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

func (c *checker) freeze(field string, f Freeze) {
	c.must(f.To != "", field+".to", "say when the freeze ends; one without an end is refused")
	c.must(f.From != "", field+".from", "say when the freeze begins")
	switch {
	case f.From == "" || f.To == "":
	case len(f.Days) > 0:
		c.weekly(field, f)
	default:
		c.onceOnly(field, f)
	}
}

func (c *checker) weekly(field string, f Freeze) {
	for i, d := range f.Days {
		c.must(slices.Contains(weekdays(), d), fmt.Sprintf("%s.days[%d]", field, i), "must be one of mon, tue, wed, thu, fri, sat, sun, not %q", d)
	}
	_, err := time.LoadLocation(f.Timezone)
	c.must(err == nil, field+".timezone", "must be the name of a time zone, such as Europe/Berlin, not %q", f.Timezone)
	from, err1 := minutesOf(f.From)
	to, err2 := minutesOf(f.To)
	c.must(err1 == nil, field+".from", `must be a time of day such as "16:00", not %q`, f.From)
	c.must(err2 == nil, field+".to", `must be a time of day such as "24:00", not %q`, f.To)
	c.must(err1 != nil || err2 != nil || from < to, field+".to", "must be after from (%s); write a freeze over midnight as two", f.From)
}

func (c *checker) onceOnly(field string, f Freeze) {
	from, err1 := time.Parse(time.RFC3339, f.From)
	to, err2 := time.Parse(time.RFC3339, f.To)
	c.must(err1 == nil, field+".from", "must be a moment such as 2026-12-24T18:00:00Z (or give days, for every week), not %q", f.From)
	c.must(err2 == nil, field+".to", "must be a moment such as 2026-12-27T06:00:00Z (or give days, for every week), not %q", f.To)
	if err1 != nil || err2 != nil {
		return
	}
	c.must(from.Before(to), field+".to", "must be after from (%s)", f.From)
	c.must(to.Sub(from) <= MaxFreeze, field+".to", "must be at most %d days after from; a freeze that is longer is easily forgotten", days(MaxFreeze))
	c.must(f.Timezone == "", field+".timezone", "belongs to a freeze with days; a moment carries its own")
}
