// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/decide"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
)

// collection turns stored samples into ticks. A tick is the difference of two readings of every counter, each
// interpolated between the two scrapes around its moment: every second counts once, pods that were scraped at
// different moments are counted up to the same one, and nothing needs to be remembered from look to look.
type collection struct {
	preset           preset
	interval, warmUp time.Duration
	// from, after and now: samples are known from, ticks are wanted after, until now.
	from, after, now time.Time
	// born are the moments at which young pods were first seen.
	born map[string]time.Time
	// pods of stable and of the candidate, in the order in which they were met, and by name.
	pods   [2][]*target
	byName [2]map[string]*target
}

// target is one pod, or one gateway where pods are not told apart.
type target struct {
	name     string
	counters []counter
	// scrapes are the moments of all its samples, in milliseconds.
	scrapes []int64
	// odd says what is impossible about its numbers.
	odd string
}

// counter is one series, made to rise for ever.
type counter struct {
	// upTo is the boundary of a bucket in seconds, +Inf for all requests of the histogram; 0: the counter.
	upTo float64
	// requests says that it counts requests, failed that it counts failed ones; of a counter that is in both, both.
	requests, failed bool
	// native says that it is made of a native histogram.
	native bool
	at     []int64
	value  []float64
}

// doubles are labels that differ where one target is scraped twice.
func doubles() []model.LabelName {
	return []model.LabelName{model.JobLabel, "prometheus", "prometheus_replica"}
}

// take sorts the series of one selector by target. A series that is there twice counts once.
func (c *collection) take(side int, role role, all model.Matrix) error {
	seen := map[model.Fingerprint]bool{}
	for _, series := range all {
		for _, l := range doubles() {
			delete(series.Metric, l)
		}
		print := series.Metric.FastFingerprint()
		if seen[print] {
			continue
		}
		seen[print] = true
		name := string(series.Metric[c.preset.source()])
		if name == "" && (c.preset.own == nil || c.preset.pod != "") { // a recording rule may have no instance
			return fault.New(fault.Invalid, "series %s has no label %s, by which its source is told", series.Metric, c.preset.source())
		}
		c.target(side, name).take(series, c.preset, role)
	}
	return nil
}

// target of a name, which may be new.
func (c *collection) target(side int, name string) *target {
	if c.byName[side] == nil {
		c.byName[side] = map[string]*target{}
	}
	t := c.byName[side][name]
	if t == nil {
		t = &target{name: name}
		c.byName[side][name] = t
		c.pods[side] = append(c.pods[side], t)
	}
	return t
}

// settle makes all counters rise. A gateway counts for both sides: what it has told of the one says when it was
// scraped for the other.
func (c *collection) settle() {
	scrapes := map[string][]int64{}
	for _, side := range c.pods {
		for _, t := range side {
			t.countOnce()
			scrapes[t.name] = append(scrapes[t.name], t.scrapes...)
		}
	}
	for _, side := range c.pods {
		for _, t := range side {
			all := t.scrapes
			if c.preset.pod == "" {
				all = scrapes[t.name]
			}
			slices.Sort(all)
			t.scrapes = slices.Compact(slices.Clone(all))
			for i := range t.counters {
				t.counters[i].rise(t.scrapes)
			}
		}
	}
}

// take adds one series.
func (t *target) take(s *model.SampleStream, p preset, r role) {
	if len(s.Histograms) > 0 {
		t.takeNative(s, p)
		return
	}
	one := counter{requests: r == allRequests, failed: r == failedRequests}
	switch {
	case r == byLabels && string(s.Metric[model.MetricNameLabel]) == p.requests:
		one.requests, one.failed = true, p.failure(s.Metric)
	case r == byLabels || r == durations:
		upTo, err := strconv.ParseFloat(string(s.Metric[model.BucketLabel]), 64)
		if err != nil || !(upTo > 0) {
			return // a summary, or a histogram without boundaries, under the same name
		}
		one.upTo = upTo * p.unit
	}
	for _, v := range s.Values {
		t.scrapes = append(t.scrapes, int64(v.Timestamp))
		one.at, one.value = append(one.at, int64(v.Timestamp)), append(one.value, float64(v.Value))
		if value := float64(v.Value); !(value >= 0) || math.IsInf(value, 0) || value > 1e15 {
			t.odd = "Prometheus has an impossible value of " + s.Metric.String() + ": " + v.Value.String()
		}
	}
	t.counters = append(t.counters, one)
}

