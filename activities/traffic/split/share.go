// SPDX-License-Identifier: Apache-2.0

package split

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// weight is the field of an entry that every kind calls so.
const weight = "weight"

// share is what one rule gives to the root Service and to the candidate's.
type share struct {
	stable, candidate int64
	// shared is true where the rule names the candidate, whatever its weight.
	shared bool
}

// is reports whether the rule stands as Slipway writes this weight.
func (s share) is(weight int) bool {
	if weight == 0 {
		return !s.shared
	}
	return s.shared && s.stable == int64(100-weight) && s.candidate == int64(weight)
}

// String is the candidate's part, in percent where the two weights are such.
func (s share) String() string {
	if s.shared && s.stable+s.candidate != 100 {
		return fmt.Sprintf("%d parts of %d", s.candidate, s.stable+s.candidate)
	}
	return fmt.Sprintf("%d %%", s.candidate)
}

// ours is a rule that sends to the root Service.
type ours struct {
	Rule
	entries []map[string]any
	// names are what the entries send to.
	names []string
}

func (c *Client) rules(o *unstructured.Unstructured, route activities.Route) (own []ours, others []string) {
	for _, rule := range c.kind.Rules(o) {
		r := ours{Rule: rule, entries: rule.entries()}
		for _, e := range r.entries {
			r.names = append(r.names, c.kind.Backend(e, route.Namespace))
		}
		if slices.Contains(r.names, route.Stable) {
			own = append(own, r)
		} else {
			others = append(others, r.names...)
		}
	}
	return own, others
}

// shares are those of every rule that sends to the root Service.
func (c *Client) shares(o *unstructured.Unstructured, route activities.Route) []share {
	own, _ := c.rules(o, route)
	var out []share
	for _, r := range own {
		var s share
		for i, name := range r.names {
			switch name {
			case route.Stable:
				s.stable += c.weight(r, i)
			case route.Candidate:
				s.candidate, s.shared = s.candidate+c.weight(r, i), true
			}
		}
		out = append(out, s)
	}
	return out
}

// weight of an entry. Alone in its rule, one without a weight gets every request.
func (c *Client) weight(r ours, i int) int64 {
	if n, ok := number(r.entries[i][weight]); ok {
		return n
	}
	if len(r.entries) == 1 {
		return 1
	}
	return c.kind.Absent()
}

// Shiftable refuses an object without a rule for the root Service, or with third backends in one, or one
// whose owner sends it nothing.
func (c *Client) Shiftable(o *unstructured.Unstructured, route activities.Route) error {
	own, others := c.rules(o, route)
	if len(own) == 0 {
		return fault.New(fault.Invalid, "%s sends nothing to Service %s (it names: %s); correct the route, or spec.target.service",
			c.title(route), route.Stable, strings.Join(others, ", "))
	}
	for _, r := range own {
		if err := c.onlyTwo(r, route); err != nil {
			return err
		}
	}
	for _, s := range c.shares(o, route) {
		if s.stable == 0 && !s.shared {
			return fault.New(fault.Invalid, "%s gives Service %s the weight 0; there is nothing to shift", c.title(route), route.Stable)
		}
	}
	return c.kind.Refuse(o, route)
}

// onlyTwo refuses a rule that has anything beside the root Service and the candidate's.
func (c *Client) onlyTwo(r ours, route activities.Route) error {
	names := slices.Sorted(slices.Values(r.names))
	if len(slices.Compact(slices.Clone(names))) < len(names) {
		return fault.New(fault.Invalid, "%s names a Service twice in the rule that sends to %s; Slipway shifts between two backends only", c.title(route), route.Stable)
	}
	for _, name := range names {
		if name != route.Stable && name != route.Candidate {
			return fault.New(fault.Invalid, "%s sends to Service %s in the same rule as to %s; Slipway shifts between two backends only", c.title(route), name, route.Stable)
		}
	}
	return nil
}

