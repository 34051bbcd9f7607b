// SPDX-License-Identifier: Apache-2.0

package rescue

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Overview is what a person reads before anything is changed.
func Overview(r cluster.Recalled, actions []Action) string {
	var b strings.Builder
	s, t := r.Safe, r.Safe.Tracks
	if r.Doubt != "" {
		fmt.Fprintf(&b, "Note: %s; what follows is from %s.\n\n", r.Doubt, r.From)
	}
	fmt.Fprintf(&b, "Release %s of %s has recorded this safe state at %s (%s):\n", s.ReleaseID, s.Lane, clock(s.Recorded), r.From)
	fmt.Fprintf(&b, "  all requests to Deployment %s: %d pods of %s,\n", t.Stable, t.Replicas, t.StableImage)
	fmt.Fprintf(&b, "  selected by Service %s with %s\n", s.Route.Stable, labels.FormatLabels(t.StableSelector))
	if s.Ended == activities.EndRescued {
		fmt.Fprintf(&b, "  restored at %s by %s\n", clock(s.EndedAt), s.EndedBy)
	}
	b.WriteString("\nThe way there:\n")
	for _, a := range actions {
		mark := "ok"
		if a.Needed {
			mark = "do"
		}
		if a.Do == Tell {
			mark = "!!"
		}
		fmt.Fprintf(&b, "  %s  %s\n", mark, a.Text)
	}
	b.WriteString("Everything is marked with a new fence, also where it is ok: the release can write nothing any more.\n")
	fmt.Fprintf(&b, "If Temporal is up, rather end the release there: slipway abort %s\n", s.Lane)
	return b.String()
}

// Line is a step that has ended.
func (s Step) Line() string {
	if s.Reason == "" {
		return fmt.Sprintf("%-9s  %s\n", s.Outcome, s.Text)
	}
	return fmt.Sprintf("%-9s  %s: %s\n", s.Outcome, s.Text, s.Reason)
}

// Closing is what a person reads at the end.
func Closing(s activities.SafeState, r Report) string {
	var b strings.Builder
	if r.Verified {
		fmt.Fprintf(&b, "\nRescued and verified: all requests go to Deployment %s.\n", s.Tracks.Stable)
	} else {
		b.WriteString("\nNot everything could be done and verified. Left to you:\n")
	}
	for _, step := range r.Left() {
		fmt.Fprintf(&b, "  - %s\n", step.Text)
		if step.Reason != "" && step.Outcome != Left {
			fmt.Fprintf(&b, "    %s: %s\n", step.Outcome, step.Reason)
		}
		for _, command := range step.ByHand {
			fmt.Fprintf(&b, "    %s\n", command)
		}
	}
	if !r.Verified {
		b.WriteString("Running this again does no harm.\n")
	}
	fmt.Fprintf(&b, "Release %s is shut out. Once Temporal is back it ends as needs-person, or at once by:\n", s.ReleaseID)
	fmt.Fprintf(&b, "  slipway abort %s --reason rescued\n", s.Lane)
	return b.String()
}

// Nothing is what a person reads where the release is over.
func Nothing(s activities.SafeState) string {
	var b strings.Builder
	t := s.Tracks
	fmt.Fprintf(&b, "There is nothing to rescue: release %s of %s was %s at %s.\n", s.ReleaseID, s.Lane, s.Ended, clock(s.EndedAt))
	fmt.Fprintf(&b, "Deployment %s serves, with %s.\n", t.Stable, t.StableImage)
	fmt.Fprintf(&b, "To go back to an earlier version: slipway rollback %s\n", s.Lane)
	if s.Ended == activities.EndPromoted {
		fmt.Fprintf(&b, "If Temporal is away, by hand, to %s:\n", t.CandidateImage)
		for _, command := range WayBack(s) {
			fmt.Fprintf(&b, "  %s\n", command)
		}
	}
	return b.String()
}

// Explain adds what a person can do about an error.
func Explain(err error) error {
	switch fault.Of(err) {
	case fault.Denied:
		return fmt.Errorf("%w\nA rescue acts with your own rights: bind the ClusterRole of deploy/rescue to yourself. Nothing was changed", err)
	case fault.NotFound:
		return fmt.Errorf("%w\nIs this the right cluster, namespace and Deployment? A service that Slipway has never released has no record. Nothing was changed", err)
	case fault.Invalid, fault.Fenced, fault.Edited, fault.Unavailable:
	}
	return fmt.Errorf("%w\nNothing was changed", err)
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
