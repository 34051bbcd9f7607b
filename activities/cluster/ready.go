// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/slipwayhq/slipway/activities"
)

// crashLoop is the kubelet's word for a container that it waits to start again.
const crashLoop = "CrashLoopBackOff"

// deadlineExceeded is the Deployment controller's word for a rollout that has stood still for too long.
const deadlineExceeded = "ProgressDeadlineExceeded"

// Readiness tells whether every pod of a Deployment runs the image and is ready, and if not, why: in
// the words of the pods, where they have any.
func (c *Client) Readiness(ctx context.Context, in activities.AwaitReadyIn) (activities.Readiness, error) {
	d, err := c.kube.AppsV1().Deployments(in.Namespace).Get(ctx, in.Deployment, metav1.GetOptions{})
	if err != nil {
		return activities.Readiness{}, Fault(err, fmt.Sprintf("get Deployment %s/%s", in.Namespace, in.Deployment))
	}
	declared := slices.ContainsFunc(d.Spec.Template.Spec.Containers, func(c corev1.Container) bool { return c.Image == in.Image })
	if !declared {
		return activities.Readiness{Reason: "somebody has changed its image"}, nil
	}
	s, want := d.Status, max(in.Replicas, replicas(d))
	if in.Growing {
		want = in.Replicas
	}
	all := s.AvailableReplicas == s.Replicas || in.Growing
	if s.ObservedGeneration >= d.Generation && s.UpdatedReplicas == s.Replicas && s.AvailableReplicas >= want && all {
		return c.steady(ctx, d)
	}
	trouble, err := c.trouble(ctx, d)
	if err != nil {
		return activities.Readiness{}, err
	}
	return activities.Readiness{Reason: fmt.Sprintf("%d of %d pods are ready%s", s.AvailableReplicas, want, trouble)}, nil
}

// trouble is what the Deployment and its pods say about themselves.
func (c *Client) trouble(ctx context.Context, d *appsv1.Deployment) (string, error) {
	var out []string
	for _, condition := range d.Status.Conditions {
		switch {
		case condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue:
			out = append(out, condition.Message)
		case condition.Type == appsv1.DeploymentProgressing && condition.Reason == deadlineExceeded:
			out = append(out, fmt.Sprintf("its progress deadline of %d s has passed", ptr.Deref(d.Spec.ProgressDeadlineSeconds, 600)))
		}
	}
	pods, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return "", Fault(err, "list pods of Deployment "+d.Namespace+"/"+d.Name)
	}
	return told(out, pods), nil
}

// told puts what is wrong behind a colon, each once.
func told(out []string, pods *corev1.PodList) string {
	for i := range pods.Items {
		out = append(out, complaints(&pods.Items[i])...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if len(out) == 0 {
		return ""
	}
	return ": " + strings.Join(out, "; ")
}

// steady is what a watch wants to know of pods that are all ready.
func (c *Client) steady(ctx context.Context, d *appsv1.Deployment) (activities.Readiness, error) {
	pods, err := c.kube.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return activities.Readiness{}, Fault(err, "list pods of Deployment "+d.Namespace+"/"+d.Name)
	}
	out := activities.Readiness{Ready: true}
	for i := range pods.Items {
		for j := range pods.Items[i].Status.ContainerStatuses {
			out.Restarts = max(out.Restarts, pods.Items[i].Status.ContainerStatuses[j].RestartCount)
		}
	}
	return out, nil
}

// complaints are the reasons why a pod is not ready, the same words for every pod of a track.
func complaints(p *corev1.Pod) []string {
	var out []string
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			out = append(out, condition.Message)
		}
	}
	statuses := append(slices.Clone(p.Status.InitContainerStatuses), p.Status.ContainerStatuses...)
	for i := range statuses {
		s := &statuses[i]
		switch ended := s.LastTerminationState.Terminated; {
		case s.State.Waiting != nil && s.State.Waiting.Reason == crashLoop && ended != nil: // its message names the pod
			out = append(out, fmt.Sprintf("%s: container %s ends again and again, the last time with exit code %d (%s)", crashLoop, s.Name, ended.ExitCode, ended.Reason))
		case s.State.Waiting != nil && s.State.Waiting.Message != "":
			out = append(out, s.State.Waiting.Reason+": "+s.State.Waiting.Message)
		case s.State.Waiting != nil:
			out = append(out, s.State.Waiting.Reason)
		case s.State.Running != nil && !s.Ready:
			out = append(out, fmt.Sprintf("container %s runs, but its readiness probe does not pass", s.Name))
		}
	}
	return out
}
