// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Source is where a release comes from.
type Source = activities.Origin

// maxNotices is how many a release keeps. After that only its end is told.
const maxNotices = 200

// notices are what a release tells those whom its plan names. They are only kept: a Messenger asks for them by
// a query, which costs no history, and carries them. So nothing that a receiver does reaches a release.
type notices struct {
	told []activities.Told
	// used counts the keys that would be the same.
	used map[string]int
	// open are the receivers that know of a wait, in the order in which they heard of it.
	open []plan.Addressee
}

// since is the answer to a query: what was told after the first so many.
func (n *notices) since(seen int) []activities.Told {
	return n.told[min(max(seen, 0), len(n.told)):]
}

// tell keeps a notice of this moment for whoever is to hear it.
func (r *release) tell(ctx workflow.Context, e plan.Event, text string) {
	n := &r.notices
	to := plan.Addressees(r.in.Plan.Spec.Notifications, e)
	closes := n.close(e, to)
	if len(to)+len(closes) == 0 || len(n.told) >= maxNotices && !e.Ends() {
		return
	}
	s := &r.status
	notice := r.notice(e, text)
	notice.Key, notice.At = n.key(s.ID, e, s.Step), workflow.Now(ctx)
	if e.Waits() {
		notice.Owner, notice.Deadline, notice.AtDeadline = s.Owner, s.Deadline, s.AtDeadline
	}
	n.told = append(n.told, activities.Told{Notice: notice, To: to, Closes: closes})
}

// notice is the present moment, for somebody who knows nothing of the release.
func (r *release) notice(e plan.Event, text string) activities.Notice {
	s := &r.status
	return activities.Notice{
		Event: e, Severity: e.Severity(),
		Release: s.ID, Service: s.Service, Environment: s.Environment, Namespace: s.Namespace, Strategy: s.Strategy,
		Image: s.Image, RequestedBy: s.RequestedBy, Source: r.in.Source,
		Weight: s.Weight, Step: s.Step, Steps: s.Steps, Text: cut(text),
	}
}

// news answers a query: it changes nothing.
func (r *release) news(seen int) activities.Notices {
	out := activities.Notices{New: r.notices.since(seen), Ended: r.status.Phase.Ended()}
	to := plan.Addressees(r.in.Plan.Spec.Notifications, plan.Failed)
	closes := r.notices.unheard(to)
	if out.Ended || len(to)+len(closes) == 0 {
		return out
	}
	n := r.notice(plan.Failed, "ended by force in Temporal: nothing was undone, and nobody watches; `slipway rescue` sends everybody back")
	n.Key = fmt.Sprintf("%s/%s/%d", n.Release, n.Event, n.Step)
	out.IfBroken = []activities.Told{{Notice: n, To: to, Closes: closes}}
	return out
}

// close ends the waits that receivers know of, unless it is another one that began, and returns those that
// would not hear of it otherwise.
func (n *notices) close(e plan.Event, to []plan.Addressee) []plan.Addressee {
	if e.Waits() {
		n.open = union(n.open, to)
		return nil
	}
	closes := n.unheard(to)
	n.open = nil
	return closes
}

// unheard are those who know of a wait and are not among some others.
func (n *notices) unheard(to []plan.Addressee) []plan.Addressee {
	var out []plan.Addressee
	for _, o := range n.open {
		if !named(to, o.Name) {
			out = append(out, o)
		}
	}
	return out
}

// key is the same in every replay, and another one for each notice.
func (n *notices) key(release string, e plan.Event, step int) string {
	key := fmt.Sprintf("%s/%s/%d", release, e, step)
	if n.used == nil {
		n.used = map[string]int{}
	}
	n.used[key]++
	if again := n.used[key]; again > 1 {
		return fmt.Sprintf("%s-%d", key, again)
	}
	return key
}

func union(a, b []plan.Addressee) []plan.Addressee {
	for _, more := range b {
		if !named(a, more.Name) {
			a = append(a, more)
		}
	}
	return a
}

func named(all []plan.Addressee, name string) bool {
	for _, a := range all {
		if a.Name == name {
			return true
		}
	}
	return false
}

// endEvent is how an end is told.
func endEvent(p Phase) plan.Event {
	switch p {
	case Promoted:
		return plan.Promoted
	case Undone:
		return plan.Undone
	case NeedsPerson:
		return plan.NeedsPerson
	case Refused, Superseded, Preflight, Deploying, Stepping, Promoting, Baking, Retiring, Undoing:
	}
	return plan.Failed
}
