// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// candidate is what DeployCandidate is about to declare.
type candidate struct {
	activities.DeployCandidateIn
	original *appsv1.Deployment
	root     *corev1.Service
	// has is the candidate's Deployment as it was found; nil where there is none.
	has *appsv1.Deployment
	// size is the number of pods, full that of a candidate as large as stable; scaled says that an autoscaler
	// may have made more of them.
	size, full int32
	scaled     bool
}

// DeployCandidate declares the candidate track at the size asked for with the release's image, what follows
// it, and the Service that selects it alone. A green track is always a copy of what blue declares now, so a
// team goes on editing the one Deployment it made; of a track that a team made, only image, size and the
// names of snapshots are touched.
func (c *Client) DeployCandidate(ctx context.Context, in activities.DeployCandidateIn) error {
	if in.Safe != nil {
		if err := c.Record(ctx, *in.Safe, in.Write); err != nil {
			return err
		}
	}
	d, err := c.find(ctx, in)
	if err != nil {
		return err
	}
	if err := c.putService(ctx, in, d.root); err != nil {
		return err
	}
	if d.scaled, err = c.scale(ctx, d); err != nil {
		return err
	}
	made := in.Target.Tracks == nil && in.Tracks.Candidate != in.Target.Deployment
	if made {
		// What protects the pods is there before the first of them.
		if err := c.follow(ctx, in.Write, familyOf(in.Target, d.original, d.root)); err != nil {
			return err
		}
	}
	if made && !d.restores() {
		return c.putGreen(ctx, d)
	}
	return c.revive(ctx, d)
}

// find reads what the candidate is made from.
func (c *Client) find(ctx context.Context, in activities.DeployCandidateIn) (candidate, error) {
	t, d := in.Target, candidate{DeployCandidateIn: in}
	var err error
	if d.original, err = c.kube.AppsV1().Deployments(t.Namespace).Get(ctx, t.Deployment, metav1.GetOptions{}); err != nil {
		return d, Fault(err, fmt.Sprintf("get Deployment %s/%s", t.Namespace, t.Deployment))
	}
	if d.root, err = c.kube.CoreV1().Services(t.Namespace).Get(ctx, t.Service, metav1.GetOptions{}); err != nil {
		return d, Fault(err, fmt.Sprintf("get Service %s/%s", t.Namespace, t.Service))
	}
	if d.has, err = c.deployment(ctx, t.Namespace, in.Tracks.Candidate); err != nil {
		return d, err
	}
	stable, err := c.deployment(ctx, t.Namespace, in.Tracks.Stable)
	d.full = in.Tracks.Replicas
	if stable != nil {
		d.full = max(d.full, size(stable))
	}
	d.size = cmp.Or(in.Replicas, d.full)
	return d, err
}

// restores reports whether the idle track has the wanted version already, with the configuration that it
// ran with: then nothing of it is renewed.
func (d candidate) restores() bool {
	if !d.Restore || d.has == nil {
		return false
	}
	has, err := container(d.has, d.Target.Container)
	return err == nil && has.Image == d.Image
}