// takeNative adds a native histogram as the classic one that its last sample is.
func (t *target) takeNative(s *model.SampleStream, p preset) {
	last := s.Histograms[len(s.Histograms)-1].Histogram
	bounds := []float64{math.Inf(1)}
	for _, b := range last.Buckets {
		bounds = append(bounds, float64(b.Upper))
	}
	for _, bound := range bounds {
		one := counter{upTo: bound * p.unit, native: true}
		for _, h := range s.Histograms {
			t.scrapes = append(t.scrapes, int64(h.Timestamp))
			one.at, one.value = append(one.at, int64(h.Timestamp)), append(one.value, below(h.Histogram, bound))
		}
		t.counters = append(t.counters, one)
	}
}

// countOnce leaves a histogram that is stored in both forms to the classic one, which has the boundaries that were asked for.
func (t *target) countOnce() {
	if slices.ContainsFunc(t.counters, func(c counter) bool { return c.upTo != 0 && !c.native }) {
		t.counters = slices.DeleteFunc(t.counters, func(c counter) bool { return c.native })
	}
}

// below is how many observations are at most bound.
func below(h *model.SampleHistogram, bound float64) float64 {
	if math.IsInf(bound, 1) {
		return float64(h.Count)
	}
	sum := 0.
	for _, b := range h.Buckets {
		if float64(b.Upper) <= bound {
			sum += float64(b.Count)
		}
	}
	return sum
}

// rise adds up what a counter has grown by, across its resets. One that appears when its target had been scraped
// before is a new one: it counts from zero, at the scrape before.
func (c *counter) rise(scrapes []int64) {
	before, i := 0., 0
	if first, _ := slices.BinarySearch(scrapes, c.at[0]); first == 0 {
		before = c.value[0] // its target is as new to us: only what comes now counts
	} else {
		c.at, c.value = slices.Insert(c.at, 0, scrapes[first-1]), slices.Insert(c.value, 0, 0)
		i = 1
	}
	sum := 0.
	for ; i < len(c.value); i++ {
		now := c.value[i]
		switch {
		case now >= before:
			sum += now - before
		default:
			sum += now // it began again at zero
		}
		before, c.value[i] = now, sum
	}
}

// reading of a counter at a moment.
func (c *counter) reading(at int64) float64 {
	i, exact := slices.BinarySearch(c.at, at)
	switch {
	case exact:
		return c.value[i]
	case i == 0:
		return c.value[0]
	case i == len(c.at):
		return c.value[i-1]
	}
	part := float64(at-c.at[i-1]) / float64(c.at[i]-c.at[i-1])
	return c.value[i-1] + part*(c.value[i]-c.value[i-1])
}

// between is what a target did in a stretch.
func (t *target) between(from, to int64) decide.Counts {
	var out decide.Counts
	for i := range t.counters {
		one := &t.counters[i]
		n := one.reading(to) - one.reading(from)
		switch {
		case one.upTo == 0:
			if one.requests {
				out.Requests += n
			}
			if one.failed {
				out.Errors += n
			}
		case math.IsInf(one.upTo, 1):
			out.Timed += n
		default:
			out.Buckets = addBucket(out.Buckets, one.upTo, n)
		}
	}
	return out
}

func addBucket(all []decide.Bucket, upTo, n float64) []decide.Bucket {
	i, found := slices.BinarySearchFunc(all, upTo, func(b decide.Bucket, v float64) int { return cmp.Compare(b.UpTo, v) })
	if !found {
		all = slices.Insert(all, i, decide.Bucket{UpTo: upTo})
	}
	all[i].Count += n
	return all
}

// guess is the scrape interval where there are too few samples to tell.
const guess = 5 * time.Second

// scrape is the usual distance of two scrapes.
func (c *collection) scrape() time.Duration {
	var gaps []int64
	for _, side := range c.pods {
		for _, t := range side {
			for i := 1; i < len(t.scrapes); i++ {
				gaps = append(gaps, t.scrapes[i]-t.scrapes[i-1])
			}
		}
	}
	if len(gaps) == 0 {
		return min(guess, c.interval)
	}
	slices.Sort(gaps)
	return time.Duration(gaps[len(gaps)/2]) * time.Millisecond
}

// patience is how many scrapes may be missed before a target counts as gone, or its numbers as a gap.
const patience = 3