// shift writes the two entries into every rule that sends to the root Service. It refuses to overwrite what
// somebody else made of the weight that this release wrote last, unless a person has said so.
func (c *Client) shift(o *unstructured.Unstructured, in activities.SetTrafficWeightIn, wrote int) error {
	if !in.TakeBack {
		if err := c.untouched(o, in, wrote); err != nil {
			return err
		}
	}
	if err := c.Shiftable(o, in.Route); err != nil {
		return err
	}
	if err := c.keepOriginal(o, in.Route); err != nil {
		return err
	}
	own, _ := c.rules(o, in.Route)
	for _, r := range own {
		stable := r.entries[slices.Index(r.names, in.Route.Stable)]
		candidate := runtime.DeepCopyJSON(stable)
		c.kind.Rename(candidate, in.Route.Candidate)
		stable[weight], candidate[weight] = int64(100-in.Weight), int64(in.Weight)
		r.put(stable, candidate)
	}
	return nil
}

// untouched finds every rule as Slipway wrote it last, or as it is about to write it.
func (c *Client) untouched(o *unstructured.Unstructured, in activities.SetTrafficWeightIn, wrote int) error {
	own, _ := c.rules(o, in.Route)
	all := c.shares(o, in.Route)
	if !slices.ContainsFunc(all, func(s share) bool { return !s.is(in.Weight) }) {
		return nil
	}
	for i, s := range all {
		if !s.is(wrote) {
			return fault.New(fault.Edited, "%s has set %s to %s since Slipway set it to %d %% (%s)",
				Editor(o, own[i].Pointer), c.title(in.Route), s, wrote, Field(own[i].Pointer))
		}
	}
	return nil
}

// keepOriginal notes the owner's weights before the first shift.
func (c *Client) keepOriginal(o *unstructured.Unstructured, route activities.Route) error {
	var noted []*int64
	own, _ := c.rules(o, route)
	for _, r := range own {
		if slices.Contains(r.names, route.Candidate) {
			return nil
		}
		entry := r.entries[slices.Index(r.names, route.Stable)]
		if n, ok := number(entry[weight]); ok {
			noted = append(noted, &n)
		} else {
			noted = append(noted, nil)
		}
	}
	text, err := json.Marshal(noted)
	if err != nil {
		return fmt.Errorf("keep weights: %w", err)
	}
	notes := o.GetAnnotations()
	notes[AnnotationOriginal] = string(text)
	o.SetAnnotations(notes)
	return nil
}

// takeOut removes the candidate's entry wherever it stands beside the root Service, and puts the owner's
// weight back. Where somebody has added other backends, the root Service gets the candidate's part, so
// that theirs stay what they are.
func (c *Client) takeOut(o *unstructured.Unstructured, route activities.Route) error {
	own, _ := c.rules(o, route)
	if len(own) == 0 {
		return c.Shiftable(o, route)
	}
	original := originalWeights(o, own, route)
	for i, r := range own {
		if !slices.Contains(r.names, route.Candidate) {
			continue
		}
		var kept []map[string]any
		var given int64
		for j, e := range r.entries {
			if r.names[j] == route.Candidate {
				given += c.weight(r, j)
				continue
			}
			kept = append(kept, e)
		}
		at := slices.Index(r.names, route.Stable)
		switch stable := r.entries[at]; {
		case len(kept) > 1:
			stable[weight] = c.weight(r, at) + given
		case original[i] == nil:
			delete(stable, weight)
		default:
			stable[weight] = *original[i]
		}
		r.put(kept...)
	}
	c.unstick(o)
	notes := o.GetAnnotations()
	delete(notes, AnnotationOriginal)
	o.SetAnnotations(notes)
	return nil
}

// originalWeights are the owner's, one for each rule that sends to the root Service: the noted ones, where
// it can be told which belongs to which. Alone in its rule a Service gets every request at any weight
// but 0, so 1 is always right.
func originalWeights(o *unstructured.Unstructured, own []ours, route activities.Route) []*int64 {
	out := slices.Repeat([]*int64{new(int64(1))}, len(own))
	var noted []*int64
	err := json.Unmarshal([]byte(o.GetAnnotations()[AnnotationOriginal]), &noted)
	if err != nil || slices.ContainsFunc(noted, func(n *int64) bool { return n != nil && *n == 0 }) {
		return out
	}
	if len(noted) == len(own) {
		return noted
	}
	var shifted []int // somebody has added or removed rules
	for i, r := range own {
		if slices.Contains(r.names, route.Candidate) {
			shifted = append(shifted, i)
		}
	}
	if len(noted) != len(shifted) {
		return out
	}
	for i, at := range shifted {
		out[at] = noted[i]
	}
	return out
}
