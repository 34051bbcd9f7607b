// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Inspect finds the tracks of a target, and refuses one that a release could not handle.
func (c *Client) Inspect(ctx context.Context, in activities.InspectTargetIn) (activities.Tracks, error) {
	t := in.Target
	original, err := c.deployment(ctx, t.Namespace, t.Deployment)
	if err != nil {
		return activities.Tracks{}, err
	}
	if original == nil {
		return activities.Tracks{}, fault.New(fault.NotFound, "Deployment %s/%s does not exist; create it, or correct spec.target", t.Namespace, t.Deployment)
	}
	root, err := c.service(ctx, t.Namespace, t.Service)
	if err != nil {
		return activities.Tracks{}, err
	}
	if root == nil {
		return activities.Tracks{}, fault.New(fault.NotFound, "Service %s/%s does not exist; create it, or correct spec.target.service", t.Namespace, t.Service)
	}
	if err := suitable(original, root, t); err != nil {
		return activities.Tracks{}, err
	}
	copied, err := c.deployment(ctx, t.Namespace, greenName(t))
	if err != nil {
		return activities.Tracks{}, err
	}
	if err := secondTrack(copied, t); err != nil {
		return activities.Tracks{}, err
	}
	out, err := c.tracks(ctx, in, original, copied, root)
	if err != nil {
		return activities.Tracks{}, err
	}
	return out, c.lookAround(ctx, in, &out, original, root)
}

// lookAround refuses what would go wrong beside the tracks themselves.
func (c *Client) lookAround(ctx context.Context, in activities.InspectTargetIn, out *activities.Tracks, original *appsv1.Deployment, root *corev1.Service) error {
	if err := c.checkVolumes(ctx, original); err != nil {
		return err
	}
	if err := c.checkSecrets(ctx, in.Target, in.Config); err != nil {
		return err
	}
	if in.Target.Tracks == nil {
		if err := c.preflight(ctx, in, out, familyOf(in.Target, original, root)); err != nil {
			return err
		}
	}
	scalers, err := c.autoscalers(ctx, in.Target.Namespace)
	if err != nil {
		return err
	}
	for _, track := range []string{out.Candidate, out.Stable} {
		if h := autoscalerOf(scalers, track); h != nil {
			out.Autoscaler = h.Name
		}
	}
	notes, err := c.checkRoom(ctx, original, out.Replicas-out.CandidateReplicas)
	out.Notes = append(out.Notes, notes...)
	return err
}

// secondTrack refuses a green track that a release could not use.
func secondTrack(d *appsv1.Deployment, t plan.Target) error {
	switch {
	case t.Tracks != nil && d == nil:
		return fault.New(fault.NotFound, "Deployment %s/%s does not exist; create it, or correct spec.target.tracks", t.Namespace, t.Tracks.Green)
	case t.Tracks != nil && d.Spec.Paused:
		return fault.New(fault.Invalid, "Deployment %s/%s is paused; run `kubectl rollout resume` first", t.Namespace, d.Name)
	case t.Tracks == nil && d != nil && d.Labels[LabelManagedBy] != manager:
		return fault.New(fault.Invalid, "Deployment %s/%s exists and is not Slipway's; rename it, its name is needed for the green track, "+
			"or name both in spec.target.tracks if they are two tracks that you keep by hand", t.Namespace, d.Name)
	}
	return nil
}

// suitable refuses what cannot be released by two tracks.
func suitable(d *appsv1.Deployment, root *corev1.Service, t plan.Target) error {
	name := t.Namespace + "/" + d.Name
	switch {
	case len(d.Spec.Selector.MatchExpressions) > 0:
		return fault.New(fault.Invalid, "Deployment %s selects its pods by expressions; only matchLabels can be told apart from a second track", name)
	case labels.SelectorFromSet(d.Spec.Selector.MatchLabels).Matches(labels.Set(podLabels(t, d, root.Spec.Selector))):
		return fault.New(fault.Invalid, "Deployment %s selects its pods by %s alone, which the pods of its second track carry too; let it select by a label of its own", name, LabelService)
	case d.Spec.Paused:
		return fault.New(fault.Invalid, "Deployment %s is paused; run `kubectl rollout resume` first", name)
	case len(root.Spec.Selector) == 0:
		return fault.New(fault.Invalid, "Service %s/%s has no selector; Slipway cannot tell which pods it reaches", t.Namespace, root.Name)
	case len(root.Spec.Ports) == 0:
		return fault.New(fault.Invalid, "Service %s/%s has no port", t.Namespace, root.Name)
	}
	_, err := container(d, t.Container)
	return err
}

