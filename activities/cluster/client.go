// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/activities/fault"
)

// Labels and annotations that Slipway puts on objects.
const (
	// LabelService and LabelTrack mark the pods of a green track.
	LabelService = "slipway.dev/service"
	LabelTrack   = "slipway.dev/track"
	// LabelManagedBy marks objects that Slipway has made and may delete.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// AnnotationFence holds "<release>.<step>" of the last write.
	AnnotationFence = "slipway.dev/fence"
	// AnnotationRelease holds the ID of the release that wrote last.
	AnnotationRelease = "slipway.dev/release"
	// AnnotationLane on the Lease holds the lane, as environment/name, that releases the target.
	AnnotationLane = "slipway.dev/lane"
	// AnnotationSelector on the root Service holds the selector that its owner wrote, as JSON.
	AnnotationSelector = "slipway.dev/original-selector"
	// AnnotationKept on a workload that is replaced in place holds the settings that its owner wrote, as JSON,
	// while a release uses its own; empty once they are handed back. It stays as a mark, because Kubernetes
	// copies a Deployment's annotations into its revisions, and an old copy must never count again.
	AnnotationKept = "slipway.dev/kept-settings"
	// AnnotationSafeState on the root Service, and on a route while it is shifted, holds an
	// activities.SafeState as JSON, as the ConfigMap does.
	AnnotationSafeState = "slipway.dev/safe-state"
)

const (
	manager = "slipway"
	blue    = "blue"
	green   = "green"
)

// Client is the cluster of one target.
type Client struct{ kube kubernetes.Interface }

// New uses a clientset; its rate limits should leave room for an undo.
func New(kube kubernetes.Interface) *Client { return &Client{kube: kube} }

var (
	_ activities.Workloads = (*Client)(nil)
	_ activities.Rollouts  = (*Client)(nil)
)

// Fault sorts an error of the Kubernetes API. What names the object and the deed.
func Fault(err error, what string) error {
	known, ok := errors.AsType[*fault.Error](err)
	switch {
	case err == nil:
		return nil
	case ok: // whatever error of the API is within it
		return fault.New(known.Kind, "%s: %w", what, err)
	case apierrors.IsNotFound(err):
		return fault.New(fault.NotFound, "%s: %w", what, err)
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return fault.New(fault.Invalid, "%s: %w; the namespace is being deleted: wait until it is gone, and make it anew", what, err)
	case overQuota(err):
		return fault.New(fault.Invalid, "%s: %w; the namespace's ResourceQuota is used up: raise it, or make room", what, err)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return fault.New(fault.Denied, "%s: %w; apply the roles in deploy/ to Slipway's service account", what, err)
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return fault.New(fault.Invalid, "%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// overQuota tells a full quota from a missing right: both are 403, and only the words differ.
func overQuota(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "exceeded quota")
}

// Stamp refuses a write that is older than the last one on the object, and marks the object with it.
func Stamp(o metav1.Object, w activities.Write) error {
	if err := fenced(o, w); err != nil {
		return err
	}
	notes := o.GetAnnotations()
	if notes == nil {
		notes = map[string]string{}
	}
	notes[AnnotationFence] = fmt.Sprintf("%d.%d", w.Fence.Release, w.Fence.Step)
	notes[AnnotationRelease] = w.ReleaseID
	o.SetAnnotations(notes)
	return nil
}

// fenced refuses a write that is older than the last one on the object.
func fenced(o metav1.Object, w activities.Write) error {
	notes := o.GetAnnotations()
	last := parseFence(notes[AnnotationFence])
	if !w.Fence.Less(last) {
		return nil
	}
	return fault.New(fault.Fenced, "%s was written by release %s since (fence %d.%d, this write has %d.%d)",
		o.GetName(), notes[AnnotationRelease], last.Release, last.Step, w.Fence.Release, w.Fence.Step)
}

// parseFence reads an annotation; what is not a fence is older than every fence.
func parseFence(s string) activities.Fence {
	release, step, _ := strings.Cut(s, ".")
	r, err := strconv.ParseInt(release, 10, 64)
	if err != nil {
		return activities.Fence{}
	}
	n, err := strconv.ParseInt(step, 10, 64)
	if err != nil {
		return activities.Fence{Release: r}
	}
	return activities.Fence{Release: r, Step: n}
}

// update reads, changes and writes an object, and begins again when somebody wrote in between.
func update[T metav1.Object](
	ctx context.Context, name, what string,
	get func(context.Context, string, metav1.GetOptions) (T, error),
	put func(context.Context, T, metav1.UpdateOptions) (T, error),
	change func(T) error,
) error {
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		o, err := get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := change(o); err != nil {
			return err
		}
		_, err = put(ctx, o, metav1.UpdateOptions{FieldManager: manager})
		return err
	})
	return Fault(err, what)
}

// adjust is update for something that is looked at again and again: it writes only where the change makes
// a difference, and returns the object as it then is.
func adjust[T interface {
	metav1.Object
	DeepCopy() T
}](
	ctx context.Context, name, what string,
	get func(context.Context, string, metav1.GetOptions) (T, error),
	put func(context.Context, T, metav1.UpdateOptions) (T, error),
	change func(T) error,
) (T, error) {
	var out T
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		before, err := get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		out = before.DeepCopy()
		if err := change(out); err != nil || equality.Semantic.DeepEqual(before, out) {
			return err
		}
		out, err = put(ctx, out, metav1.UpdateOptions{FieldManager: manager})
		return err
	})
	return out, Fault(err, what)
}
