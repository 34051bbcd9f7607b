// SPDX-License-Identifier: Apache-2.0

package traefik

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// Client is the Traefik of one cluster.
type Client struct {
	*split.Client
	objects dynamic.Interface
}

// New uses a client; its rate limits should leave room for an undo.
func New(objects dynamic.Interface) *Client {
	return &Client{Client: split.New(objects, kind{}), objects: objects}
}

var (
	_ activities.Router   = (*Client)(nil)
	_ activities.Mirrorer = (*Client)(nil)
)

// Kinds are the objects that can hold the record of a release.
func Kinds() []split.Object {
	return []split.Object{{
		Resource: schema.GroupVersionResource{Group: "traefik.io", Version: "v1alpha1", Resource: "traefikservices"},
		Kind:     "TraefikService", Field: "spec.traffic.traefik.service",
	}}
}

// kind is how a TraefikService holds its backends: in one list.
type kind struct{}

var (
	_ split.Kind    = kind{}
	_ split.Sticker = kind{}
)

func (kind) Object(route activities.Route) split.Object {
	out := Kinds()[0]
	out.Name = route.Traffic.Traefik.Service
	return out
}

func (kind) Rules(o *unstructured.Unstructured) []split.Rule {
	weighted, found, err := unstructured.NestedFieldNoCopy(o.Object, "spec", "weighted")
	in, ok := weighted.(map[string]any)
	if !found || !ok || err != nil {
		return nil
	}
	return []split.Rule{{In: in, Key: "services", Pointer: "/spec/weighted/services"}}
}

// Backend names a Service of another namespace with it, and what is no Service with its kind.
func (kind) Backend(entry map[string]any, namespace string) string {
	name := split.Text(entry, "name")
	if other := split.Text(entry, "namespace"); other != "" && other != namespace {
		name = other + "/" + name
	}
	if k := split.Text(entry, "kind"); k != "" && k != "Service" {
		name = k + " " + name
	}
	return name
}

func (kind) Rename(entry map[string]any, service string) { entry["name"] = service }

// Absent is what Traefik takes where no weight is given.
func (kind) Absent() int64 { return 1 }

// Refuse knows two more ways in which a TraefikService sends requests elsewhere.
func (kind) Refuse(o *unstructured.Unstructured, route activities.Route) error {
	for _, other := range []string{"mirroring", "highestRandomWeight", "failover"} {
		if _, found, _ := unstructured.NestedFieldNoCopy(o.Object, "spec", other); found {
			return fault.New(fault.Invalid, "TraefikService %s/%s has spec.%s beside spec.weighted, and Traefik takes one of them alone; "+
				"leave spec.weighted in it and name that one from another TraefikService", route.Namespace, o.GetName(), other)
		}
	}
	return nil
}

// Sticky is a cookie of the list of Services, which tells them apart.
func (kind) Sticky(cookie string) ([]string, map[string]any) {
	return []string{"spec", "weighted", "sticky"}, map[string]any{"cookie": map[string]any{"name": cookie, "httpOnly": true}}
}

// Unsettled is never known: a TraefikService has no status.
func (kind) Unsettled(*unstructured.Unstructured) string { return "" }
