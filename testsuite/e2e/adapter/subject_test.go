// SPDX-License-Identifier: Apache-2.0

package adapter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// subjects are the routers in front of a Service, each with an object that has more in it than Slipway needs.
func subjects() map[string]subject {
	return map[string]subject{
		"HTTPRoute": {
			traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout"}}, owners: httpRoute, lists: under("backendRefs", "rules"), host: named,
		},
		"GRPCRoute": {
			traffic: plan.Traffic{GatewayAPI: &plan.GatewayAPI{Route: "checkout", Kind: plan.KindGRPCRoute}}, owners: grpcRoute, lists: under("backendRefs", "rules"), host: named,
		},
		"TraefikService": {
			traffic: plan.Traffic{Traefik: &plan.Traefik{Service: "checkout"}}, owners: traefikService, host: named,
			lists: func(o map[string]any) []list {
				weighted, _ := o["spec"].(map[string]any)["weighted"].(map[string]any)
				return []list{{weighted, "services"}}
			},
		},
		"Ingress": {
			traffic: plan.Traffic{Ingress: &plan.Ingress{Name: "checkout"}}, owners: ingress, beside: true, prepare: nginxClass,
			lists: func(map[string]any) []list { return nil },
		},
		"VirtualService": {
			traffic: plan.Traffic{Istio: &plan.Istio{VirtualService: "checkout"}}, owners: virtualService, prepare: istioCRDs,
			lists: func(o map[string]any) []list {
				var out []list
				for _, l := range under("route", "http")(o) {
					if name, _ := l.in["name"].(string); !strings.HasPrefix(name, "slipway-preview-") {
						out = append(out, l)
					}
				}
				return out
			},
			host: func(e map[string]any) string {
				host, _ := e["destination"].(map[string]any)["host"].(string)
				name, _, _ := strings.Cut(host, ".")
				return name
			},
		},
	}
}

// under are the lists under key in each element of spec's list.
func under(key, path string) func(map[string]any) []list {
	return func(o map[string]any) []list {
		var out []list
		for _, in := range split.Entries(o, "spec", path) {
			out = append(out, list{in, key})
		}
		return out
	}
}

func named(entry map[string]any) string {
	name, _ := entry["name"].(string)
	return name
}

// nginxClass is a class whose controller obeys the annotations of ingress-nginx.
func nginxClass(t *testing.T) {
	t.Helper()
	_, err := world.Kube.NetworkingV1().IngressClasses().Create(t.Context(), &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "nginx"}, Spec: networkingv1.IngressClassSpec{Controller: "k8s.io/ingress-nginx"},
	}, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		require.NoError(t, err)
	}
}

func istioCRDs(t *testing.T) {
	t.Helper()
	require.NoError(t, world.Define(t.Context(), stage.Istio()))
}

const httpRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: checkout, labels: {team: pay}}
spec:
  parentRefs: [{name: sandbox, namespace: sandbox}]
  hostnames: [conform.example]
  rules:
    - matches: [{path: {type: PathPrefix, value: /api}, headers: [{name: X-Tier, value: gold}]}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Seen, value: "yes"}]}}]
      timeouts: {request: 7s}
      backendRefs:
        - {name: checkout, port: 80, weight: 7, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [X-Debug]}}]}
    - matches: [{path: {type: Exact, value: /split}}]
      backendRefs: [{name: other-a, port: 80, weight: 2}, {name: other-b, port: 80, weight: 3}]
    - backendRefs: [{name: checkout, port: 80}]
`

const grpcRoute = `
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: checkout, labels: {team: pay}}
spec:
  parentRefs: [{name: sandbox, namespace: sandbox}]
  hostnames: [grpc.example]
  rules:
    - matches: [{method: {service: pay.Till, method: Open}, headers: [{name: x-tier, value: gold}]}]
      filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Seen, value: "yes"}]}}]
      backendRefs: [{name: checkout, port: 80, weight: 7}]
    - matches: [{method: {service: pay.Other}}]
      backendRefs: [{name: other-a, port: 80, weight: 2}, {name: other-b, port: 80, weight: 3}]
    - backendRefs: [{name: checkout, port: 80}]
`

const traefikService = `
apiVersion: traefik.io/v1alpha1
kind: TraefikService
metadata: {name: checkout, labels: {team: pay}}
spec:
  weighted:
    sticky: {cookie: {name: version, httpOnly: true}}
    services:
      - {name: checkout, port: 80, passHostHeader: true, responseForwarding: {flushInterval: 1ms}}
`

const ingress = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: checkout
  labels: {team: pay}
  annotations: {nginx.ingress.kubernetes.io/proxy-body-size: 8m}
spec:
  ingressClassName: nginx
  tls: [{hosts: [conform-ingress.example], secretName: none}]
  rules:
    - host: conform-ingress.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: checkout, port: {number: 80}}}}
          - {path: /other, pathType: Exact, backend: {service: {name: other-a, port: {name: http}}}}
    - host: second-ingress.example
      http:
        paths:
          - {path: /api, pathType: Prefix, backend: {service: {name: checkout, port: {name: http}}}}
    - host: third-ingress.example
      http:
        paths:
          - {path: /, pathType: Prefix, backend: {service: {name: other-b, port: {number: 80}}}}
`

const virtualService = `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: checkout, labels: {team: pay}}
spec:
  hosts: [checkout, conform.example]
  gateways: [mesh, public]
  http:
    - name: gold
      match: [{uri: {prefix: /api}, headers: {x-tier: {exact: gold}}}]
      timeout: 7s
      retries: {attempts: 3, perTryTimeout: 2s}
      route:
        - destination: {host: checkout, port: {number: 80}}
          weight: 100
          headers: {response: {set: {x-seen: "yes"}}}
    - match: [{uri: {exact: /split}}]
      fault: {delay: {percentage: {value: 1}, fixedDelay: 1s}}
      route:
        - {destination: {host: other-a}, weight: 40}
        - {destination: {host: other-b}, weight: 60}
    - route: [{destination: {host: checkout}}]
`
