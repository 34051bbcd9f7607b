// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
)

// settings are what the owner of a workload wrote, kept aside while a release uses its own.
type settings struct {
	// Release that has kept them.
	Release         string                            `json:"release"`
	Deployment      *appsv1.DeploymentStrategy        `json:"deployment,omitempty"`
	MinReadySeconds int32                             `json:"minReadySeconds,omitempty"`
	StatefulSet     *appsv1.StatefulSetUpdateStrategy `json:"statefulSet,omitempty"`
	DaemonSet       *appsv1.DaemonSetUpdateStrategy   `json:"daemonSet,omitempty"`
}

// kept are the settings on a workload; nil where none are kept aside.
func kept(o metav1.Object) *settings {
	text := o.GetAnnotations()[AnnotationKept]
	if text == "" {
		return nil
	}
	var s settings
	if json.Unmarshal([]byte(text), &s) != nil {
		return nil
	}
	return &s
}

// keptBy is the release that has kept settings aside; empty: none.
func keptBy(o metav1.Object) string {
	if s := kept(o); s != nil {
		return s.Release
	}
	return ""
}

// keep puts the owner's settings aside. Those that an earlier release has left there are the owner's
// still.
func keep(o metav1.Object, w activities.Write, s settings) error {
	if before := kept(o); before != nil {
		s = *before
	}
	s.Release = w.ReleaseID
	text, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("keep settings of %s: %w", o.GetName(), err)
	}
	annotate(o, AnnotationKept, string(text))
	return nil
}

// handedBack marks a workload whose settings are the owner's again.
func handedBack(o metav1.Object, w activities.Write) error {
	if _, ok := o.GetAnnotations()[AnnotationKept]; ok {
		annotate(o, AnnotationKept, "")
	}
	return Stamp(o, w)
}

func annotate(o metav1.Object, key, value string) {
	notes := o.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	notes[key] = value
	o.SetAnnotations(notes)
}