// tracks tells which of the two serves, by whom the root Service selects.
func (c *Client) tracks(
	ctx context.Context, in activities.InspectTargetIn, original, copied *appsv1.Deployment, root *corev1.Service,
) (activities.Tracks, error) {
	t := in.Target
	out := activities.Tracks{StableSelector: root.Spec.Selector, Port: root.Spec.Ports[0].Port}
	stable, candidate, color, err := serving(t, original, copied, root)
	if err != nil {
		return out, err
	}
	if out.CandidateSelector, err = candidateSelector(t, original, candidate, root); err != nil {
		return out, err
	}
	out.SharedSelector = sharedLabel(t, original, candidate)
	out.Stable, out.Candidate, out.CandidateService = stable.Name, trackName(t, color), serviceName(t, color)
	serves, err := container(stable, t.Container)
	if err != nil {
		return out, err
	}
	out.StableImage, out.Replicas = serves.Image, size(stable)
	if out.StableImage == in.Image {
		return out, fault.New(fault.Invalid, "%s runs %s already; there is nothing to release", out.Stable, in.Image)
	}
	if replicas(stable) == 0 {
		return out, fault.New(fault.Invalid, "Deployment %s/%s is scaled to zero; there is nothing serving to compare with", t.Namespace, out.Stable)
	}
	if candidate != nil {
		out.CandidateExists = true
		before, err := container(candidate, t.Container)
		if err != nil {
			return out, err
		}
		out.CandidateImage, out.CandidateReplicas = before.Image, replicas(candidate)
	}
	own, err := c.service(ctx, t.Namespace, out.CandidateService)
	if err != nil {
		return out, err
	}
	if own != nil && own.Labels[LabelManagedBy] != manager {
		return out, fault.New(fault.Invalid, "Service %s/%s exists and is not Slipway's; rename it, its name is needed for the candidate", t.Namespace, own.Name)
	}
	out.CandidateServiceExists = own != nil
	return out, nil
}

// serving tells which of the two the root Service selects; the other may not exist yet.
func serving(t plan.Target, original, copied *appsv1.Deployment, root *corev1.Service) (stable, candidate *appsv1.Deployment, color string, err error) {
	selector := labels.SelectorFromSet(root.Spec.Selector)
	first := selector.Matches(labels.Set(original.Spec.Template.Labels))
	second := copied != nil && selector.Matches(labels.Set(copied.Spec.Template.Labels))
	switch {
	case t.Tracks == nil && first && selector.Matches(labels.Set(podLabels(t, original, root.Spec.Selector))):
		return nil, nil, "", fault.New(fault.Edited, "Service %s/%s selects %v, which the pods of both tracks carry; was a release ended by force? Let it select the pods of Deployment %s alone, then release again",
			t.Namespace, root.Name, root.Spec.Selector, original.Name)
	case first && second:
		return nil, nil, "", fault.New(fault.Invalid, "Service %s/%s selects %v, which are the pods of both %s and %s; it must select one of them",
			t.Namespace, root.Name, root.Spec.Selector, original.Name, copied.Name)
	case first:
		return original, copied, green, nil
	case second:
		return copied, original, blue, nil
	}
	return nil, nil, "", fault.New(fault.Invalid, "Service %s/%s selects %v, which are not the pods of Deployment %s", t.Namespace, root.Name, root.Spec.Selector, original.Name)
}

// candidateSelector is what the root Service selects after promotion. Of a track kept by hand it is what
// the Service selects by now, with that track's own values.
func candidateSelector(t plan.Target, original, candidate *appsv1.Deployment, root *corev1.Service) (map[string]string, error) {
	switch {
	case t.Tracks == nil && candidate == original:
		return originalSelector(original, root), nil
	case t.Tracks == nil:
		return greenLabels(t), nil
	}
	out := map[string]string{}
	for k := range root.Spec.Selector {
		v, ok := candidate.Spec.Template.Labels[k]
		if !ok {
			return nil, fault.New(fault.Invalid, "Service %s/%s selects by the label %s, which the pods of Deployment %s lack", t.Namespace, root.Name, k, candidate.Name)
		}
		out[k] = v
	}
	return out, nil
}

