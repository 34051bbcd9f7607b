// SPDX-License-Identifier: Apache-2.0

package istio

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

var _ split.Copier = kind{}

// The fields of an HTTP route by which requests are copied.
const (
	fieldMirror     = "mirror"
	fieldPercentage = "mirrorPercentage"
)

// CopyFields implements split.Copier.
func (kind) CopyFields() []string { return []string{fieldMirror, fieldPercentage} }

// Uncopyable finds copies that the owner has asked for: a route has one mirror, or a list of them in its place.
func (kind) Uncopyable(o *unstructured.Unstructured, route activities.Route) error {
	rules, _ := split.Leading(kind{}, o, route)
	for _, rule := range rules {
		for _, field := range []string{fieldMirror, "mirrors", fieldPercentage, "mirrorPercent", "mirror_percent"} {
			if _, has := rule[field]; has {
				return fault.New(fault.Invalid, "VirtualService %s/%s has %s in a route to Service %s, as its owner wrote it, and Slipway does not copy beside that; leave mirror out of the plan",
					route.Namespace, o.GetName(), field, route.Stable)
			}
		}
	}
	return nil
}

// Copied takes a share that is no whole percentage for the next lower one, at least 1.
func (k kind) Copied(o *unstructured.Unstructured, route activities.Route) []int {
	rules, _ := split.Leading(kind{}, o, route)
	var out []int
	for _, rule := range rules {
		if !k.copies(rule, route) {
			out = append(out, 0)
			continue
		}
		percent := 100.0
		switch n := at(rule, fieldPercentage)["value"].(type) {
		case int64:
			percent = float64(n)
		case float64:
			percent = n
		}
		out = append(out, int(math.Max(percent, 1)))
	}
	return out
}

// copies reports whether a route's mirror is the candidate.
func (k kind) copies(rule map[string]any, route activities.Route) bool {
	_, has := rule[fieldMirror]
	return has && k.Backend(map[string]any{"destination": at(rule, fieldMirror)}, route.Namespace) == route.Candidate
}

func at(in map[string]any, field string) map[string]any {
	out, _ := in[field].(map[string]any)
	return out
}

// Copy keeps the spelling of the host, and its port.
func (k kind) Copy(o *unstructured.Unstructured, route activities.Route, percent int) error {
	rules, entries := split.Leading(kind{}, o, route)
	for i, rule := range rules {
		if k.copies(rule, route) {
			delete(rule, fieldMirror)
			delete(rule, fieldPercentage)
		}
		if percent > 0 {
			entry := runtime.DeepCopyJSON(map[string]any{"destination": entries[i]["destination"]})
			k.Rename(entry, route.Candidate)
			rule[fieldMirror], rule[fieldPercentage] = entry["destination"], map[string]any{"value": int64(percent)}
		}
	}
	return nil
}

// reached reports whether an HTTP route sends requests or copies of them to the candidate.
func reached(o *unstructured.Unstructured, route activities.Route) bool {
	return slices.ContainsFunc(kind{}.Rules(o), func(r split.Rule) bool {
		return kind{}.copies(r.In, route) || slices.ContainsFunc(split.Entries(r.In, r.Key), func(e map[string]any) bool {
			return kind{}.Backend(e, route.Namespace) == route.Candidate
		})
	})
}
