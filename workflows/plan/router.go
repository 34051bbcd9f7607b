// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"
)

// Router is a way of sending requests to one track or the other, and what it can do. A wish that goes beyond
// it is refused when the plan is read, and again before a release changes anything.
type Router struct {
	// Name of its field in spec.traffic.
	Name string
	// Object that it shifts, as people call it.
	Object string
	// InFront is true where requests come through it to the root Service: then that Service is switched after
	// it. Otherwise it is the root Service itself that is shifted.
	InFront bool
	// Weights between 0 and 100.
	Weights bool
	// Header and Cookie tell testers from others. Cookies is what the cookie's value must be; empty: anything.
	Header, Cookie bool
	CookieValue    string
	// Mirror sends the candidate a copy of requests. MirrorWhere says where alone; empty: everywhere.
	Mirror      bool
	MirrorWhere string
	// Sticky keeps a client on the version that it got first.
	Sticky bool
	// Confirms says how it is known that the router has taken up what was written.
	Confirms string
	// Counted is true where a metrics preset tells the tracks apart.
	Counted bool
	// Limits is what else to know, in a sentence.
	Limits string
}

// Routers are all that a plan can name, in the order of the documentation.
func Routers() []Router {
	return []Router{
		{
			Name: "gatewayAPI", Object: "HTTPRoute, GRPCRoute", InFront: true, Weights: true, Header: true, Cookie: true, Counted: true,
			Mirror: true, MirrorWhere: "HTTPRoute, where the GatewayClass declares it",
			Confirms: "every gateway of the route has accepted its present generation",
			Limits:   "a cookie needs a gateway that matches headers by regular expression",
		},
		{
			Name: "traefik", Object: "TraefikService", InFront: true, Weights: true, Mirror: true, Sticky: true, Counted: true,
			Confirms: "read back; a TraefikService has no status",
			Limits:   "the IngressRoutes name the TraefikService, not the Service; what matches is theirs to say, so testers are not told apart",
		},
		{
			Name: "ingress", Object: "Ingress", InFront: true, Weights: true, Header: true, Cookie: true, CookieValue: "always", Counted: true,
			Confirms: "read back; an Ingress has no status for it",
			Limits:   "the class is of ingress-nginx, or of Traefik's provider for its annotations; a default backend is not shifted",
		},
		{
			Name: "istio", Object: "VirtualService", InFront: true, Weights: true, Header: true, Cookie: true, Mirror: true,
			Confirms: "read back; Istio's own analysis, where it is switched on",
			Limits:   "hosts of the namespace, no subsets; spec.http alone; the root Service's DestinationRule is copied for the candidate",
		},
		{
			Name: "service", Object: "Service", Confirms: "its endpoints are pods of the one track alone",
			Limits: "0 or 100 only: for blueGreen",
		},
		{
			Name: "replicas", Object: "Service", Weights: true, Confirms: "its endpoints are the ready pods of both tracks, in the ratio asked for",
			Limits: "up to 50 %, by the number of pods; for canary",
		},
	}
}

// Router is the one that is named, and how many are.
func (t Traffic) Router() (Router, int) {
	named := map[string]bool{
		"gatewayAPI": t.GatewayAPI != nil, "traefik": t.Traefik != nil, "ingress": t.Ingress != nil, "istio": t.Istio != nil,
		"service": t.Service != nil, "replicas": t.Replicas != nil,
	}
	var out Router
	set := 0
	for _, r := range Routers() {
		if !named[r.Name] {
			continue
		}
		if set == 0 {
			out = r
		}
		set++
	}
	return out, set
}

// Uncounted reports whether a canary by this router has no metrics that tell the tracks apart: then its pods
// are watched.
func (t Traffic) Uncounted() bool {
	r, set := t.Router()
	return set > 0 && r.Weights && !r.Counted
}

// RefusesSticky is why the router cannot keep a client on the version that it got first; empty where it can.
func (r Router) RefusesSticky() string {
	if r.Sticky {
		return ""
	}
	return "this router cannot keep a client on the version that it got first; leave sticky out, or name one that can: " +
		which(func(other Router) bool { return other.Sticky })
}

// RefusesMirror is why requests cannot be copied; empty where they can, as far as a plan tells.
func (t Traffic) RefusesMirror() string {
	r, _ := t.Router()
	switch {
	case t.GatewayAPI != nil && t.GatewayAPI.Kind == KindGRPCRoute:
		return "no feature of the Gateway API tells whether a gateway copies the requests of a GRPCRoute; leave mirror out, or shift an HTTPRoute"
	case r.Mirror:
		return ""
	}
	return "this router cannot copy requests; leave mirror out, or name one that can: " + which(func(other Router) bool { return other.Mirror })
}

// which routers can do something, as a plan names them.
func which(can func(Router) bool) string {
	var out []string
	for _, r := range Routers() {
		if can(r) {
			out = append(out, "traffic."+r.Name)
		}
	}
	return strings.Join(out, ", ")
}

// Refuses is why the router cannot tell these testers from others; empty where it can.
func (r Router) Refuses(t Testers) string {
	switch {
	case t.Header != nil && !r.Header, t.Cookie != nil && !r.Cookie, r.Name == "":
		if r.InFront {
			return fmt.Sprintf("traffic.%s cannot tell the requests of testers from others (%s); leave them out, or name a router that can, such as gatewayAPI", r.Name, r.Limits)
		}
		return "only a router tells testers from others; name one: traffic: {gatewayAPI: {route: …}}, or check the candidate's own Service"
	case t.Cookie != nil && r.CookieValue != "" && t.Cookie.Value != r.CookieValue:
		return fmt.Sprintf("traffic.%s knows a cookie of the value %q alone, not %q", r.Name, r.CookieValue, t.Cookie.Value)
	}
	return ""
}