// originalSelector is what the root Service selected before it was ever switched.
func originalSelector(original *appsv1.Deployment, root *corev1.Service) map[string]string {
	return owners(root, original.Spec.Selector.MatchLabels)
}

// owners is the selector that a Service had before it was ever switched, or another where it has forgotten.
func owners(s *corev1.Service, otherwise map[string]string) map[string]string {
	var saved map[string]string
	if err := json.Unmarshal([]byte(s.Annotations[AnnotationSelector]), &saved); err != nil || len(saved) == 0 {
		return otherwise
	}
	return saved
}

// container finds the one that gets the image.
func container(d *appsv1.Deployment, name string) (*corev1.Container, error) {
	return containerIn(&d.Spec.Template, name, "Deployment "+d.Name)
}

// containerIn finds it in the pod template of any workload.
func containerIn(template *corev1.PodTemplateSpec, name, of string) (*corev1.Container, error) {
	all := template.Spec.Containers
	var names []string
	for i := range all {
		if all[i].Name == name || name == "" && len(all) == 1 {
			return &all[i], nil
		}
		names = append(names, all[i].Name)
	}
	if name == "" {
		return nil, fault.New(fault.Invalid, "%s has %d containers (%s); name one in spec.target.container", of, len(all), strings.Join(names, ", "))
	}
	return nil, fault.New(fault.Invalid, "%s has no container %s; it has %s", of, name, strings.Join(names, ", "))
}

func replicas(d *appsv1.Deployment) int32 {
	if d.Spec.Replicas == nil {
		return 1
	}
	return *d.Spec.Replicas
}

func greenName(t plan.Target) string {
	if t.Tracks != nil {
		return t.Tracks.Green
	}
	return t.Deployment + "-" + green
}

// serviceName is that of a track's own Service.
func serviceName(t plan.Target, color string) string {
	if t.Tracks != nil {
		return t.Service + "-" + color
	}
	return t.Deployment + "-" + color
}

func trackName(t plan.Target, color string) string {
	if color == blue {
		return t.Deployment
	}
	return greenName(t)
}

// greenLabels select the pods of the green track and no others.
func greenLabels(t plan.Target) map[string]string {
	return map[string]string{LabelService: t.Deployment, LabelTrack: green}
}

// sharedLabel selects the pods of both tracks: those of a copy always carry it, those of a track that a team
// made where it has put it into the pod template. Where it has not there is none: Slipway does not restart
// blue to add it.
func sharedLabel(t plan.Target, original, candidate *appsv1.Deployment) map[string]string {
	tracks := []*appsv1.Deployment{original}
	if t.Tracks != nil {
		tracks = append(tracks, candidate)
	}
	for _, d := range tracks {
		if d.Spec.Template.Labels[LabelService] != t.Deployment {
			return nil
		}
	}
	return map[string]string{LabelService: t.Deployment}
}

// podLabels are blue's, with every one that somebody selects blue by made different.
func podLabels(t plan.Target, original *appsv1.Deployment, rootSelector map[string]string) map[string]string {
	out := maps.Clone(original.Spec.Template.Labels)
	for _, selector := range []map[string]string{original.Spec.Selector.MatchLabels, rootSelector} {
		for k := range selector {
			if v, ok := original.Spec.Template.Labels[k]; ok {
				out[k] = v + "-" + green
			}
		}
	}
	maps.Copy(out, greenLabels(t))
	return out
}

// deployment returns nil where there is none.
func (c *Client) deployment(ctx context.Context, namespace, name string) (*appsv1.Deployment, error) {
	d, err := c.kube.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return d, Fault(err, fmt.Sprintf("get Deployment %s/%s", namespace, name))
}

// service returns nil where there is none.
func (c *Client) service(ctx context.Context, namespace, name string) (*corev1.Service, error) {
	s, err := c.kube.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return s, Fault(err, fmt.Sprintf("get Service %s/%s", namespace, name))
}
