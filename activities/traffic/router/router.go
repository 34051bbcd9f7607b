// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"slices"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/activities/traffic/gatewayapi"
	"github.com/slipwayhq/slipway/activities/traffic/ingress"
	"github.com/slipwayhq/slipway/activities/traffic/istio"
	"github.com/slipwayhq/slipway/activities/traffic/replicas"
	"github.com/slipwayhq/slipway/activities/traffic/service"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/activities/traffic/traefik"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Restorer is a router whose object a person can look at before restoring it.
type Restorer interface {
	activities.Router
	Look(context.Context, activities.Route) (*split.Seen, error)
}

// All are the routers of one cluster.
func All(kube kubernetes.Interface, objects dynamic.Interface) activities.Routers {
	return activities.Routers{
		"gatewayAPI": gatewayapi.New(objects), "traefik": traefik.New(objects),
		"ingress": ingress.New(objects), "istio": istio.New(objects),
		"service": service.New(kube), "replicas": replicas.New(kube),
	}
}

// Object is what a plan's router shifts in front of the root Service; false where there is no such thing.
func Object(t plan.Traffic) (split.Object, bool) {
	kind := func(o split.Object, name string) (split.Object, bool) {
		o.Name = name
		return o, true
	}
	switch {
	case t.GatewayAPI != nil && t.GatewayAPI.Kind == plan.KindGRPCRoute:
		return kind(gatewayapi.Kinds()[1], t.GatewayAPI.Route)
	case t.GatewayAPI != nil:
		return kind(gatewayapi.Kinds()[0], t.GatewayAPI.Route)
	case t.Traefik != nil:
		return kind(traefik.Kinds()[0], t.Traefik.Service)
	case t.Ingress != nil:
		return kind(ingress.Kinds()[0], t.Ingress.Name)
	case t.Istio != nil:
		return kind(istio.Kinds()[0], t.Istio.VirtualService)
	}
	return split.Object{}, false
}

// Kinds are all objects that a router in front of a Service shifts.
func Kinds() []split.Object {
	return slices.Concat(gatewayapi.Kinds(), traefik.Kinds(), ingress.Kinds(), istio.Kinds())
}

// Recall finds the safe state of a Deployment on an object that is being shifted, of whichever kind. None is a
// fault of kind NotFound.
func Recall(ctx context.Context, objects dynamic.Interface, namespace, deployment string) (cluster.Recalled, error) {
	var last error
	for _, kind := range Kinds() {
		found, err := split.Recall(ctx, objects, kind, namespace, deployment)
		if err == nil {
			return found, nil
		}
		if last == nil || fault.Of(err) != fault.NotFound {
			last = err
		}
	}
	return cluster.Recalled{}, last
}
