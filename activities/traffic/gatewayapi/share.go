// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// share is what one rule gives to the root Service and to the candidate's.
type share struct {
	stable, candidate int32
	// shared is true where the rule names the candidate, whatever its weight.
	shared bool
}

// is reports whether the rule stands as Slipway writes this weight.
func (s share) is(weight int) bool {
	if weight == 0 {
		return !s.shared
	}
	return s.shared && int(s.stable) == 100-weight && int(s.candidate) == weight
}

// String is the candidate's part, in percent where the two weights are such.
func (s share) String() string {
	if s.shared && s.stable+s.candidate != 100 {
		return fmt.Sprintf("%d parts of %d", s.candidate, s.stable+s.candidate)
	}
	return fmt.Sprintf("%d %%", s.candidate)
}

// shares are those of every rule that sends to the root Service.
func shares(r *gatewayv1.HTTPRoute, route activities.Route) []share {
	var out []share
	for _, rule := range r.Spec.Rules {
		names := backends(rule, route)
		if !slices.Contains(names, route.Stable) {
			continue
		}
		var s share
		for i, name := range names {
			weight := ptr.Deref(rule.BackendRefs[i].Weight, 1)
			switch name {
			case route.Stable:
				s.stable += weight
			case route.Candidate:
				s.candidate, s.shared = s.candidate+weight, true
			}
		}
		out = append(out, s)
	}
	return out
}

// backends names what a rule sends to; a Service of the route's own namespace by its mere name.
func backends(rule gatewayv1.HTTPRouteRule, route activities.Route) []string {
	var out []string
	for _, b := range rule.BackendRefs {
		name := string(b.Name)
		if namespace := string(ptr.Deref(b.Namespace, "")); namespace != "" && namespace != route.Namespace {
			name = namespace + "/" + name
		}
		if kind := ptr.Deref(b.Kind, "Service"); kind != "Service" || ptr.Deref(b.Group, "") != "" {
			name = string(kind) + " " + name
		}
		out = append(out, name)
	}
	return out
}

// shift writes the two backends into every rule that sends to the root Service. It refuses to overwrite
// what somebody else made of the weight that this release wrote last.
func shift(r *gatewayv1.HTTPRoute, in activities.SetTrafficWeightIn, wrote int) error {
	if in.Weight < 0 || in.Weight > 100 {
		return fault.New(fault.Invalid, "a weight is 0 to 100, not %d", in.Weight)
	}
	if err := untouched(r, in, wrote); err != nil {
		return err
	}
	if err := shiftable(r, in.Route); err != nil {
		return err
	}
	if err := keepOriginal(r, in.Route); err != nil {
		return err
	}
	for i := range r.Spec.Rules {
		rule := &r.Spec.Rules[i]
		at := slices.Index(backends(*rule, in.Route), in.Route.Stable)
		if at < 0 {
			continue
		}
		weight := int32(in.Weight)
		stable := rule.BackendRefs[at]
		stable.Weight = new(100 - weight)
		candidate := *stable.DeepCopy()
		candidate.Name = gatewayv1.ObjectName(in.Route.Candidate)
		candidate.Weight = new(weight)
		rule.BackendRefs = []gatewayv1.HTTPBackendRef{stable, candidate}
	}
	return nil
}

// untouched finds every rule as Slipway wrote it last, or as it is about to write it.
func untouched(r *gatewayv1.HTTPRoute, in activities.SetTrafficWeightIn, wrote int) error {
	all := shares(r, in.Route)
	if !slices.ContainsFunc(all, func(s share) bool { return !s.is(in.Weight) }) {
		return nil
	}
	for _, s := range all {
		if !s.is(wrote) {
			return fault.New(fault.Edited, "somebody has set %s to %s since Slipway set it to %d %%", title(in.Route), s, wrote)
		}
	}
	return nil
}

// keepOriginal notes the owner's weights before the first shift.
func keepOriginal(r *gatewayv1.HTTPRoute, route activities.Route) error {
	var weights []int32
	for _, s := range shares(r, route) {
		if s.shared {
			return nil
		}
		weights = append(weights, s.stable)
	}
	text, err := json.Marshal(weights)
	if err != nil {
		return fmt.Errorf("keep weights: %w", err)
	}
	r.Annotations[AnnotationOriginal] = string(text)
	return nil
}

// takeOut removes the candidate's backend wherever it stands beside the root Service, and puts the
// owner's weight back. Where somebody has added other backends, the root Service gets the candidate's
// part, so that theirs stay what they are.
func takeOut(r *gatewayv1.HTTPRoute, in activities.SetTrafficWeightIn) error {
	all := shares(r, in.Route)
	if len(all) == 0 {
		return shiftable(r, in.Route)
	}
	original := originalWeights(r, all)
	for i := range r.Spec.Rules {
		rule := &r.Spec.Rules[i]
		names := backends(*rule, in.Route)
		if !slices.Contains(names, in.Route.Stable) {
			continue
		}
		weight := original[0]
		original = original[1:]
		if !slices.Contains(names, in.Route.Candidate) {
			continue
		}
		var kept []gatewayv1.HTTPBackendRef
		var given int32
		for j, b := range rule.BackendRefs {
			if names[j] == in.Route.Candidate {
				given += ptr.Deref(b.Weight, 1)
				continue
			}
			kept = append(kept, b)
		}
		rule.BackendRefs = kept
		stable := &kept[slices.Index(backends(*rule, in.Route), in.Route.Stable)]
		stable.Weight = new(ptr.Deref(stable.Weight, 1) + given)
		if len(kept) == 1 {
			stable.Weight = new(weight)
		}
	}
	delete(r.Annotations, AnnotationOriginal)
	return nil
}

// originalWeights are the owner's, one for each rule that sends to the root Service: the noted ones, where
// it can be told which belongs to which. Alone in its rule a Service gets every request at any weight
// but 0, so 1 is always right.
func originalWeights(r *gatewayv1.HTTPRoute, all []share) []int32 {
	out := slices.Repeat([]int32{1}, len(all))
	var noted []int32
	if err := json.Unmarshal([]byte(r.Annotations[AnnotationOriginal]), &noted); err != nil || slices.Contains(noted, 0) {
		return out
	}
	if len(noted) == len(all) {
		return noted
	}
	var shifted []int // somebody has added or removed rules
	for i, s := range all {
		if s.shared {
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
