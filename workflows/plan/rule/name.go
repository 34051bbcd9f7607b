// SPDX-License-Identifier: Apache-2.0

package rule

import (
	"slices"
	"strings"
)

// What a number needs before it is known.
const (
	// NeedsFlapping is the guard of that name.
	NeedsFlapping = "flapping"
	// NeedsLatency is that latency is judged, NeedsSLO that it has an absolute limit.
	NeedsLatency = "latency"
	NeedsSLO     = "latency.slo"
)

// Name of a number that a condition can use.
type Name struct {
	Name string
	// Unit and Range say what values it has.
	Unit, Range string
	// Means says what it counts.
	Means string
	// Needs are what it takes to know it; none: it is known wherever requests are counted.
	Needs []string
}

// Tracks have the same names, each behind its own.
const (
	Candidate = "candidate"
	Stable    = "stable"
)

// The numbers of a step, and those of each track, behind its name and a dot.
const (
	StepWeight   = "step.weight"
	StepSeconds  = "step.seconds"
	Requests     = "requests"
	Failed       = "failed"
	FailedShare  = "failedShare"
	SlowShare    = "slowShare"
	OverSLOShare = "overSLOShare"
	Pods         = "pods"
	Restarts     = "restarts"
	OOMKills     = "oomKills"
	Flaps        = "flaps"
)

// Of is the name of a track's number.
func Of(track, name string) string { return track + "." + name }

// Names of all numbers, in the order in which people are told of them.
func Names() []Name {
	out := []Name{
		{StepWeight, "percent", "0 to 100", "the candidate's share of requests that the router was given", nil},
		{StepSeconds, "seconds", "0 or more", "the time since the step began, warm-up included", nil},
	}
	for _, track := range []string{Candidate, Stable} {
		for _, n := range ofTrack() {
			n.Name = Of(track, n.Name)
			out = append(out, n)
		}
	}
	return out
}

func ofTrack() []Name {
	return []Name{
		{Requests, "requests", "0 or more", "answered in this step, after its warm-up", nil},
		{Failed, "requests", "0 to requests", "those of them that have failed", nil},
		{FailedShare, "share", "0 to 1", "failed / requests; not known without requests", nil},
		{SlowShare, "share", "0 to 1", "of the timed requests, those slower than the boundary of the histogram that is nearest to stable's 95th to 99th percentile", []string{NeedsLatency}},
		{OverSLOShare, "share", "0 to 1", "of the timed requests, those slower than latency.slo.p99", []string{NeedsLatency, NeedsSLO}},
		{Pods, "pods", "0 or more", "that there are, ready or not", nil},
		{Restarts, "times", "0 or more", "that containers restarted in the time of guards.restarts.within", nil},
		{OOMKills, "times", "0 or more", "that containers were killed for want of memory in the time of guards.oomKills.within", nil},
		{Flaps, "times", "0 or more", "that pods stopped being ready in the time of guards.flapping.within", []string{NeedsFlapping}},
	}
}

// Needs reports whether a condition uses a number that needs something, and which one.
func (r *Rule) Needs(what string) (string, bool) {
	for _, n := range Names() {
		if slices.Contains(n.Needs, what) && slices.Contains(r.uses, n.Name) {
			return n.Name, true
		}
	}
	return "", false
}

// known is the list of all names in one sentence.
func known() string {
	own := make([]string, 0)
	for _, n := range ofTrack() {
		own = append(own, n.Name)
	}
	return StepWeight + ", " + StepSeconds + ", and of " + Candidate + " and " + Stable + " each: " + strings.Join(own, ", ")
}
