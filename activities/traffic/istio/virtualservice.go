// SPDX-License-Identifier: Apache-2.0

package istio

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

const group, version = "networking.istio.io", "v1"

// Kinds are the objects that can hold the record of a release.
func Kinds() []split.Object {
	return []split.Object{{
		Resource: schema.GroupVersionResource{Group: group, Version: version, Resource: "virtualservices"},
		Kind:     "VirtualService", Field: "spec.traffic.istio.virtualService",
	}}
}

// kind is how a VirtualService holds its destinations: in one list for each HTTP route.
type kind struct{}

var _ split.Kind = kind{}

func (kind) Object(route activities.Route) split.Object {
	out := Kinds()[0]
	out.Name = route.Traffic.Istio.VirtualService
	return out
}

// Rules leaves out those that Slipway has made for testers.
func (kind) Rules(o *unstructured.Unstructured) []split.Rule {
	var out []split.Rule
	for i, rule := range split.Entries(o.Object, "spec", "http") {
		if !isDoor(rule) {
			out = append(out, split.Rule{In: rule, Key: "route", Pointer: fmt.Sprintf("/spec/http/%d/route", i)})
		}
	}
	return out
}

// Backend is the host's Service where it is one of the namespace, in whichever of its four spellings, and no
// subset of it.
func (kind) Backend(entry map[string]any, namespace string) string {
	to, _ := entry["destination"].(map[string]any)
	host := split.Text(to, "host")
	if name, ok := service(host, namespace); ok {
		host = name
	}
	if s := split.Text(to, "subset"); s != "" {
		return "subset " + s + " of " + host
	}
	return host
}

// service is the name of the Service of the namespace that a host is.
func service(host, namespace string) (string, bool) {
	name, rest, _ := strings.Cut(host, ".")
	if slices.Contains([]string{"", namespace, namespace + ".svc", namespace + ".svc.cluster.local"}, rest) {
		return name, name != ""
	}
	return "", false
}

// Rename keeps the spelling of the host.
func (kind) Rename(entry map[string]any, name string) {
	if to, ok := entry["destination"].(map[string]any); ok {
		_, rest, dotted := strings.Cut(split.Text(to, "host"), ".")
		to["host"] = name
		if dotted {
			to["host"] = name + "." + rest
		}
	}
}

// Absent is what Istio takes beside others where no weight is given.
func (kind) Absent() int64 { return 0 }

// Refuse finds requests to the Service that no HTTP route's weights could reach.
func (k kind) Refuse(o *unstructured.Unstructured, route activities.Route) error {
	title := fmt.Sprintf("VirtualService %s/%s", route.Namespace, o.GetName())
	for _, protocol := range []string{"tcp", "tls"} {
		for _, rule := range split.Entries(o.Object, "spec", protocol) {
			for _, entry := range split.Entries(rule, "route") {
				if k.Backend(entry, route.Namespace) == route.Stable {
					return fault.New(fault.Invalid, "%s sends spec.%s to Service %s too, and Slipway shifts spec.http alone; take it out, or release by blueGreen with service: {}",
						title, protocol, route.Stable)
				}
			}
		}
	}
	for _, rule := range split.Entries(o.Object, "spec", "http") {
		if to, ok := rule["delegate"].(map[string]any); ok {
			return fault.New(fault.Invalid, "%s delegates to VirtualService %s; name that one in spec.traffic.istio.virtualService", title, split.Text(to, "name"))
		}
	}
	return nil
}

// Unsettled is what Istio's analysis says against the present generation.
func (kind) Unsettled(o *unstructured.Unstructured) string {
	status, _ := o.Object["status"].(map[string]any)
	for _, c := range split.Entries(status, "conditions") {
		if split.Text(c, "type") == "Reconciled" && split.Text(c, "status") == "False" {
			return "istio: has not distributed the present VirtualService yet: " + split.Text(c, "message")
		}
	}
	for _, m := range split.Entries(status, "validationMessages") {
		if level := split.Text(m, "level"); level == "ERROR" || level == "Error" {
			kind, _ := m["type"].(map[string]any)
			return fmt.Sprintf("istio: %s %s", split.Text(kind, "name"), split.Text(kind, "code"))
		}
	}
	return ""
}
