// SPDX-License-Identifier: Apache-2.0

package istio

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/split"
)

// Client is the Istio of one cluster.
type Client struct {
	*split.Client
	objects dynamic.Interface
}

// New uses a client; its rate limits should leave room for an undo.
func New(objects dynamic.Interface) *Client {
	return &Client{Client: split.New(objects, kind{}), objects: objects}
}

var (
	_ activities.Router    = (*Client)(nil)
	_ activities.Previewer = (*Client)(nil)
	_ activities.Mirrorer  = (*Client)(nil)
)

// destinationRules are what a mesh is told about the pods behind a host.
func destinationRules() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: group, Version: version, Resource: "destinationrules"}
}

// Read finds the DestinationRule too.
func (c *Client) Read(ctx context.Context, route activities.Route) (int, error) {
	w, err := c.Client.Read(ctx, route)
	if err != nil {
		return w, err
	}
	_, err1 := c.policy(ctx, route)
	_, err2 := c.copied(route).Read(ctx)
	return w, errors.Join(err1, err2)
}

// Set makes the candidate's DestinationRule before the first request, and removes it after the last one.
func (c *Client) Set(ctx context.Context, in activities.SetTrafficWeightIn) error {
	if in.Weight > 0 {
		if err := c.follow(ctx, in.Write, in.Route); err != nil {
			return err
		}
	}
	if err := c.Client.Set(ctx, in); err != nil || in.Weight > 0 {
		return err
	}
	return c.unfollow(ctx, in.Write, in.Route)
}

// SetMirror makes the candidate's DestinationRule before the first copy, and removes it after the last one.
func (c *Client) SetMirror(ctx context.Context, in activities.MirrorIn) error {
	if in.Percent > 0 {
		if err := c.follow(ctx, in.Write, in.Route); err != nil {
			return err
		}
	}
	if err := c.Client.SetMirror(ctx, in); err != nil || in.Percent > 0 {
		return err
	}
	return c.unfollow(ctx, in.Write, in.Route)
}

// copied is the candidate's DestinationRule.
func (c *Client) copied(route activities.Route) split.Companion {
	return split.Companion{Objects: c.objects, Namespace: route.Namespace, Object: split.Object{
		Resource: destinationRules(), Kind: "DestinationRule", Name: route.Candidate,
	}}
}

// policy is the spec of the DestinationRule of the root Service's host; nil where it has none.
func (c *Client) policy(ctx context.Context, route activities.Route) (map[string]any, error) {
	all, err := c.objects.Resource(destinationRules()).Namespace(route.Namespace).List(ctx, metav1.ListOptions{})
	if split.Unserved(err) {
		return nil, split.NotServed(err, c.copied(route).Object)
	}
	if err != nil {
		return nil, cluster.Fault(err, "list DestinationRules of "+route.Namespace)
	}
	var found map[string]any
	for i := range all.Items {
		spec, _ := all.Items[i].Object["spec"].(map[string]any)
		name, ok := service(split.Text(spec, "host"), route.Namespace)
		if !ok || name != route.Stable {
			continue
		}
		if found != nil {
			return nil, fault.New(fault.Invalid, "two DestinationRules of %s are for the host of Service %s; leave one", route.Namespace, route.Stable)
		}
		found = spec
	}
	return found, nil
}

// follow makes what holds for the root Service's host hold for the candidate's. One that is late makes nothing.
func (c *Client) follow(ctx context.Context, w activities.Write, route activities.Route) error {
	o, err := c.Get(ctx, route)
	if err == nil {
		err = cluster.Stamp(o, w)
	}
	if err != nil {
		return err
	}
	spec, err := c.policy(ctx, route)
	if err != nil || spec == nil {
		return err
	}
	want := c.copied(route).Draft()
	spec = runtime.DeepCopyJSON(spec)
	entry := map[string]any{"destination": spec}
	kind{}.Rename(entry, route.Candidate)
	want.Object["spec"] = spec
	return c.copied(route).Put(ctx, w, want)
}

// unfollow removes the candidate's DestinationRule, unless requests still reach it. One of the team's stays.
func (c *Client) unfollow(ctx context.Context, w activities.Write, route activities.Route) error {
	o, err := c.Get(ctx, route)
	if err != nil || hasDoor(o) || reached(o, route) {
		return err
	}
	has, err := c.copied(route).Read(ctx)
	if has == nil || fault.Of(err) == fault.Invalid {
		return nil
	}
	if err != nil {
		return err
	}
	return c.copied(route).Remove(ctx, w)
}
