// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Client is the Gateway API of one cluster.
type Client struct {
	*split.Client
	objects dynamic.Interface
}

// New uses a client; its rate limits should leave room for an undo.
func New(objects dynamic.Interface) *Client {
	return &Client{Client: split.New(objects, kind{}), objects: objects}
}

// Kinds are the objects that can hold the record of a release.
func Kinds() []split.Object {
	return []split.Object{object(plan.KindHTTPRoute), object(plan.KindGRPCRoute)}
}

func object(kind string) split.Object {
	resource := "httproutes"
	if kind == plan.KindGRPCRoute {
		resource = "grpcroutes"
	} else {
		kind = plan.KindHTTPRoute
	}
	return split.Object{
		Resource: schema.GroupVersionResource{Group: gatewayv1.GroupName, Version: "v1", Resource: resource},
		Kind:     kind, Field: "spec.traffic.gatewayAPI.route",
	}
}

// kind is how routes of both kinds hold their backends.
type kind struct{}

var _ split.Kind = kind{}

func (kind) Object(route activities.Route) split.Object {
	g := route.Traffic.GatewayAPI
	out := object(g.Kind)
	out.Name = g.Route
	return out
}

func (kind) Rules(o *unstructured.Unstructured) []split.Rule {
	return split.Lists(o, "backendRefs", "spec", "rules")
}

// Backend names a Service of another namespace with it, and what is no Service with its kind.
func (kind) Backend(entry map[string]any, namespace string) string {
	name := split.Text(entry, "name")
	if other := split.Text(entry, "namespace"); other != "" && other != namespace {
		name = other + "/" + name
	}
	if k := split.Text(entry, "kind"); k != "" && k != "Service" || split.Text(entry, "group") != "" {
		name = k + " " + name
	}
	return name
}

func (kind) Rename(entry map[string]any, service string) { entry["name"] = service }

// Absent is the weight that the API server itself writes where none is given.
func (kind) Absent() int64 { return 1 }

func (kind) Refuse(*unstructured.Unstructured, activities.Route) error { return nil }

func (kind) Unsettled(o *unstructured.Unstructured) string { return unsettled(o) }

// Look finds the preview route too.
func (c *Client) Look(ctx context.Context, route activities.Route) (*split.Seen, error) {
	out, err := c.Client.Look(ctx, route)
	if err != nil || out == nil {
		return out, err
	}
	door := c.door(route)
	preview, err := door.Read(ctx)
	if preview == nil {
		return out, err
	}
	if err == nil { // somebody else's is none of ours
		out.Preview, out.ClosePreview = door.Kind+" "+door.Name, "delete "+split.Argument(door.Object)
	}
	return out, nil
}
