// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// DeployCandidate declares the candidate track at the size asked for with the release's image, and the
// Service that selects it alone. A green track is always a copy of what blue declares now, so a team
// goes on editing the one Deployment it made; of a blue track only image and size are touched.
func (c *Client) DeployCandidate(ctx context.Context, in activities.DeployCandidateIn) error {
	t := in.Target
	original, err := c.kube.AppsV1().Deployments(t.Namespace).Get(ctx, t.Deployment, metav1.GetOptions{})
	if err != nil {
		return Fault(err, fmt.Sprintf("get Deployment %s/%s", t.Namespace, t.Deployment))
	}
	root, err := c.kube.CoreV1().Services(t.Namespace).Get(ctx, t.Service, metav1.GetOptions{})
	if err != nil {
		return Fault(err, fmt.Sprintf("get Service %s/%s", t.Namespace, t.Service))
	}
	if err := c.putService(ctx, in, root); err != nil {
		return err
	}
	if in.Tracks.Candidate == original.Name {
		return c.reviveBlue(ctx, in)
	}
	return c.putGreen(ctx, in, original, root)
}

// putService makes the candidate's Service like the root Service, but for what it selects.
func (c *Client) putService(ctx context.Context, in activities.DeployCandidateIn, root *corev1.Service) error {
	services := c.kube.CoreV1().Services(in.Target.Namespace)
	own := &corev1.Service{ObjectMeta: metav1.ObjectMeta{
		Name: in.Tracks.CandidateService, Namespace: in.Target.Namespace, Labels: map[string]string{LabelManagedBy: manager},
	}}
	declare := func(s *corev1.Service) error {
		s.Spec.Selector, s.Spec.Ports = in.Tracks.CandidateSelector, ports(root)
		return Stamp(s, in.Write)
	}
	if err := declare(own); err != nil {
		return err
	}
	what := fmt.Sprintf("apply Service %s/%s", own.Namespace, own.Name)
	_, err := services.Create(ctx, own, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return Fault(err, what)
	}
	return update(ctx, own.Name, what, services.Get, services.Update, func(s *corev1.Service) error {
		if s.Labels[LabelManagedBy] != manager {
			return fault.New(fault.Invalid, "Service %s/%s is not Slipway's", s.Namespace, s.Name)
		}
		return declare(s)
	})
}

// ports are the root Service's without what the API server allocated for it.
func ports(root *corev1.Service) []corev1.ServicePort {
	out := make([]corev1.ServicePort, len(root.Spec.Ports))
	for i, p := range root.Spec.Ports {
		p.NodePort = 0
		out[i] = p
	}
	return out
}

// reviveBlue brings the original Deployment back with the new image.
func (c *Client) reviveBlue(ctx context.Context, in activities.DeployCandidateIn) error {
	deployments := c.kube.AppsV1().Deployments(in.Target.Namespace)
	what := fmt.Sprintf("update Deployment %s/%s", in.Target.Namespace, in.Tracks.Candidate)
	return update(ctx, in.Tracks.Candidate, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		return declareTrack(d, in)
	})
}

// putGreen makes or renews the copy.
func (c *Client) putGreen(ctx context.Context, in activities.DeployCandidateIn, original *appsv1.Deployment, root *corev1.Service) error {
	deployments := c.kube.AppsV1().Deployments(in.Target.Namespace)
	fresh, err := copyOf(original, root, in)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("apply Deployment %s/%s", fresh.Namespace, fresh.Name)
	_, err = deployments.Create(ctx, fresh, metav1.CreateOptions{FieldManager: manager})
	if !apierrors.IsAlreadyExists(err) {
		return Fault(err, what)
	}
	return update(ctx, fresh.Name, what, deployments.Get, deployments.Update, func(d *appsv1.Deployment) error {
		if d.Labels[LabelManagedBy] != manager {
			return fault.New(fault.Invalid, "Deployment %s/%s is not Slipway's", d.Namespace, d.Name)
		}
		selector := d.Spec.Selector
		fresh.Spec.DeepCopyInto(&d.Spec)
		d.Spec.Selector = selector
		return Stamp(d, in.Write)
	})
}

// copyOf is blue as a green track.
func copyOf(original *appsv1.Deployment, root *corev1.Service, in activities.DeployCandidateIn) (*appsv1.Deployment, error) {
	labels := maps.Clone(original.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, greenLabels(in.Target))
	labels[LabelManagedBy] = manager
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: in.Tracks.Candidate, Namespace: original.Namespace, Labels: labels},
		Spec:       *original.Spec.DeepCopy(),
	}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: greenLabels(in.Target)}
	d.Spec.Template.Labels = podLabels(in.Target, original, rootSelector(original, root))
	return d, declareTrack(d, in)
}

// rootSelector is the root Service's selector of blue, also while it selects otherwise.
func rootSelector(original *appsv1.Deployment, root *corev1.Service) map[string]string {
	if isOwn(root.Spec.Selector) {
		return originalSelector(original, root)
	}
	return root.Spec.Selector
}

// declareTrack sets image and size.
func declareTrack(d *appsv1.Deployment, in activities.DeployCandidateIn) error {
	target, err := container(d, in.Target.Container)
	if err != nil {
		return err
	}
	size := cmp.Or(in.Replicas, in.Tracks.Replicas)
	target.Image, d.Spec.Replicas = in.Image, &size
	return Stamp(d, in.Write)
}