// reading are the ticks that are complete.
func (c *collection) reading() activities.Reading {
	c.settle()
	scrape := c.scrape()
	var out activities.Reading
	end := c.after.Add(c.interval)
	for ; !end.After(c.now) && c.complete(end, scrape); end = end.Add(c.interval) {
		out.Ticks = append(out.Ticks, c.tick(end, scrape))
	}
	out.Next = c.due(end, scrape)
	if !out.Next.After(c.now) {
		out.Next = c.now.Add(min(max(scrape/4, 100*time.Millisecond), c.interval))
	}
	return out
}

// stored is the part of a scrape's distance after which its samples can be asked for, if it was not slow.
const stored = 10

// due is when a tick should be complete: each target is scraped at its own, regular moments, and the first of them
// after the end of the tick completes it.
func (c *collection) due(end time.Time, scrape time.Duration) time.Time {
	due := time.Time{}
	for _, side := range c.pods {
		for _, t := range side {
			last := t.last()
			if c.gone(last, scrape) {
				continue
			}
			if missing := end.Sub(last); missing > 0 {
				last = last.Add((missing + scrape - 1).Truncate(scrape))
			}
			if last.After(due) {
				due = last
			}
		}
	}
	if due.IsZero() {
		due = end.Add(scrape)
	}
	return due.Add(scrape / stored)
}

// last is when a target was scraped last.
func (t *target) last() time.Time { return time.UnixMilli(t.scrapes[len(t.scrapes)-1]) }

// gone reports whether a target that was scraped last then has ended.
func (c *collection) gone(last time.Time, scrape time.Duration) bool {
	return c.now.Sub(last) >= patience*scrape
}

// complete reports whether every target that lives was scraped after the end of a tick.
func (c *collection) complete(end time.Time, scrape time.Duration) bool {
	if c.now.Sub(end) >= patience*scrape {
		return true
	}
	targets := 0
	for _, side := range c.pods {
		for _, t := range side {
			if last := t.last(); !c.gone(last, scrape) && last.Before(end) {
				return false
			}
			targets++
		}
	}
	return targets > 0
}

// tick adds up the pods of both sides. A pod that is young is left out, on both.
func (c *collection) tick(end time.Time, scrape time.Duration) judge.Tick {
	out := judge.Tick{End: end}
	if scrape > c.interval+c.interval/2 {
		out.Gap = fmt.Sprintf("Prometheus scrapes every %s, which is longer than the interval of %s: raise spec.analysis.interval", scrape, c.interval)
	}
	from, to := end.Add(-c.interval).UnixMilli(), end.UnixMilli()
	for side, pods := range c.pods {
		counts, warm := &out.Stable, &out.StablePods
		if side == 1 {
			counts, warm = &out.Candidate, &out.CandidatePods
		}
		for _, t := range pods {
			if t.scrapes[0] >= to {
				continue
			}
			n := t.between(from, to)
			out.Routed[side] += n.Requests
			switch {
			case t.odd != "":
				out.Gap = t.odd
			case n.Errors > n.Requests+1: // one of them may have been counted between two counters of a scrape
				out.Gap = "spec.analysis.source.prometheus.queries: failures counts more than requests; it must select a part of them"
			case t.gap(from, to, scrape):
				out.Gap = "Prometheus has missed scrapes"
			}
			n.Errors = min(n.Errors, n.Requests)
			if c.young(t, from) {
				continue
			}
			*counts = counts.Add(n)
			*warm++
		}
	}
	if !c.preset.routed {
		out.Routed = [2]float64{}
	}
	if c.preset.pod == "" {
		out.StablePods, out.CandidatePods = 0, 0
	}
	return out
}

// young reports whether a pod was seen for less than the warm-up when a tick began.
func (c *collection) young(t *target, from int64) bool {
	if c.warmUp == 0 {
		return false
	}
	first, seen := c.born[t.name]
	return !seen || time.UnixMilli(from).Sub(first) < c.warmUp
}

// gap reports whether scrapes are missing in or around a stretch, after which others came.
func (t *target) gap(from, to int64, scrape time.Duration) bool {
	i, _ := slices.BinarySearch(t.scrapes, from+1)
	for i = max(i, 1); i < len(t.scrapes) && t.scrapes[i-1] < to; i++ {
		if time.Duration(t.scrapes[i]-t.scrapes[i-1])*time.Millisecond > patience*scrape+scrape/2 {
			return true
		}
	}
	return false
}
