// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	_ "sigs.k8s.io/gateway-api/apis/v1" // pins the module whose CRDs the driver copies next to this program
)

var gateway = schema.GroupVersion{Group: "gateway.networking.k8s.io", Version: "v1"}

// bootstrap makes what a cluster operator would have made: the Gateway API and one Gateway that every
// namespace may attach routes to, and the registration of metrics.k8s.io.
func bootstrap(ctx context.Context, crds string, config *rest.Config) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	if err := applyCRDs(ctx, crds, client); err != nil {
		return err
	}
	for _, o := range []struct {
		resource  schema.GroupVersionResource
		namespace string
		object    map[string]any
	}{
		{apiServices, "", metricsAPIService()},
		{schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}, "", map[string]any{
			"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "sandbox"},
		}},
		{gateway.WithResource("gatewayclasses"), "", map[string]any{
			"apiVersion": gateway.String(), "kind": "GatewayClass", "metadata": map[string]any{"name": "traefik"},
			"spec": map[string]any{"controllerName": "traefik.io/gateway-controller"},
		}},
		{gateway.WithResource("gateways"), "sandbox", map[string]any{
			"apiVersion": gateway.String(), "kind": "Gateway", "metadata": map[string]any{"name": "sandbox"},
			"spec": map[string]any{"gatewayClassName": "traefik", "listeners": []any{map[string]any{
				"name": "web", "port": int64(8000), "protocol": "HTTP",
				"allowedRoutes": map[string]any{"namespaces": map[string]any{"from": "All"}},
			}}},
		}},
	} {
		target := client.Resource(o.resource).Namespace(o.namespace)
		// A CRD that is established may take a moment until its endpoint is served.
		err := await(ctx, o.resource.Resource, func(ctx context.Context) (bool, error) {
			return create(ctx, target, &unstructured.Unstructured{Object: o.object})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func create(ctx context.Context, target dynamic.ResourceInterface, o *unstructured.Unstructured) (bool, error) {
	_, err := target.Create(ctx, o, metav1.CreateOptions{})
	return err == nil || apierrors.IsAlreadyExists(err), err
}

// applyCRDs creates every CustomResourceDefinition of a directory and waits until all are established.
func applyCRDs(ctx context.Context, dir string, client dynamic.Interface) error {
	target := client.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("find CRDs in %s: %w", dir, orNone(err))
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read CRD: %w", err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &o.Object); err != nil {
			return fmt.Errorf("read CRD %s: %w", file, err)
		}
		if o.GetKind() != "CustomResourceDefinition" {
			continue
		}
		if ok, err := create(ctx, target, o); !ok {
			return fmt.Errorf("create CRD %s: %w", o.GetName(), err)
		}
		names = append(names, o.GetName())
	}
	for _, name := range names {
		if err := await(ctx, name, func(ctx context.Context) (bool, error) { return established(ctx, target, name) }); err != nil {
			return err
		}
	}
	return nil
}

func established(ctx context.Context, target dynamic.ResourceInterface, name string) (bool, error) {
	o, err := target.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, err
	}
	conditions, _, err := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
			return true, nil
		}
	}
	return false, err
}
