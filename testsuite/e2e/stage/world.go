// SPDX-License-Identifier: Apache-2.0

package stage

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// World is what a release may change, by the names of the objects: what their owners declared, without
// status and annotations.
type World struct {
	Deployments map[string]appsv1.DeploymentSpec
	Services    map[string]corev1.ServiceSpec
	Routes      map[string]gatewayv1.HTTPRouteSpec
	// Fronts are the specs of what else sends requests to a Service, by "resource/name".
	Fronts map[string]any
}

// World reads the shop's namespace.
func (p *Shop) World(ctx context.Context) (World, error) {
	w := World{Deployments: map[string]appsv1.DeploymentSpec{}, Services: map[string]corev1.ServiceSpec{}, Routes: map[string]gatewayv1.HTTPRouteSpec{}, Fronts: map[string]any{}}
	deployments, err := p.Stage.Kube.AppsV1().Deployments(p.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return w, fmt.Errorf("list Deployments: %w", err)
	}
	for _, d := range deployments.Items {
		w.Deployments[d.Name] = d.Spec
	}
	services, err := p.Stage.Kube.CoreV1().Services(p.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return w, fmt.Errorf("list Services: %w", err)
	}
	for _, s := range services.Items {
		w.Services[s.Name] = s.Spec
	}
	routes, err := p.Stage.Gateways.GatewayV1().HTTPRoutes(p.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return w, fmt.Errorf("list HTTPRoutes: %w", err)
	}
	for _, r := range routes.Items {
		w.Routes[r.Name] = r.Spec
	}
	for _, plural := range []string{"traefikservices", "ingresses"} {
		all, err := p.Stage.Objects.Resource(resource(plural)).Namespace(p.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return w, fmt.Errorf("list %s: %w", plural, err)
		}
		for i := range all.Items {
			w.Fronts[plural+"/"+all.Items[i].GetName()] = all.Items[i].Object["spec"]
		}
	}
	return w, nil
}

// Serving is the image that the root Service's pods run, and Spare the names of all other Deployments
// that still have pods. A world at rest has one image serving and no spare.
func (w World) Serving(root string) (image string, spare []string) {
	for name, d := range w.Deployments {
		serves := true
		for k, v := range w.Services[root].Selector {
			serves = serves && d.Template.Labels[k] == v
		}
		switch {
		case serves:
			image = d.Template.Spec.Containers[0].Image
		case d.Replicas == nil || *d.Replicas > 0:
			spare = append(spare, name)
		}
	}
	return image, spare
}
