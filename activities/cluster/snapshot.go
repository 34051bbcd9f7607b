// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// shelf is one kind of configuration in one namespace.
type shelf[T metav1.Object] struct {
	noun  string
	store store[T]
	list  func(context.Context, metav1.ListOptions) ([]T, error)
	// content is everything that makes two of them different.
	content func(T) any
	// frozen is an immutable copy with other metadata.
	frozen func(T, metav1.ObjectMeta) T
}

func (c *Client) configMaps(namespace string) shelf[*corev1.ConfigMap] {
	maps := c.kube.CoreV1().ConfigMaps(namespace)
	return shelf[*corev1.ConfigMap]{
		noun: "ConfigMap", store: maps,
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.ConfigMap, error) {
			all, err := maps.List(ctx, o)
			if err != nil {
				return nil, err
			}
			return pointers(all.Items), nil
		},
		content: func(m *corev1.ConfigMap) any { return []any{m.Data, m.BinaryData} },
		frozen: func(m *corev1.ConfigMap, meta metav1.ObjectMeta) *corev1.ConfigMap {
			return &corev1.ConfigMap{ObjectMeta: meta, Data: m.Data, BinaryData: m.BinaryData, Immutable: new(true)}
		},
	}
}

func (c *Client) secrets(namespace string) shelf[*corev1.Secret] {
	secrets := c.kube.CoreV1().Secrets(namespace)
	return shelf[*corev1.Secret]{
		noun: "Secret", store: secrets,
		list: func(ctx context.Context, o metav1.ListOptions) ([]*corev1.Secret, error) {
			all, err := secrets.List(ctx, o)
			if err != nil {
				return nil, err
			}
			return pointers(all.Items), nil
		},
		content: func(s *corev1.Secret) any { return []any{s.Type, s.Data} },
		frozen: func(s *corev1.Secret, meta metav1.ObjectMeta) *corev1.Secret {
			return &corev1.Secret{ObjectMeta: meta, Type: s.Type, Data: s.Data, Immutable: new(true)}
		},
	}
}

func pointers[T any](all []T) []*T {
	out := make([]*T, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out
}

// freeze makes the snapshot of what has this name, or of what that is a snapshot of, as it is now.
func (s shelf[T]) freeze(ctx context.Context, f freezing, name string) (string, error) {
	origin, err := s.origin(ctx, name)
	if err != nil || origin != name && f.keep {
		return name, err
	}
	t, w := f.target, f.write
	o, err := s.store.Get(ctx, origin, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return name, nil
	}
	if err != nil {
		return "", Fault(err, fmt.Sprintf("get %s %s/%s", s.noun, t.Namespace, origin))
	}
	hash, err := shortHash(s.content(o))
	if err != nil {
		return "", err
	}
	want := s.frozen(o, metav1.ObjectMeta{
		Name: named(origin, "-"+hash), Namespace: t.Namespace,
		Labels:      map[string]string{LabelManagedBy: manager, LabelService: t.Deployment},
		Annotations: map[string]string{AnnotationOrigin: origin, AnnotationMadeFor: w.ReleaseID},
	})
	err = declare(ctx, s.store, w, want, s.noun, func(has, _ T) error {
		if other, err := shortHash(s.content(has)); err != nil || other != hash {
			return fault.New(fault.Edited, "%s %s is not what its name says; delete it", s.noun, has.GetName())
		}
		return nil
	})
	return want.GetName(), err
}

// origin is the name of what a snapshot is a copy of; that of anything else is its own.
func (s shelf[T]) origin(ctx context.Context, name string) (string, error) {
	o, err := s.store.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return name, nil
	}
	if err != nil {
		return "", Fault(err, "get "+s.noun+" "+name)
	}
	origin := o.GetAnnotations()[AnnotationOrigin]
	if ours(o) != nil || origin == "" {
		return name, nil
	}
	return origin, nil
}

// pairs leads from each new name to the old one of the same origin.
func (s shelf[T]) pairs(ctx context.Context, after, before []string) (map[string]string, error) {
	old := map[string]string{}
	for _, name := range before {
		origin, err := s.origin(ctx, name)
		if err != nil {
			return nil, err
		}
		old[origin] = name
	}
	out := map[string]string{}
	for _, name := range after {
		origin, err := s.origin(ctx, name)
		if err != nil {
			return nil, err
		}
		if was, ok := old[origin]; ok && was != name {
			out[name] = was
		}
	}
	return out, nil
}

// discard deletes snapshots of the target that are not needed.
func (s shelf[T]) discard(ctx context.Context, in activities.RetireTrackIn, needed []string) error {
	all, err := s.list(ctx, metav1.ListOptions{LabelSelector: fmt.Sprintf("%s=%s,%s=%s", LabelManagedBy, manager, LabelService, in.Target.Deployment)})
	if err != nil {
		return Fault(err, "list snapshots of "+s.noun+"s")
	}
	all = slices.DeleteFunc(all, func(o T) bool { return o.GetAnnotations()[AnnotationOrigin] == "" })
	slices.SortFunc(all, func(a, b T) int { return b.GetCreationTimestamp().Compare(a.GetCreationTimestamp().Time) })
	kept := map[string]int{}
	for _, o := range all {
		if slices.Contains(needed, o.GetName()) {
			kept[o.GetAnnotations()[AnnotationOrigin]]++
		}
	}
	for _, o := range all {
		origin := o.GetAnnotations()[AnnotationOrigin]
		if slices.Contains(needed, o.GetName()) {
			continue
		}
		own := undoes(in) && o.GetAnnotations()[AnnotationMadeFor] == in.ReleaseID
		if !own && kept[origin] < keptSnapshots {
			kept[origin]++
			continue
		}
		what := fmt.Sprintf("delete %s %s/%s", s.noun, in.Namespace, o.GetName())
		if err := remove(ctx, in.Write, o.GetName(), what, s.store.Get, s.store.Delete); err != nil {
			return err
		}
	}
	return nil
}