// putService makes the candidate's Service like the root Service, but for what it selects.
func (c *Client) putService(ctx context.Context, in activities.DeployCandidateIn, root *corev1.Service) error {
	if in.Tracks.CandidateService == "" {
		return nil
	}
	own := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: in.Tracks.CandidateService, Namespace: in.Target.Namespace, Labels: map[string]string{LabelManagedBy: manager},
		},
		Spec: corev1.ServiceSpec{Selector: in.Tracks.CandidateSelector, Ports: ports(root)},
	}
	return declare(ctx, c.kube.CoreV1().Services(own.Namespace), in.Write, own, "Service", func(has, want *corev1.Service) error {
		has.Spec.Selector, has.Spec.Ports = want.Spec.Selector, want.Spec.Ports
		return nil
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

// revive brings an idle track back: with the new image and fresh snapshots, or as it was.
func (c *Client) revive(ctx context.Context, d candidate) error {
	what := fmt.Sprintf("update Deployment %s/%s", d.Target.Namespace, d.Tracks.Candidate)
	if d.has == nil {
		return fault.New(fault.NotFound, "%s: it does not exist any more", what)
	}
	named, err := c.renamed(ctx, d)
	if err != nil {
		return err
	}
	after := d.has.Spec.Template.Spec.DeepCopy()
	named.rename(after)
	former, err := c.formerNames(ctx, d.DeployCandidateIn, &d.has.Spec.Template.Spec, after)
	if err != nil {
		return err
	}
	deployments := c.kube.AppsV1().Deployments(d.Target.Namespace)
	return update(ctx, d.Tracks.Candidate, what, deployments.Get, deployments.Update, func(has *appsv1.Deployment) error {
		named.rename(&has.Spec.Template.Spec)
		return errors.Join(d.declare(has, replicas(has)), d.remember(has, former))
	})
}

// renamed are the names that an idle track gets for its configuration.
func (c *Client) renamed(ctx context.Context, d candidate) (naming, error) {
	if d.restores() {
		n := namingOf(d.has, AnnotationConfig)
		if n.Image != d.Image {
			return naming{}, nil
		}
		return n, nil
	}
	if d.Target.Tracks != nil {
		return naming{}, nil
	}
	return c.snapshot(ctx, d.freezing(), &d.has.Spec.Template.Spec)
}

func (d candidate) freezing() freezing {
	return freezing{write: d.Write, target: d.Target, config: d.Config}
}

// remember keeps what a track named before this release, for its undo. Once the release has written, its
// own names are not what was before.
func (d candidate) remember(has *appsv1.Deployment, former naming) error {
	if d.has == nil || d.has.Annotations[AnnotationRelease] == d.ReleaseID {
		return nil
	}
	delete(has.Annotations, AnnotationFormer)
	if former.empty() {
		return nil
	}
	former.Release = d.ReleaseID
	text, err := former.text()
	if err == nil {
		has.Annotations[AnnotationFormer] = text
	}
	return err
}

// putGreen makes or renews the copy.
func (c *Client) putGreen(ctx context.Context, d candidate) error {
	fresh, err := copyOf(d)
	if err != nil {
		return err
	}
	frozen, err := c.snapshot(ctx, d.freezing(), &fresh.Spec.Template.Spec)
	if err != nil {
		return err
	}
	frozen.rename(&fresh.Spec.Template.Spec)
	former := naming{}
	if d.has != nil {
		if former, err = c.formerNames(ctx, d.DeployCandidateIn, &d.has.Spec.Template.Spec, &fresh.Spec.Template.Spec); err != nil {
			return err
		}
	}
	return declare(ctx, c.kube.AppsV1().Deployments(d.Target.Namespace), d.Write, fresh, "Deployment", func(has, want *appsv1.Deployment) error {
		selector, before := has.Spec.Selector, replicas(has)
		want.Spec.DeepCopyInto(&has.Spec)
		has.Spec.Selector = selector
		return errors.Join(d.declare(has, before), d.remember(has, former))
	})
}

// copyOf is blue as a green track.
func copyOf(d candidate) (*appsv1.Deployment, error) {
	labels := maps.Clone(d.original.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, greenLabels(d.Target))
	labels[LabelManagedBy] = manager
	out := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: d.Tracks.Candidate, Namespace: d.original.Namespace, Labels: labels},
		Spec:       *d.original.Spec.DeepCopy(),
	}
	f := familyOf(d.Target, d.original, d.root)
	out.Spec.Selector = f.own()
	out.Spec.Template.Labels = f.green
	f.keepApart(&out.Spec.Template.Spec)
	return out, d.declare(out, 0)
}

// rootSelector is the root Service's selector of blue, also while it selects otherwise.
func rootSelector(original *appsv1.Deployment, root *corev1.Service) map[string]string {
	if isOwn(root.Spec.Selector) {
		return originalSelector(original, root)
	}
	return root.Spec.Selector
}

// declare sets image and size. What an autoscaler has added is left.
func (d candidate) declare(o *appsv1.Deployment, before int32) error {
	target, err := container(o, d.Target.Container)
	if err != nil {
		return err
	}
	size := d.size
	if d.scaled {
		size = max(size, before)
	}
	target.Image, o.Spec.Replicas = d.Image, &size
	return Stamp(o, d.Write)
}
