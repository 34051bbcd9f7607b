// SPDX-License-Identifier: Apache-2.0

package gatewayapi

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// served is the part of a route, of whichever kind, that tells who serves it.
type served struct {
	Spec   gatewayv1.CommonRouteSpec `json:"spec"`
	Status gatewayv1.RouteStatus     `json:"status"`
}

// unsettled is why not every gateway that the route names serves its present generation; empty when all
// do. What is said for a gateway that the route no longer names does not count.
func unsettled(o *unstructured.Unstructured) string {
	title := fmt.Sprintf("%s %s/%s", o.GetKind(), o.GetNamespace(), o.GetName())
	var r served
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &r); err != nil {
		return fmt.Sprintf("the status of %s cannot be read: %s", title, err)
	}
	if len(r.Spec.ParentRefs) == 0 {
		return title + " names no gateway"
	}
	for _, ref := range r.Spec.ParentRefs {
		heard := false
		for _, parent := range r.Status.Parents {
			if full(parent.ParentRef, o.GetNamespace()) != full(ref, o.GetNamespace()) {
				continue
			}
			heard = true
			if reason := refusal(parent, o.GetGeneration()); reason != "" {
				return string(parent.ControllerName) + ": " + reason
			}
		}
		if !heard {
			return fmt.Sprintf("no controller has said anything about %s on %s; is this parentRef right?", title, full(ref, o.GetNamespace()))
		}
	}
	return ""
}

// refusal is why a gateway does not serve this generation of the route; empty when it does.
func refusal(parent gatewayv1.RouteParentStatus, generation int64) string {
	for _, kind := range []gatewayv1.RouteConditionType{gatewayv1.RouteConditionAccepted, gatewayv1.RouteConditionResolvedRefs} {
		condition := meta.FindStatusCondition(parent.Conditions, string(kind))
		switch {
		case condition == nil || condition.ObservedGeneration < generation:
			return "has not looked at the present route yet"
		case condition.Status != metav1.ConditionTrue:
			return fmt.Sprintf("%s is %s: %s", condition.Type, condition.Status, condition.Message)
		}
	}
	return ""
}

// full is a parent with its defaults written out.
func full(p gatewayv1.ParentReference, namespace string) string {
	out := fmt.Sprintf("%s %s/%s", ptr.Deref(p.Kind, "Gateway"), ptr.Deref(p.Namespace, gatewayv1.Namespace(namespace)), p.Name)
	if group := ptr.Deref(p.Group, gatewayv1.GroupName); group != gatewayv1.GroupName {
		out = string(group) + " " + out
	}
	if p.SectionName != nil {
		out += " listener " + string(*p.SectionName)
	}
	if p.Port != nil {
		out += fmt.Sprintf(" port %d", *p.Port)
	}
	return out
}
