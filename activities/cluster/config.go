// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Annotations about configuration.
const (
	// AnnotationOrigin on a snapshot names the object that it is a copy of, AnnotationMadeFor the release
	// that made it.
	AnnotationOrigin  = "slipway.dev/snapshot-of"
	AnnotationMadeFor = "slipway.dev/made-for"
	// AnnotationConfig on a retired track holds the snapshots of what its template names, as JSON.
	AnnotationConfig = "slipway.dev/config"
	// AnnotationFormer on a revived track holds what its template named before, as JSON.
	AnnotationFormer = "slipway.dev/former-config"
)

// keptSnapshots of one ConfigMap or Secret outlive their last track.
const keptSnapshots = 3

// naming turns the names of ConfigMaps and Secrets in a pod template into others.
type naming struct {
	// Release after whose undo the names are put back; empty where they are for a rollback.
	Release string `json:"release,omitempty"`
	// Image that the template had; empty: any.
	Image   string            `json:"image,omitempty"`
	Maps    map[string]string `json:"configMaps,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
}

func (n naming) empty() bool { return len(n.Maps) == 0 && len(n.Secrets) == 0 }

// text is the naming as an annotation holds it.
func (n naming) text() (string, error) {
	b, err := json.Marshal(n)
	if err != nil {
		return "", fmt.Errorf("keep the names of the configuration: %w", err)
	}
	return string(b), nil
}

// namingOf reads an annotation; one that is not a naming names nothing.
func namingOf(o metav1.Object, annotation string) naming {
	var n naming
	if err := json.Unmarshal([]byte(o.GetAnnotations()[annotation]), &n); err != nil {
		return naming{}
	}
	return n
}

// rename writes the names into a pod template.
func (n naming) rename(pod *corev1.PodSpec) {
	eachName(pod, renaming(n.Maps), renaming(n.Secrets))
}

func renaming(names map[string]string) func(*string) {
	return func(name *string) {
		if to, ok := names[*name]; ok {
			*name = to
		}
	}
}

// eachName visits every place in a pod template that names a ConfigMap or a Secret for its containers.
func eachName(pod *corev1.PodSpec, maps, secrets func(*string)) {
	for i := range pod.Volumes {
		eachNameOfVolume(&pod.Volumes[i], maps, secrets)
	}
	for _, containers := range [][]corev1.Container{pod.InitContainers, pod.Containers} {
		for i := range containers {
			eachNameOfContainer(&containers[i], maps, secrets)
		}
	}
}

func eachNameOfVolume(v *corev1.Volume, maps, secrets func(*string)) {
	switch {
	case v.ConfigMap != nil:
		maps(&v.ConfigMap.Name)
	case v.Secret != nil:
		secrets(&v.Secret.SecretName)
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil {
				maps(&s.ConfigMap.Name)
			}
			if s.Secret != nil {
				secrets(&s.Secret.Name)
			}
		}
	}
}

func eachNameOfContainer(c *corev1.Container, maps, secrets func(*string)) {
	for _, e := range c.EnvFrom {
		if e.ConfigMapRef != nil {
			maps(&e.ConfigMapRef.Name)
		}
		if e.SecretRef != nil {
			secrets(&e.SecretRef.Name)
		}
	}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			continue
		}
		if e.ValueFrom.ConfigMapKeyRef != nil {
			maps(&e.ValueFrom.ConfigMapKeyRef.Name)
		}
		if e.ValueFrom.SecretKeyRef != nil {
			secrets(&e.ValueFrom.SecretKeyRef.Name)
		}
	}
}

// names are what a pod template names.
func names(pod *corev1.PodSpec) (maps, secrets []string) {
	eachName(pod, func(n *string) { maps = append(maps, *n) }, func(n *string) { secrets = append(secrets, *n) })
	slices.Sort(maps)
	slices.Sort(secrets)
	return slices.Compact(maps), slices.Compact(secrets)
}

// freezing is how configuration is snapshotted.
type freezing struct {
	write  activities.Write
	target plan.Target
	config plan.Config
	// keep leaves names of snapshots as they are; else they are renewed from what they are copies of.
	keep bool
}

// snapshot freezes what a pod template names, as it is now, and returns the names of the copies. Without
// snapshots a template names what its owner edits. What is not there is left to the pods to complain about.
func (c *Client) snapshot(ctx context.Context, f freezing, pod *corev1.PodSpec) (naming, error) {
	out := naming{Maps: map[string]string{}, Secrets: map[string]string{}}
	maps, secrets := names(pod)
	shelf := c.configMaps(f.target.Namespace)
	for _, name := range maps {
		var err error
		if !f.config.Snapshots() {
			out.Maps[name], err = shelf.origin(ctx, name)
		} else {
			out.Maps[name], err = shelf.freeze(ctx, f, name)
		}
		if err != nil {
			return out, err
		}
	}
	for _, name := range secrets {
		asked, err := c.asked(ctx, f, name)
		if err != nil {
			return out, err
		}
		if !asked {
			continue
		}
		if out.Secrets[name], err = c.secrets(f.target.Namespace).freeze(ctx, f, name); err != nil {
			return out, err
		}
	}
	return out, nil
}

// asked reports whether the plan wants a Secret snapshotted, by its own name or by the one it is a copy of.
func (c *Client) asked(ctx context.Context, f freezing, name string) (bool, error) {
	wanted := f.config.Secrets
	if len(wanted) == 0 || slices.Contains(wanted, name) {
		return len(wanted) > 0, nil
	}
	origin, err := c.secrets(f.target.Namespace).origin(ctx, name)
	return slices.Contains(wanted, origin), err
}

// checkSecrets refuses a Secret that somebody renews: a copy of it would go stale.
func (c *Client) checkSecrets(ctx context.Context, t plan.Target, config plan.Config) error {
	for _, name := range config.Secrets {
		s, err := c.kube.CoreV1().Secrets(t.Namespace).Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fault.New(fault.NotFound, "Secret %s/%s does not exist; correct spec.config.secrets", t.Namespace, name)
		}
		if err != nil {
			return Fault(err, "get Secret "+t.Namespace+"/"+name)
		}
		if len(s.OwnerReferences) > 0 {
			o := s.OwnerReferences[0]
			return fault.New(fault.Invalid, "Secret %s/%s belongs to %s %s, which may renew it; take it out of spec.config.secrets", t.Namespace, name, o.Kind, o.Name)
		}
	}
	return nil
}

// formerNames are what a track named before, for each name that its new template has: undo puts them back.
func (c *Client) formerNames(ctx context.Context, in activities.DeployCandidateIn, before, after *corev1.PodSpec) (naming, error) {
	oldMaps, oldSecrets := names(before)
	newMaps, newSecrets := names(after)
	maps, err := c.configMaps(in.Target.Namespace).pairs(ctx, newMaps, oldMaps)
	if err != nil || len(in.Config.Secrets) == 0 {
		return naming{Maps: maps}, err
	}
	secrets, err := c.secrets(in.Target.Namespace).pairs(ctx, newSecrets, oldSecrets)
	return naming{Maps: maps, Secrets: secrets}, err
}

// discard deletes the snapshots that no track names any more, but for the newest few of each origin. A
// release that is undone takes all of its own with it.
func (c *Client) discard(ctx context.Context, in activities.RetireTrackIn) error {
	var maps, secrets []string
	for _, name := range []string{in.Target.Deployment, greenName(in.Target)} {
		d, err := c.deployment(ctx, in.Namespace, name)
		if err != nil {
			return err
		}
		if d != nil {
			m, s := needed(d)
			maps, secrets = append(maps, m...), append(secrets, s...)
		}
	}
	if err := c.configMaps(in.Namespace).discard(ctx, in, maps); err != nil || len(in.Config.Secrets) == 0 {
		return err
	}
	return c.secrets(in.Namespace).discard(ctx, in, secrets)
}

// needed are the names that a track has in its template, and those that it would get back.
func needed(d *appsv1.Deployment) (maps, secrets []string) {
	maps, secrets = names(&d.Spec.Template.Spec)
	for _, annotation := range []string{AnnotationConfig, AnnotationFormer} {
		n := namingOf(d, annotation)
		for _, name := range n.Maps {
			maps = append(maps, name)
		}
		for _, name := range n.Secrets {
			secrets = append(secrets, name)
		}
	}
	return maps, secrets
}

// undoes reports whether a retirement is that of a candidate that failed.
func undoes(in activities.RetireTrackIn) bool { return in.DeleteDeployment || in.Image != "" }

// shortHash is the first 40 bits of the SHA-256 of a content, which no two configurations of one name
// share by accident.
func shortHash(content any) (string, error) {
	b, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("hash configuration: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:5]), nil
}
