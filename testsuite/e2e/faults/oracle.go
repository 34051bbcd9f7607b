// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/slipwayhq/slipway/activities"
)

// Judge says in plain words which promises a release broke; none: it kept them all. usual is what its way does
// when nothing goes wrong.
func Judge(a Account, usual Usual) []string {
	j := &judge{Account: a, usual: usual}
	if a.Trouble != nil {
		j.violate("the story: %s", a.Trouble)
	}
	if !a.Case.Calm && a.Met == 0 {
		j.violate("the story: nothing went wrong, because no call met the fault")
	}
	j.weights()
	j.readiness()
	j.order()
	j.requests()
	j.end()
	j.clean()
	if a.Case.Exact {
		j.exact()
	}
	j.known()
	return j.wrong
}

type judge struct {
	Account
	usual Usual
	wrong []string
}

func (j *judge) violate(format string, args ...any) {
	j.wrong = append(j.wrong, fmt.Sprintf(format, args...))
}

// weights of two backends sum to 100 in every observation.
func (j *judge) weights() {
	for _, s := range j.States {
		sum := 0
		for _, w := range s.Weights {
			sum += w
		}
		if len(s.Weights) > 1 && sum != 100 {
			j.violate("I1: the weights %v sum to %d", s.Weights, sum)
		}
	}
}

// lag is how far the two watches of the oracle may be apart.
const lag = time.Second

// readiness of the track behind a weight that rises.
func (j *judge) readiness() {
	before := 0
	for _, s := range j.States {
		if s.Candidate > before && !j.readyAt(s.At) {
			j.violate("I2: %d %% were given to a candidate that had no ready pod", s.Candidate)
		}
		before = s.Candidate
	}
}

// readyAt reports whether a pod of the other track was ready then, or within the lag.
func (j *judge) readyAt(at time.Time) bool {
	ready := false
	for _, p := range j.Ready {
		if (p.Deployment == j.Shop) != (j.Case.Way.Back != "") {
			continue
		}
		switch {
		case p.At.Before(at):
			ready = p.Ready > 0
		case p.At.Before(at.Add(lag)):
			ready = ready || p.Ready > 0
		}
	}
	return ready
}

// order of the weights: each step once, none left out, and nothing but the way back after the highest.
func (j *judge) order() {
	steps := j.Case.Way.Steps
	up := 0
	for up < len(j.Shares) && up < len(steps) && j.Shares[up] == steps[up] {
		up++
	}
	rest := j.Shares[up:]
	if len(rest) > 1 || len(rest) == 1 && (rest[0] != 0 || up == 0) || up > 0 && len(rest) == 0 {
		j.violate("I13: the shares on the route were %v, of the steps %v", j.Shares, steps)
	}
	if j.ended() == Promoted && up < len(steps) {
		j.violate("I13: promoted with the shares %v, of the steps %v", j.Shares, steps)
	}
}

// requests of users: none fails, but for what a bad candidate has answered.
func (j *judge) requests() {
	if j.Load.Requests == 0 {
		j.violate("the story: nobody sent a request")
	}
	if j.Load.Failed > 0 && !j.Case.Bad {
		j.violate("I7: %d of %d requests failed (%v): %v", j.Load.Failed, j.Load.Requests, j.Load.FailedByVersion, j.Load.Errors)
	}
}

// end is one of those that the case allows, and true.
func (j *judge) end() {
	end := j.ended()
	if !slices.Contains(j.Case.Ends, end) {
		j.violate("I5: it ended with code %d, while it may be %v: %s%s", j.Said.Code, j.Case.Ends, j.Said.Out, j.Said.Err)
	}
	image, spare := j.After.Serving(j.Shop)
	switch end {
	case Promoted:
		if image != j.Image || len(spare) > 0 {
			j.violate("I5: promoted, while %q serves and %v has pods", image, spare)
		}
	case Undone, Refused:
		if diff := cmp.Diff(j.Before, j.After); diff != "" {
			j.violate("I5: %s, with this left behind: %s", end, diff)
		}
	}
}

// clean is a world in which only that is left which the documentation names.
func (j *judge) clean() {
	allowed := []string{"configmaps/slipway-NAME", "leases/slipway-NAME"}
	if j.ended() == Promoted && !j.Case.Way.InPlace {
		allowed = append(allowed, "deployments/NAME-green", "services/NAME-green", "services/NAME-blue")
	}
	for _, name := range j.Kept {
		if !slices.Contains(allowed, name) {
			j.violate("the world: %s was left behind", name)
		}
	}
	if len(j.Marks) > 0 {
		j.violate("the world: the route still has the annotations %v", j.Marks)
	}
	if j.ended() == Refused {
		return // its record is open, and says how things are
	}
	want := map[End]activities.End{Promoted: activities.EndPromoted, Undone: activities.EndUndone}[j.ended()]
	if j.Record != "" && j.Record != want || j.Record == "" && slices.Contains(j.Kept, allowed[0]) {
		j.violate("the world: the record of the safe state ended as %q", j.Record)
	}
}

// exact is a telling that differs from the usual one in nothing but its time.
func (j *judge) exact() {
	if diff := cmp.Diff(j.usual.Activities, j.Activities); diff != "" {
		j.violate("twice: other activities were scheduled than usual: %s", diff)
	}
	if j.Made != j.usual.Pods {
		j.violate("twice: %d pods were made, usually it is %d", j.Made, j.usual.Pods)
	}
	if diff := cmp.Diff(j.usual.Kept, j.Kept); diff != "" {
		j.violate("the world: other objects were left than usual: %s", diff)
	}
}

// known are the writes: one that is not in writes.json was never disturbed. Another attempt may write differently,
// since it finds what the first has left.
func (j *judge) known() {
	if !j.Case.quiet() {
		return
	}
	kinds := func(writes []Write) map[Write]bool {
		out := map[Write]bool{}
		for _, w := range writes {
			w.Nth = 0
			out[w] = true
		}
		return out
	}
	if diff := cmp.Diff(kinds(j.usual.Writes), kinds(Learn(j.Account).Writes)); diff != "" {
		j.violate("the matrix: the writes are not those of writes.json any more; run `make matrix-writes`: %s", diff)
	}
}
