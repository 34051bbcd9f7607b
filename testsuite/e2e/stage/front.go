// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// Front is what stands before a shop's Service and sends it the gateway's requests.
type Front string

// The fronts, each served by the sandbox's gateway.
const (
	HTTPRoute      Front = "HTTPRoute"
	TraefikService Front = "TraefikService"
	Ingress        Front = "Ingress"
)

// resource is one that a front is made of, by its plural.
func resource(plural string) schema.GroupVersionResource {
	out := schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: plural}
	switch plural {
	case "httproutes":
		out.Group = "gateway.networking.k8s.io"
	case "traefikservices", "ingressroutes":
		out.Group, out.Version = "traefik.io", "v1alpha1"
	}
	return out
}

// part is one object of a front, in YAML with NAME and HOST in it.
type part struct{ plural, text string }

func (f Front) parts() []part {
	switch f {
	case TraefikService:
		return []part{
			{"traefikservices", `{apiVersion: traefik.io/v1alpha1, kind: TraefikService, metadata: {name: NAME}, spec: {weighted: {services: [{name: NAME, port: 80}]}}}`},
			{"ingressroutes", "{apiVersion: traefik.io/v1alpha1, kind: IngressRoute, metadata: {name: NAME}, spec: {entryPoints: [web], " +
				"routes: [{kind: Rule, match: Host(`HOST`), services: [{kind: TraefikService, name: NAME}]}]}}"},
		}
	case Ingress:
		return []part{
			{"ingressclasses", `{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: nginx}, spec: {controller: k8s.io/ingress-nginx}}`},
			{"ingresses", `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: NAME}, spec: {ingressClassName: nginx, rules: [
				{host: HOST, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: NAME, port: {number: 80}}}}]}}]}}`},
		}
	case HTTPRoute:
	}
	return []part{{"httproutes", `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: NAME}, spec: {
		parentRefs: [{name: sandbox, namespace: sandbox}], hostnames: [HOST], rules: [{backendRefs: [{name: NAME, port: 80}]}]}}`}}
}

// createFront finds what an earlier run on the same state has left.
func (p *Shop) createFront(ctx context.Context) error {
	for _, part := range p.front.parts() {
		o := &unstructured.Unstructured{}
		text := strings.NewReplacer("NAME", p.Name, "HOST", p.Host).Replace(part.text)
		if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
			return fmt.Errorf("read %s: %w", part.plural, err)
		}
		namespace := p.Namespace
		if part.plural == "ingressclasses" {
			namespace = ""
		}
		_, err := p.Stage.Objects.Resource(resource(part.plural)).Namespace(namespace).Create(ctx, o, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}

// traffic is how a plan names it.
func (f Front) traffic(name string) string {
	switch f {
	case TraefikService:
		return "traefik: {service: " + name + "}"
	case Ingress:
		return "ingress: {name: " + name + "}"
	case HTTPRoute:
	}
	return "gatewayAPI: {route: " + name + "}"
}

// counted matches the name that Traefik gives the Service of a shop.
func (f Front) counted(name string) string {
	switch f {
	case TraefikService:
		return name + "-" + name + "-80@kubernetescrd"
	case Ingress:
		return name + "-" + name + "-" + name + "-80@kubernetesingressnginx"
	case HTTPRoute:
	}
	return "httproute-" + name + "-" + name + "-.*"
}

// watched is the object that has the weights.
func (f Front) watched(name string) (schema.GroupVersionResource, string) {
	switch f {
	case TraefikService:
		return resource("traefikservices"), name
	case Ingress:
		return resource("ingresses"), name + "-canary"
	case HTTPRoute:
	}
	return resource("httproutes"), name
}

// weights of the backends by Service name, as they stand in an object of a shop.
func (f Front) weights(o *unstructured.Unstructured, name string) map[string]int {
	if f == Ingress {
		var w int
		if _, err := fmt.Sscan(o.GetAnnotations()["nginx.ingress.kubernetes.io/canary-weight"], &w); err != nil {
			return map[string]int{name: 100}
		}
		return map[string]int{name: 100 - w, name + "-green": w}
	}
	path := []string{"spec", "rules"}
	var lists []any
	if f == TraefikService {
		services, _, _ := unstructured.NestedSlice(o.Object, "spec", "weighted", "services")
		lists = append(lists, services)
	} else {
		rules, _, _ := unstructured.NestedSlice(o.Object, path...)
		for _, rule := range rules {
			lists = append(lists, rule.(map[string]any)["backendRefs"])
		}
	}
	out := map[string]int{}
	for _, list := range lists {
		entries, _ := list.([]any)
		for _, e := range entries {
			entry, _ := e.(map[string]any)
			w, ok := entry["weight"].(int64)
			if !ok {
				w = 1
			}
			service := fmt.Sprint(entry["name"])
			if entry["kind"] == "TraefikService" { // it copies requests, and sends them where they went before
				service = name
			}
			out[service] = int(w)
		}
	}
	return out
}
