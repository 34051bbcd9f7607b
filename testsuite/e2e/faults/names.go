// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/cluster"
	"github.com/slipwayhq/slipway/activities/traffic/split"
	"github.com/slipwayhq/slipway/testsuite/e2e/stage"
)

// looked are the kinds of objects that a release may make.
func looked() []schema.GroupVersionResource {
	return []schema.GroupVersionResource{
		{Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "configmaps"},
		{Version: "v1", Resource: "secrets"},
		{Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "batch", Version: "v1", Resource: "jobs"},
		{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
		{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
		{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"},
	}
}

// namesOf are all objects of a shop's namespace, as resource/name with the shop's name as NAME.
func namesOf(ctx context.Context, shop *stage.Shop) ([]string, error) {
	var out []string
	for _, kind := range looked() {
		all, err := shop.Stage.Objects.Resource(kind).Namespace(shop.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", kind.Resource, err)
		}
		for i := range all.Items {
			if name := all.Items[i].GetName(); name != "kube-root-ca.crt" { // every namespace has that
				out = append(out, kind.Resource+"/"+general(name, shop.Name))
			}
		}
	}
	slices.Sort(out)
	return out, nil
}

// general is a name with that of the shop in it as NAME.
func general(name, shop string) string { return strings.ReplaceAll(name, shop, "NAME") }

// marksOf are the annotations of Slipway's that are left on the route, but for those by which the next release
// tells what was written last; and how the record of the safe state ended.
func marksOf(ctx context.Context, shop *stage.Shop) (marks []string, record activities.End, err error) {
	route, err := shop.Stage.Gateways.GatewayV1().HTTPRoutes(shop.Namespace).Get(ctx, shop.Name, metav1.GetOptions{})
	if err != nil {
		return nil, "", fmt.Errorf("read the route: %w", err)
	}
	last := []string{cluster.AnnotationFence, cluster.AnnotationRelease, split.AnnotationWeight}
	for name := range route.Annotations {
		if strings.HasPrefix(name, "slipway.dev/") && !slices.Contains(last, name) {
			marks = append(marks, name)
		}
	}
	slices.Sort(marks)
	kept, err := shop.Stage.Kube.CoreV1().ConfigMaps(shop.Namespace).Get(ctx, cluster.RecordName(shop.Name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) { // a release in place needs none
		return marks, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the record of the safe state: %w", err)
	}
	for _, text := range kept.Data {
		s, err := activities.ParseSafeState(text)
		if err != nil {
			return nil, "", err
		}
		return marks, s.Ended, nil
	}
	return marks, "", nil
}
