// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"

	"github.com/slipwayhq/slipway/activities/traffic/router"
)

// Objects is a fake API server for everything that a router in front of a Service reads or writes. Each object
// names its kind.
func Objects(all ...runtime.Object) (*fake.FakeDynamicClient, error) {
	lists := map[schema.GroupVersionResource]string{
		{Group: "networking.istio.io", Version: "v1", Resource: "destinationrules"}: "DestinationRuleList",
		{Group: "networking.k8s.io", Version: "v1", Resource: "ingressclasses"}:     "IngressClassList",
	}
	for _, kind := range router.Kinds() {
		lists[kind.Resource] = kind.Kind + "List"
	}
	var kept []runtime.Object
	var gateways []*unstructured.Unstructured
	for _, o := range all {
		fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			return nil, fmt.Errorf("keep %T: %w", o, err)
		}
		one := &unstructured.Unstructured{Object: fields}
		if one.GetKind() == "Gateway" { // the fake would guess another plural
			gateways = append(gateways, one)
			continue
		}
		kept = append(kept, one)
	}
	out := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, kept...)
	for _, g := range gateways {
		at := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
		if err := out.Tracker().Create(at, g, g.GetNamespace()); err != nil {
			return nil, fmt.Errorf("keep a gateway: %w", err)
		}
	}
	return out, nil
}
