// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipwayhq/slipway/activities"
	"github.com/slipwayhq/slipway/workflows/decide/judge"
	"github.com/slipwayhq/slipway/workflows/plan"
)

// Patients looks at what pods have gone through.
type Patients struct {
	*Client
	// Now tells how old pods are.
	Now func() time.Time
}

var _ activities.Patients = (*Patients)(nil)

// LookAtPods implements activities.Patients.
func (c *Patients) LookAtPods(ctx context.Context, in activities.LookAtPodsIn) (judge.Look, error) {
	if in.Kind != "" {
		return c.lookInPlace(ctx, in)
	}
	stable, err := c.patients(ctx, in.Namespace, in.Stable)
	if err != nil {
		return judge.Look{}, err
	}
	candidate, err := c.patients(ctx, in.Namespace, in.Candidate)
	return judge.Look{Stable: stable, Candidate: candidate}, err
}

// lookInPlace tells the pods of one workload apart by what they run.
func (c *Patients) lookInPlace(ctx context.Context, in activities.LookAtPodsIn) (judge.Look, error) {
	w, err := c.inPlace(ctx, plan.Target{Namespace: in.Namespace, Deployment: in.Stable, Kind: in.Kind})
	if err != nil {
		return judge.Look{}, err
	}
	key, present, err := c.presentLabel(ctx, w)
	if err != nil {
		return judge.Look{}, err
	}
	found, err := c.pods(ctx, w)
	if err != nil {
		return judge.Look{}, err
	}
	fresh := func(p *corev1.Pod) bool { return p.Labels[key] == present }
	return judge.Look{
		Stable:    gather(found, c.Now(), func(p *corev1.Pod) bool { return !fresh(p) }),
		Candidate: gather(found, c.Now(), fresh),
	}, nil
}

func (c *Patients) patients(ctx context.Context, namespace, deployment string) (judge.Pods, error) {
	what := "Deployment " + namespace + "/" + deployment
	d, err := c.kube.AppsV1().Deployments(namespace).Get(ctx, deployment, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return judge.Pods{}, nil
	}
	if err != nil {
		return judge.Pods{}, Fault(err, "get "+what)
	}
	found, err := c.pods(ctx, ofDeployment(d))
	if err != nil {
		return judge.Pods{}, err
	}
	return gather(found, c.Now(), func(*corev1.Pod) bool { return true }), nil
}

// gather is what those pods of a list have gone through that are meant.
func gather(list *corev1.PodList, now time.Time, meant func(*corev1.Pod) bool) judge.Pods {
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	var out judge.Pods
	for i := range list.Items {
		p := &list.Items[i]
		if p.DeletionTimestamp != nil || !meant(p) { // what happens to one that goes was asked for
			continue
		}
		out.Number++
		if p.Status.StartTime != nil {
			out.Age += max(now.Sub(p.Status.StartTime.Time), 0).Hours()
		}
		seen := examine(p)
		out.Restarts += seen.Restarts
		if seen.Killed {
			out.Kills += seen.Restarts
		}
		if seen != (judge.Pod{}) && len(out.Troubled) < judge.MaxTroubled {
			if out.Troubled == nil {
				out.Troubled = map[string]judge.Pod{}
			}
			out.Troubled[p.Name] = seen
		}
	}
	return out
}

// outOfMemory is how Kubernetes calls the end of a container for want of memory.
const outOfMemory = "OOMKilled"

// settled is how long after a pod's begin its condition changes for the first time, at most: before, it was not ready
// because it had only begun.
const settled = 5 * time.Second

// examine is what a pod has gone through.
func examine(p *corev1.Pod) judge.Pod {
	var out judge.Pod
	for i := range p.Status.ContainerStatuses {
		s := &p.Status.ContainerStatuses[i]
		out.Restarts += int(s.RestartCount)
		ended := s.LastTerminationState.Terminated
		out.Killed = out.Killed || s.RestartCount > 0 && ended != nil && ended.Reason == outOfMemory
	}
	for _, c := range p.Status.Conditions {
		if c.Type != corev1.PodReady || c.Status == corev1.ConditionTrue || p.Status.StartTime == nil {
			continue
		}
		if at := c.LastTransitionTime.Time; at.Sub(p.Status.StartTime.Time) > settled {
			out.Lost = at.Unix()
		}
	}
	return out
}
