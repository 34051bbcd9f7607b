// SPDX-License-Identifier: Apache-2.0

package rescue

import (
	"cmp"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/router"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// Found is what the cluster looks like before a rescue. Nil is what does not exist.
type Found struct {
	Stable    *cluster.Track `json:"stable"`
	Candidate *cluster.Track `json:"candidate"`
	// Selector is what the root Service selects.
	Selector map[string]string `json:"selector"`
	// Route is nil too where the release shifts by the root Service's selector alone.
	Route *split.Seen `json:"route,omitempty"`
}

// Deed is what an action does.
type Deed string

// The deeds, in the order in which a rescue does them.
const (
	// TakeFence shuts the release out, and keeps the record under the new fence.
	TakeFence Deed = "take fence"
	// Tell does nothing: a person has to decide.
	Tell Deed = "tell"
	// KeepStable makes sure that stable has its pods, and waits for them.
	KeepStable Deed = "keep stable"
	// SwitchService sends callers inside the cluster to stable.
	SwitchService Deed = "switch service"
	// ShiftRoute sends the gateway's requests to stable.
	ShiftRoute Deed = "shift route"
	// VerifyService waits until the root Service reaches stable's pods alone.
	VerifyService Deed = "verify service"
	// VerifyRoute waits until the gateway serves the route as it now stands.
	VerifyRoute Deed = "verify route"
	// ClosePreview removes the route for testers.
	ClosePreview Deed = "close preview"
	// KeepCandidate leaves the candidate's pods, without requests.
	KeepCandidate Deed = "keep candidate"
	// RemoveCandidate leaves the candidate as the release found it.
	RemoveCandidate Deed = "remove candidate"
)

// Action is one step of a rescue.
type Action struct {
	Do Deed `json:"do"`
	// Text says in plain words what is found, and what will be done about it.
	Text string `json:"text"`
	// Needed is false where everything is as it should be: then only the fence is written.
	Needed bool `json:"needed"`
	// ByHand are the kubectl commands that do the same; empty where there is nothing to do by hand.
	ByHand []string `json:"byHand,omitempty"`
}

// Plan compares the safe state with what is found. A stable track that is gone leaves nothing to send
// requests to, so nothing but that is told.
func Plan(s activities.SafeState, f Found, removeCandidate bool) []Action {
	if f.Stable == nil {
		return []Action{{
			Do: Tell, Needed: true,
			Text: fmt.Sprintf("Deployment %s is gone, and the record does not hold all of it: bring it back from where you keep it, then run this again", s.Tracks.Stable),
		}}
	}
	p := planning{s, f}
	out := append(p.image(), p.router()...)
	out = append(out, p.stable(), p.service())
	object, front := router.Object(s.Route.Traffic)
	if front {
		out = append(out, p.route(object))
	}
	out = append(out, Action{
		Do: VerifyService, Text: fmt.Sprintf("Service %s reaches the pods of %s alone", s.Route.Stable, s.Tracks.Stable), Needed: true,
		ByHand: []string{p.kubectl("get endpointslices -l kubernetes.io/service-name=%s", s.Route.Stable)},
	})
	if front {
		out = append(out, Action{
			Do: VerifyRoute, Text: fmt.Sprintf("the gateway serves %s %s as it then stands", object.Kind, object.Name), Needed: true,
			ByHand: []string{p.kubectl("get %s -o jsonpath='{.status}'", split.Argument(object))},
		}, p.preview())
	}
	return append(out, p.candidate(removeCandidate)...)
}

// planning is one plan under way.
type planning struct {
	safe  activities.SafeState
	found Found
}

// image tells of a stable track that does not run what was recorded.
func (p planning) image() []Action {
	t := p.safe.Tracks
	if p.found.Stable.Image == t.StableImage {
		return nil
	}
	return []Action{{
		Do: Tell, Needed: true,
		Text:   fmt.Sprintf("Deployment %s runs %s, not %s as recorded: somebody has changed it, and it is left as it is", t.Stable, p.found.Stable.Image, t.StableImage),
		ByHand: []string{p.imageByHand(t.StableImage)},
	}}
}

func (p planning) imageByHand(image string) string {
	return p.kubectl("set image deployment/%s '%s=%s'", p.safe.Tracks.Stable, cmp.Or(p.safe.Target.Container, "*"), image)
}

// router tells of a way of shifting that came after this program.
func (p planning) router() []Action {
	if _, named := p.safe.Route.Traffic.Router(); named > 0 {
		return nil
	}
	return []Action{{
		Do: Tell, Needed: true,
		Text: "the release shifts requests by a router that this program does not know: use a newer slipway, or send them to Service " + p.safe.Route.Stable + " there by hand",
	}}
}

func (p planning) stable() Action {
	t, now := p.safe.Tracks, p.found.Stable
	want := max(t.Replicas, now.Declared)
	a := Action{Do: KeepStable, Needed: true}
	switch {
	case now.Declared < t.Replicas:
		a.Text = fmt.Sprintf("Deployment %s is at %d pods: scale it to %d and wait until they are ready", t.Stable, now.Declared, want)
		a.ByHand = append(a.ByHand, p.kubectl("scale deployment/%s --replicas=%d", t.Stable, want))
	case now.Ready < want:
		a.Text = fmt.Sprintf("Deployment %s has %d of %d pods ready: wait until all are", t.Stable, now.Ready, want)
	default:
		a.Text, a.Needed = fmt.Sprintf("Deployment %s has %d of %d pods ready", t.Stable, now.Ready, want), false
	}
	a.ByHand = append(a.ByHand, p.kubectl("rollout status deployment/%s", t.Stable))
	return a
}

func (p planning) service() Action {
	root, t := p.safe.Route.Stable, p.safe.Tracks
	want := labels.FormatLabels(t.StableSelector)
	a := Action{Do: SwitchService, Needed: true, ByHand: []string{p.selectByHand(t.StableSelector)}}
	switch now := p.found.Selector; {
	case now == nil:
		a.Text = fmt.Sprintf("Service %s is gone: bring it back from where you keep it, with the selector %s", root, want)
	case maps.Equal(now, t.StableSelector):
		a.Text, a.Needed = fmt.Sprintf("Service %s selects %s (%s)", root, t.Stable, want), false
	case maps.Equal(now, t.CandidateSelector):
		a.Text = fmt.Sprintf("Service %s selects %s: switch it to %s (%s)", root, t.Candidate, t.Stable, want)
	default:
		a.Text = fmt.Sprintf("Service %s selects %s, which is neither track: somebody has changed it. Switch it to %s (%s)",
			root, labels.FormatLabels(now), t.Stable, want)
	}
	return a
}

func (p planning) route(o split.Object) Action {
	t := p.safe.Tracks
	a := Action{Do: ShiftRoute, Needed: true}
	switch now := p.found.Route; {
	case now == nil:
		a.Text = fmt.Sprintf("%s %s is gone: bring it back from where you keep it", o.Kind, o.Name)
	case now.Copied != "":
		a.Text = fmt.Sprintf("%s %s sends copies of %s of requests to %s: send none", o.Kind, o.Name, now.Copied, t.Candidate)
		a.ByHand = []string{p.kubectl("%s", now.Undo)}
		if now.Clear != "" {
			a.ByHand = append(a.ByHand, p.kubectl("%s", now.Clear))
		}
	case !now.Shared:
		a.Text, a.Needed = fmt.Sprintf("%s %s sends nothing to %s", o.Kind, o.Name, t.Candidate), false
	default:
		a.Text = fmt.Sprintf("%s %s sends %s to %s: send everything to Service %s", o.Kind, o.Name, now.Share, t.Candidate, p.safe.Route.Stable)
		a.ByHand = []string{p.kubectl("%s", now.Undo)}
	}
	return a
}

func (p planning) preview() Action {
	if p.found.Route == nil || p.found.Route.Preview == "" {
		return Action{Do: ClosePreview, Text: "there is no preview route"}
	}
	return Action{
		Do: ClosePreview, Text: fmt.Sprintf("%s sends testers to %s: delete it", p.found.Route.Preview, p.safe.Tracks.Candidate), Needed: true,
		ByHand: []string{p.kubectl("%s", p.found.Route.ClosePreview)},
	}
}

func (p planning) candidate(remove bool) []Action {
	t, now := p.safe.Tracks, p.found.Candidate
	if !remove && now == nil {
		return nil
	}
	if !remove {
		return []Action{{
			Do: KeepCandidate, Text: fmt.Sprintf("Deployment %s keeps its %d pods, without requests; --remove-candidate takes them away", t.Candidate, now.Declared),
		}}
	}
	a := Action{Do: RemoveCandidate, Needed: now != nil, Text: fmt.Sprintf("Deployment %s is gone already", t.Candidate)}
	switch {
	case now == nil:
	case t.CandidateExists:
		a.Text = fmt.Sprintf("Deployment %s: scale it to %s, with its former image %s", t.Candidate, former(t.CandidateReplicas), t.CandidateImage)
		a.ByHand = []string{p.kubectl("scale deployment/%s --replicas=%d", t.Candidate, t.CandidateReplicas)}
	default:
		a.Text = fmt.Sprintf("Deployment %s was made by this release: delete it", t.Candidate)
		a.ByHand = []string{p.kubectl("delete deployment/%s", t.Candidate)}
	}
	return []Action{a}
}

// former is the size that the release has found.
func former(pods int32) string {
	if pods == 0 {
		return "zero"
	}
	return fmt.Sprintf("%d pods", pods)
}

// WayBack are the kubectl commands that bring the earlier version back after a promotion, for the day on
// which a rollback cannot be had.
func WayBack(s activities.SafeState) []string {
	p, t := planning{safe: s}, s.Tracks
	if t.Candidate == "" { // there is but one track
		return []string{p.imageByHand(t.CandidateImage), p.kubectl("rollout status deployment/%s", t.Stable)}
	}
	return []string{
		p.kubectl("scale deployment/%s --replicas=%d", t.Candidate, t.Replicas),
		p.kubectl("rollout status deployment/%s", t.Candidate),
		p.selectByHand(t.CandidateSelector),
	}
}
